"""What the relay says into a wire that is cut, or to a broker where nobody listens, is not lost."""

import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import replace
from urllib.parse import urlsplit

import amqp
import redis
from tests.estate.estate import stop_all
from tests.faults.part import Part, lend
from tests.faults.proxy import Fault, Proxy
from tests.faults.run import NotInTime, Run, wait_until
from tests.faults.tables import Table

QUEUE, EXCHANGE, TOPIC = "order.user-events", "events", "user.#"
USERS = 20
SILENCE_SECONDS = 1.5  # in which a relay that does not wait for the broker's word forgets its rows
ARRIVAL_SECONDS = 30  # the relay tries again every five at most

# One commit of user_project: the users are there, and have this name.
CHANGE = f"""
import os, uuid
from users.models import User
name, ids = os.environ["NAME"], [uuid.UUID(int=number + 1) for number in range({USERS})]
if User.objects.filter(pk__in=ids).exists():
    User.objects.filter(pk__in=ids).update(name=name)
else:
    User.objects.bulk_create(
        User(pk=pk, email=f"{{pk.hex}}@example.com", name=name, password="!") for pk in ids
    )
"""


def relay_rabbitmq(run: Run) -> None:
    """RabbitMQ behind a wire that swallows, then without the binding."""
    with lend(broker="rabbitmq") as engines:
        broker = urlsplit(engines.broker or "")
        with Proxy(broker.port or 5672) as wire:
            by_wire = broker._replace(
                netloc=f"{broker.username}:{broker.password}@127.0.0.1:{wire.port}"
            ).geturl()
            engines = replace(engines, brokers={"user": by_wire})
            only = ["user-relay", "order-worker"]
            with Part(run.folder / "estate", engines, only=only) as estate:
                estate.start()
                change(run, estate, "in the beginning")
                say_into_a_cut_wire(run, estate, wire)
                say_to_nobody(run, estate, lambda: unbind_at_rabbitmq(engines.broker or ""))


def relay_embedded(run: Run) -> None:
    """Valkey without the binding."""
    only = ["user-relay", "order-worker"]
    with lend() as engines, Part(run.folder / "estate", engines, only=only) as estate:
        estate.start()
        change(run, estate, "in the beginning")
        say_to_nobody(
            run, estate, lambda: unbind_at_redis(estate.environment("order")["BROKER_URL"])
        )


def say_into_a_cut_wire(run: Run, estate: Part, wire: Proxy) -> None:
    """The message is taken by the operating system, never comes to the broker, and is gone."""
    with wire.struck(Fault.CUT):
        write(run, estate, "while the wire is cut")
        time.sleep(SILENCE_SECONDS)
        with wire.struck(Fault.RESET):
            run.count("cuts")
    expect_equal(run, estate, "what was said into a cut wire arrives once it is mended")


def say_to_nobody(run: Run, estate: Part, unbind: Callable[[], None]) -> None:
    """A broker confirms, and drops, a message that no queue is bound for."""
    stop_all([estate.processes.pop("order-worker")])
    unbind()
    write(run, estate, "while nobody listens")
    time.sleep(SILENCE_SECONDS)
    estate.manage("order", "declare_queues")
    estate.start_process("order-worker")
    expect_equal(run, estate, "what was said while no queue was bound arrives once one is")


def change(run: Run, estate: Part, name: str) -> None:
    """Change all users, and wait until the copy has it."""
    write(run, estate, name)
    wait_until(lambda: copied(estate) == owned(estate), f"the copy tells of users {name}", 60)


def write(run: Run, estate: Part, name: str) -> None:
    """Change all users, at the owner alone."""
    estate.manage("user", "shell", "--verbosity", "0", "--command", CHANGE, NAME=name)
    run.count("events", USERS)


def expect_equal(run: Run, estate: Part, promise: str) -> None:
    with suppress(NotInTime):
        wait_until(lambda: copied(estate) == owned(estate), promise, ARRIVAL_SECONDS)
    copy, owner = copied(estate), owned(estate)
    late = [key for key in owner if copy.get(key) != owner[key]]
    run.expect(not late, f"{promise}; not so {len(late)} of {len(owner)} users")


def owned(estate: Part) -> dict[str, tuple[int, str]]:
    """The version and the name of each user at the owner."""
    table = Table(estate.environment("user")["DATABASE_URL"], "users_user", key="id")
    return {key: (version, name) for key, version, name in table.rows("id", "version", "name")}


def copied(estate: Part) -> dict[str, tuple[int, str]]:
    """The same in the copy."""
    table = Table(estate.environment("order")["DATABASE_URL"], "customers_customer")
    return {key: (version, name) for key, version, name in table.rows("_id", "version", "name")}


def unbind_at_rabbitmq(url: str) -> None:
    """As an operator may do by mistake, or a queue that was deleted."""
    split = urlsplit(url)
    with closing(
        amqp.Connection(
            f"{split.hostname}:{split.port or 5672}",
            userid=split.username,
            password=split.password,
            virtual_host=split.path.removeprefix("/"),
        )
    ) as connection:
        connection.connect()
        connection.channel().queue_unbind(QUEUE, EXCHANGE, TOPIC)


def unbind_at_redis(url: str) -> None:
    with closing(redis.Redis.from_url(url)) as broker:
        broker.delete(f"_kombu.binding.{EXCHANGE}")
