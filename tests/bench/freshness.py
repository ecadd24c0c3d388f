"""How late the copy is: from the commit at the owner to the commit in the copy.

A writer commits at the owner what a save commits, and notes the moment at which COMMIT returned. A
watcher looks, over a connection of its own, for the new versions in the copy, and notes the moment
at which a committed one is first seen: the looks follow each other without a pause, so that what
they add is one look, under a millisecond.
"""

import threading
import time
from collections.abc import Iterator
from uuid import UUID

import amqp
from tests.bench.data import Copies, Owner, RabbitMq, SqlCopies, broker_of, copies_of
from tests.bench.events import UNNEST
from tests.bench.figures import Must, Result, figure, percentile
from tests.bench.stage import Bench, Stage, wait_until

PEOPLE = 1_000


@figure("freshness", "how late the copy is, at 100 changes a second and at one")
def freshness(bench: Bench) -> Iterator[Result]:
    for stage in bench.stages("postgresql", "embedded"):
        owner, copies = Owner(stage), copies_of(stage)
        copies.clear()
        owner.fill(PEOPLE)
        ids = owner.ids()
        with stage.running("user-relay", "order-worker"):
            owner.announce()
            wait_until(lambda copies=copies: copies.count() >= PEOPLE, "a first copy")  # type: ignore[misc]
            for rate, seconds in ((100, bench.size(5, 1)), (1, bench.size(12, 2))):
                found = [
                    probe(stage, owner, ids, rate=rate, changes=rate * seconds)
                    for _ in range(bench.runs)
                ]
                bare = (
                    [
                        probe(stage, owner, ids, rate=rate, changes=rate * seconds, bare=True)
                        for _ in range(bench.runs)
                    ]
                    if stage.name == "postgresql" and (rate > 1 or not bench.quick)
                    else []
                )
                yield from told(stage, rate, found, bare)
        copies.clear()
        owner.fill(0)


def told(
    stage: Stage, rate: int, found: list[list[float]], bare: list[list[float]]
) -> Iterator[Result]:
    pace = "100 changes a second" if rate > 1 else "one change a second"
    for percent, bound in ((50, 25), (99, 60)):
        yield Result(
            figure="freshness",
            what=f"from commit to commit at {pace}, p{percent}",
            on=stage.title,
            unit="ms",
            runs=tuple(percentile(run, percent) for run in found),
            limit=tuple(percentile(run, percent) for run in bare),
            limit_is="the same change published at once by bare py-amqp and copied by bare psycopg",
            must=(Must(bound=bound, at="most"),) if stage.name == "postgresql" else (),
            note=f"{sum(map(len, found))} changes",
        )


def probe(
    stage: Stage, owner: Owner, ids: list[UUID], *, rate: int, changes: int, bare: bool = False
) -> list[float]:
    """The milliseconds that each change took to be seen in the copy."""
    watcher = Watcher(stage)
    pipe = Pipe(stage) if bare else None
    watcher.start()
    begun = time.perf_counter()
    for number in range(changes):
        time.sleep(max(0.0, begun + number / rate - time.perf_counter()))
        user_id = ids[number % len(ids)]
        version = owner.change(user_id, announce=pipe is None)
        watcher.expect(user_id, version, time.perf_counter())
        if pipe:
            pipe.send(user_id, version)
    wait_until(lambda: len(watcher.took) == changes, "all changes in the copy")
    watcher.stop()
    if pipe:
        pipe.close()
    return watcher.took


class Watcher(threading.Thread):
    """Looks for what is expected until it is there."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(daemon=True)
        self.stage = stage
        self.took: list[float] = []
        self._waiting: dict[tuple[UUID, int], float] = {}
        self._ended = threading.Event()

    def expect(self, user_id: UUID, version: int, since: float) -> None:
        self._waiting[user_id, version] = since

    def stop(self) -> None:
        self._ended.set()
        self.join()

    def run(self) -> None:
        copies: Copies = copies_of(self.stage)
        while not self._ended.is_set():
            for (user_id, version), since in list(self._waiting.items()):
                if copies.version(user_id) >= version:
                    self.took.append(1000 * (time.perf_counter() - since))
                    del self._waiting[user_id, version]
            time.sleep(0 if self._waiting else 0.0005)


class Pipe(threading.Thread):
    """What no relay and worker can be faster than: publish, consume, write, each by itself."""

    QUEUE = "bench.freshness"

    def __init__(self, stage: Stage) -> None:
        super().__init__(daemon=True)
        self.stage = stage
        broker = broker_of(stage)
        assert isinstance(broker, RabbitMq)
        self.out = broker.channel
        self.out.queue_declare(self.QUEUE, auto_delete=False)
        self._ended = threading.Event()
        self.start()

    def send(self, user_id: UUID, version: int) -> None:
        message = amqp.Message(f"{user_id} {version}")
        self.out.basic_publish(message, "", self.QUEUE)

    def run(self) -> None:
        broker, copies = broker_of(self.stage), copies_of(self.stage)
        assert isinstance(broker, RabbitMq)
        assert isinstance(copies, SqlCopies)

        def apply(message: amqp.Message) -> None:
            key, version = str(message.body).split()
            now = time.strftime("%Y-%m-%d %H:%M:%S")
            row = (UUID(key), int(version), "person@bench.example", "Person", False, now, now)
            copies.connection.execute(UNNEST, [[value] for value in row])

        broker.channel.basic_consume(self.QUEUE, no_ack=True, callback=apply)
        while not self._ended.is_set():
            try:
                broker.connection.drain_events(timeout=0.2)
            except TimeoutError:
                continue
        broker.connection.close()

    def close(self) -> None:
        self._ended.set()
        self.join()
        self.out.queue_delete(self.QUEUE)
