"""Messages as no broker should deliver them: repeated, shuffled, late, and one in 100 poisoned."""

import base64
import json
import re
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from random import Random
from typing import Any
from urllib.parse import urlsplit

import amqp
import redis
from tests.estate.estate import Estate, stop_all
from tests.estate.settings import Engines
from tests.faults.part import Part, lend
from tests.faults.run import NotInTime, Run, wait_until
from tests.faults.tables import Table, only

from contracts.events import UserEvent
from contracts.users import User

QUEUE, DEAD_LETTERS = "order.user-events", "order.dead"
WINDOW = 1_000  # deliveries that are shuffled with each other
LATE = 0.05  # of all deliveries come after everything else
POISON = 0.01
LARGE = 5 * 2**20  # bytes
MOST_LARGE = 3  # poison of this size; each is kept whole, and delivered up to five times
MARK = re.compile(r"poison-[0-9a-f]{16}")
KINDS = ("bad JSON", "unknown type", "missing field", "too large")


@dataclass
class Mail:
    """What is delivered, in order, and what must have come of it in the end."""

    messages: list[bytes] = field(default_factory=list)
    copy: dict[str, User] = field(default_factory=dict)
    poison: dict[str, str] = field(default_factory=dict)  # a mark in each, and its kind
    changes: int = 0
    deliveries: int = 0


def write_mail(random: Random, *, users: int) -> Mail:
    """Several states of each user, delivered as badly as can be; one in 100 is poison."""
    mail = Mail()
    changes = [event for each in range(users) for event in life(random, each)]
    mail.changes = len(changes)
    for event in changes:
        known = mail.copy.get(event.subject)
        if known is None or known.version < event.data.version:
            mail.copy[event.subject] = event.data
    deliveries: list[Any] = [asdict(event) for event in changes]
    for number in range(max(len(KINDS), int(POISON * len(changes)))):
        kind = KINDS[number % len(KINDS)]
        if kind == "too large" and number // len(KINDS) >= MOST_LARGE:
            kind = "bad JSON"
        mark = f"poison-{random.getrandbits(64):016x}"
        mail.poison[mark] = kind
        deliveries.append(poisoned(random, kind, mark))
    deliveries = [each for each in deliveries for _ in range(random.randint(1, 5))]
    mail.deliveries = len(deliveries)
    mail.messages = list(in_messages(random, disturbed(random, deliveries)))
    return mail


def life(random: Random, number: int) -> Iterator[UserEvent]:
    """All states of one user, the oldest first; one in ten is erased in the end."""
    user_id = str(uuid.UUID(int=random.getrandbits(128), version=4))
    states = random.randint(1, 6)
    erased = states > 1 and random.random() < 0.1
    for version in range(1, states + 1):
        is_erased = erased and version == states
        user = User(
            id=user_id,
            version=version,
            email="" if is_erased else f"{number}.{version}@example.com",
            name="" if is_erased else f"Nº {number}, state {version}",
            deleted=is_erased,
        )
        yield UserEvent(
            id=str(uuid.UUID(int=random.getrandbits(128))),
            source="/user_project/users",
            type="user_deleted" if is_erased else "user_updated" if version > 1 else "user_created",
            subject=user_id,
            time=f"2026-01-01T{version:02}:00:00+00:00",
            data=user,
        )


def poisoned(random: Random, kind: str, mark: str) -> Any:
    """An event that cannot be applied, or the bytes of a message that cannot be read."""
    if kind == "bad JSON":
        return b'[[[{"name": "' + mark.encode()  # and there it ends
    event: dict[str, Any] = asdict(next(life(random, 0)))
    event["data"]["name"] = mark
    if kind == "unknown type":
        event["type"] = "user_promoted"
    elif kind == "missing field":
        del event["data"]["version"]
    else:
        event["data"]["name"] += "x" * LARGE
    return event


def disturbed(random: Random, deliveries: list[Any]) -> list[Any]:
    """The deliveries shuffled in windows, some of them held back for later than everything else."""
    on_time: list[Any] = []
    late: list[Any] = []
    for each in deliveries:
        (late if random.random() < LATE else on_time).append(each)
    for start in range(0, len(on_time), WINDOW):
        window = on_time[start : start + WINDOW]
        random.shuffle(window)
        on_time[start : start + WINDOW] = window
    random.shuffle(late)
    return on_time + late


def in_messages(random: Random, deliveries: Sequence[Any]) -> Iterator[bytes]:
    """Batches of 1 to 500 events, in some of which every event stands twice."""
    batch: list[Any] = []
    size = random.randint(1, 500)
    for each in deliveries:
        if isinstance(each, bytes):
            yield each
            continue
        batch.append(each)
        if len(batch) >= size:
            yield message_of(random, batch)
            batch, size = [], random.randint(1, 500)
    if batch:
        yield message_of(random, batch)


def message_of(random: Random, events: list[Any]) -> bytes:
    """Version 2 of Celery's protocol, as user_project sends it."""
    if len(events) < 100 and random.random() < 0.5:
        events = [*events, *reversed(events)]
    embed = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
    return json.dumps([[events], {}, embed]).encode()


def headers() -> dict[str, Any]:
    task_id = str(uuid.uuid4())
    return {
        "lang": "py",
        "task": "user.events",
        "id": task_id,
        "root_id": task_id,
        "parent_id": None,
        "group": None,
        "argsrepr": "events",
        "kwargsrepr": "{}",
        "origin": "tests.faults",
    }


class Mailbox(ABC):
    """The broker's side of the worker: what is put into its queue, and what is set aside there."""

    def __init__(self, url: str) -> None:
        self.url = urlsplit(url)

    @abstractmethod
    def post(self, messages: Sequence[bytes]) -> None:
        """Put messages into the queue."""

    @abstractmethod
    def waiting(self) -> int:
        """Messages that nobody is done with; RabbitMQ does not count those in a worker's hands."""

    def dead(self) -> list[str]:
        """The bodies that the broker has set aside."""
        return []

    @abstractmethod
    def close(self) -> None:
        """Leave the broker."""


class RedisMailbox(Mailbox):
    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.client = redis.Redis.from_url(url)

    def post(self, messages: Sequence[bytes]) -> None:
        for body in messages:
            self.client.lpush(QUEUE, json.dumps(self.envelope(body)))

    def envelope(self, body: bytes) -> dict[str, Any]:
        """A message as kombu writes it into a list."""
        return {
            "body": base64.b64encode(body).decode(),
            "content-type": "application/json",
            "content-encoding": "utf-8",
            "headers": headers(),
            "properties": {
                "delivery_mode": 2,
                "delivery_tag": str(uuid.uuid4()),
                "delivery_info": {"exchange": "events", "routing_key": "user.events"},
                "body_encoding": "base64",
                "priority": 0,
            },
        }

    def waiting(self) -> int:
        with self.client.pipeline() as both:
            return sum(both.llen(QUEUE).hlen("unacked").execute())  # type: ignore[attr-defined]

    def close(self) -> None:
        self.client.close()


class RabbitMailbox(Mailbox):
    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.vhost = self.url.path.removeprefix("/")
        self.connection = amqp.Connection(
            f"{self.url.hostname}:{self.url.port or 5672}",
            userid=self.url.username,
            password=self.url.password,
            virtual_host=self.vhost,
            confirm_publish=True,
        )
        self.connection.connect()
        self.channel = self.connection.channel()
        self.taken: list[str] = []  # from the dead letters

    def post(self, messages: Sequence[bytes]) -> None:
        for body in messages:
            message = amqp.Message(
                body,
                content_type="application/json",
                content_encoding="utf-8",
                application_headers=headers(),
                delivery_mode=2,
            )
            self.channel.basic_publish(message, "events", "user.events", mandatory=True)

    def waiting(self) -> int:
        return int(self.channel.queue_declare(QUEUE, passive=True).message_count)

    def dead(self) -> list[str]:
        while message := self.channel.basic_get(DEAD_LETTERS, no_ack=True):
            body = message.body
            self.taken.append(body if isinstance(body, str) else body.decode(errors="replace"))
        return self.taken

    def close(self) -> None:
        self.connection.close()


@contextmanager
def mailbox(estate: Estate) -> Iterator[Mailbox]:
    url = estate.environment("order")["BROKER_URL"]
    box = RedisMailbox(url) if url.startswith("redis") else RabbitMailbox(url)
    try:
        yield box
    finally:
        box.close()


def messages_embedded(run: Run) -> None:
    """The copy is the newest state of each user, and poison is set aside, on SQLite and Valkey."""
    with lend() as engines:
        deliver(run, engines)


def messages_rabbitmq(run: Run) -> None:
    """The same on PostgreSQL and RabbitMQ."""
    with lend(order="postgresql", broker="rabbitmq") as engines:
        deliver(run, engines)


def messages_mongodb(run: Run) -> None:
    """The same on MongoDB and RabbitMQ."""
    with lend(order="mongodb", broker="rabbitmq") as engines:
        deliver(run, engines)


def deliver(run: Run, engines: Engines) -> None:
    mail = write_mail(run.random, users=30_000 if run.is_long else 800)
    with Part(run.folder / "estate", engines, only=["order-worker"]) as estate:
        estate.start()
        with mailbox(estate) as box:
            box.post(mail.messages)
            run.count("events", mail.changes)
            run.count("deliveries", mail.deliveries)
            run.count("messages", len(mail.messages))
            run.count("poison", len(mail.poison))
            judge_delivery(run, estate, mail, box)


def judge_delivery(run: Run, estate: Estate, mail: Mail, box: Mailbox) -> None:
    """Wait until all is as it must be, and the worker has nothing left that could change it."""
    url = estate.environment("order")["DATABASE_URL"]
    begun = time.monotonic()
    limit = begun + (900 if run.is_long else 90)
    while True:
        with suppress(NotInTime):  # what is not so by then is told below
            wait_until(
                lambda: box.waiting() == 0 and not wrongs(url, mail, box),
                "the copy is right",
                limit - time.monotonic(),
            )
        seconds = time.monotonic() - begun
        stop_all([estate.processes.pop("order-worker")])  # what it had in hand, it gives back
        if box.waiting() == 0 or time.monotonic() > limit:
            break
        estate.start_process("order-worker")
    run.say(f"{mail.deliveries:,} deliveries of {mail.changes:,} events in {seconds:.1f} s")
    for wrong in wrongs(url, mail, box):
        run.expect(False, wrong)
    run.expect(box.waiting() == 0, f"no message is left over, but {box.waiting()} are")


def wrongs(url: str, mail: Mail, box: Mailbox) -> list[str]:
    """Which promises do not hold at this moment."""
    customers = Table(url, "customers_customer").rows(
        "_id", "version", "email", "name", "is_deleted"
    )
    copy = {
        key: User(id=key, version=version, email=email, name=name, deleted=deleted)
        for key, version, email, name, deleted in customers
    }
    payloads = only(Table(url, "customers_rejectedevent").rows("payload"))
    aside = [MARK.findall(text) for text in [*payloads, *box.dead()]]
    found = {mark for marks in aside for mark in marks}
    old = [key for key in mail.copy if copy.get(key) != mail.copy[key]]
    lost = [f"{mark}: {kind}" for mark, kind in mail.poison.items() if mark not in found]
    promises = {
        f"each user's newest state is in the copy; not so {len(old)}: {old[:3]}": not old,
        f"nobody else is in the copy: {sorted(copy.keys() - mail.copy.keys())[:3]}": (
            copy.keys() <= mail.copy.keys()
        ),
        f"all poison is found set aside; not so {len(lost)}: {lost[:3]}": not lost,
        "nothing but poison is set aside": all(aside),
    }
    return [promise for promise, holds in promises.items() if not holds]
