"""SIGKILL to every part of the estate, at random moments under load: nothing is lost by it."""

import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import psutil
import psycopg
from tests.faults.books import read_books, rest
from tests.faults.deployment import Deployment, deploy
from tests.faults.judge import judge
from tests.faults.load import Load
from tests.faults.run import Run, Scenario

EVENTS, KILLS = 50_000, 30  # of each deployment in the short run
LONG_KILLS = 40  # of each deployment and seed in the long one
LONGEST_PAUSE_SECONDS = 1.5
# RabbitMQ 3.10 may lose a quorum queue that was declared so lately (rabbitmq/ra#443).
YOUNG_BROKER_SECONDS = 15

# Whom to kill and how often, relative to the others.
EMBEDDED = {
    "user-relay": 5,
    "order-worker": 3,
    "order-worker, alone": 2,
    "order-worker, a child": 5,
    "user-web": 1,
    "order-web": 3,
    "order-web, a child": 2,
    "inventory-web": 3,
    "inventory-web, a child": 1,
    "product-web": 1,
    "order-beat": 2,
    "valkey": 2,
}
SERVERS = {
    "valkey": 1,
    "postgresql": 2,
    "postgresql, a child": 3,
    "rabbitmq": 2,
    "stock": 2,
    "inventory-ledger": 1,
}
TARGETS = {
    "embedded": EMBEDDED,
    "postgresql": EMBEDDED | SERVERS,
    "mongodb": EMBEDDED | SERVERS | {"mongodb": 2},
}


@dataclass(frozen=True, kw_only=True)
class Kill:
    """One of the schedule: whom, after which pause, and how long until it is started again."""

    target: str
    pause: float
    downtime: float


def schedule(run: Run, kind: str, kills: int) -> list[Kill]:
    """The same for the same seed: every target at least once, the rest by their weights."""
    weights = TARGETS[kind]
    targets = [*weights, *run.random.choices(list(weights), list(weights.values()), k=kills)]
    targets = targets[:kills]
    run.random.shuffle(targets)
    return [
        Kill(
            target=target,
            pause=run.random.uniform(0.1, LONGEST_PAUSE_SECONDS),
            downtime=run.random.choice((0.0, 0.0, 0.3, 1.0)),
        )
        for target in targets
    ]


def kills(run: Run, *, kind: str) -> None:
    """Whatever is killed, no committed change is lost and no effect happens twice."""
    with deploy(run, kind) as deployment:
        begun = time.monotonic()
        planned = schedule(run, kind, LONG_KILLS if run.is_long else KILLS)
        seconds = sum(each.pause + each.downtime for each in planned)
        with Load(run=run, deployment=deployment, events=EVENTS, seconds=seconds) as load:
            load.begin()
            run.say(f"to be killed: {told(Counter(each.target for each in planned))}")
            for each in planned:
                if each.target == "rabbitmq":
                    wait(begun + YOUNG_BROKER_SECONDS - time.monotonic(), deployment)
                wait(each.pause, deployment)
                carry_out(each, run, deployment)
            load.end()
            conclude(run, deployment, load)


def carry_out(kill: Kill, run: Run, deployment: Deployment) -> None:
    """Kill, and start again what does not come back by itself."""
    name, _, how = kill.target.partition(", ")
    if how == "a child":
        kill_child(name, run, deployment)
    else:
        (deployment.kill_alone if how == "alone" else deployment.kill)(name)
        run.count("kills")
        wait(kill.downtime, deployment, but=name)
        deployment.restart(name)


def kill_child(name: str, run: Run, deployment: Deployment) -> None:
    """SIGKILL to one that works for another: of PostgreSQL, to the backend of a session."""
    children = sorted(deployment.children(name), key=lambda child: child.pid)
    if name == "postgresql":
        backends = sessions_of(deployment)
        children = [child for child in children if child.pid in backends]
    if children:
        with suppress(psutil.NoSuchProcess):
            run.random.choice(children).kill()
            run.count("kills")


def sessions_of(deployment: Deployment) -> set[int]:
    with (
        suppress(psycopg.Error),
        psycopg.connect(f"{deployment.servers['postgresql'].url}/postgres") as session,
    ):
        found = session.execute(
            "SELECT pid FROM pg_stat_activity"
            " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        return {pid for (pid,) in found}
    return set()


def wait(seconds: float, deployment: Deployment, *, but: str = "") -> None:
    """Let time pass, and have whatever ends meanwhile started again, but for one."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        deployment.supervise(but=but)
        time.sleep(0.05)


def conclude(run: Run, deployment: Deployment, load: Load) -> None:
    """Wait until nothing is on its way any more, read the databases, and judge."""
    seconds = rest(deployment)
    books = read_books(deployment, load)
    verdict = judge(books)
    run.count("events", sum(person.version for person in books.users.values()))
    run.count("orders", len(books.orders))
    for what, many in verdict.counts.items():
        run.count(what, many)
    for broken in verdict.broken():
        run.expect(False, broken)
    statuses = Counter(order.status for order in books.orders)
    run.say(
        f"at rest after {seconds:.1f} s: {len(books.users):,} users, {told(statuses)} orders; "
        f"HTTP {told(load.answers)}"
    )
    run.say(f"judged: {told(verdict.counts)}")


def told(counts: Counter[str]) -> str:
    return ", ".join(f"{many:,} {what}" for what, many in counts.items())


kills_embedded: Scenario = partial(kills, kind="embedded")
kills_postgresql: Scenario = partial(kills, kind="postgresql")
kills_mongodb: Scenario = partial(kills, kind="mongodb")
