"""SIGKILL to every part of the estate under load, at random and at named points: none loses."""

import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import psutil
import psycopg
from tests.estate.estate import EstateFailed
from tests.faults.books import read_books, rest
from tests.faults.deployment import KINDS, Deployment, deploy
from tests.faults.inject import CRASH_POINTS, CrashPoint, crashes, environment
from tests.faults.judge import judge
from tests.faults.load import Load
from tests.faults.run import Run, Scenario

KILLS = 30  # of each deployment and seed
EVENTS = {"embedded": 50_000, "postgresql": 50_000, "mongodb": 10_000}  # SecantusDB is no mongod
LONGEST_PAUSE_SECONDS = 1.0
CRASH_SECONDS = 60  # until a process is there and somebody comes by its crash point, under load
USUAL_CRASH_SECONDS = 6  # to start a process anew, and for somebody to come by
CHILD_SECONDS = 10
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
    """One of the schedule: whom, after which pause, and how long until it is started again.

    With a `crash_point` it is killed to be started anew as one that kills itself there, the
    `occasion`th time that it comes by; `whole` if its parent and siblings go with it.
    """

    target: str
    pause: float
    downtime: float
    crash_point: str = ""
    occasion: int = 1
    whole: bool = False

    def __str__(self) -> str:
        return f"{self.target} at {self.crash_point}" if self.crash_point else self.target


def schedule(run: Run, kind: str) -> list[Kill]:
    """The same for the same seed: each target once, half of the crash points, and more at random.

    Who is to die at a crash point is killed first, to be started as one that will: these are two.
    """
    weights = TARGETS[kind]
    mine = points_of(kind)
    half = list(CRASH_POINTS)[(run.seed + list(KINDS).index(kind)) % 2 :: 2]
    points = [(name, mine[name]) for name in half if name in mine]
    left = max(0, KILLS - len(weights) - 2 * len(points))
    more = run.random.choices(list(weights), list(weights.values()), k=left)
    planned = [
        *((target, "") for target in [*weights, *more]),
        *((point.processes[0], name) for name, point in points),
    ]
    run.random.shuffle(planned)
    return [
        Kill(
            target=target,
            pause=run.random.uniform(0.1, LONGEST_PAUSE_SECONDS),
            downtime=run.random.choice((0.0, 0.0, 0.3, 1.0)),
            crash_point=crash_point,
            occasion=run.random.randint(1, 3),
            whole=run.random.random() < 0.5,
        )
        for target, crash_point in planned
    ]


def points_of(kind: str) -> dict[str, CrashPoint]:
    """The crash points that processes of a deployment come by."""
    is_in_redis = KINDS[kind].is_stock_in_redis
    processes = {target.partition(", ")[0] for target in TARGETS[kind]}
    elsewhere = {
        "inventory-reserve-before-commit" if is_in_redis else "ledger-commit-before-forget"
    }
    if kind == "embedded":
        elsewhere.add("relay-delete-before-commit")  # SQLite commits each statement by itself
    return {
        name: point
        for name, point in CRASH_POINTS.items()
        if point.processes[0] in processes and name not in elsewhere
    }


def kills(run: Run, *, kind: str) -> None:
    """Whatever is killed, no committed change is lost and no effect happens twice."""
    with deploy(run, kind) as deployment:
        begun = time.monotonic()
        planned = schedule(run, kind)
        seconds = sum(
            each.pause + each.downtime + USUAL_CRASH_SECONDS * bool(each.crash_point)
            for each in planned
        )
        with Load(run=run, deployment=deployment, events=EVENTS[kind], seconds=seconds) as load:
            load.begin()
            run.say(f"to be killed: {told(Counter(map(str, planned)))}")
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
        return
    (deployment.kill_alone if how == "alone" else deployment.kill)(name)
    run.count("kills")
    wait(kill.downtime, deployment, but=name)
    if kill.crash_point:
        crash(kill, run, deployment)
    else:
        deployment.restart(name)


def crash(kill: Kill, run: Run, deployment: Deployment) -> None:
    """Start it again as one that kills itself at its crash point, and wait until it has."""
    notes = run.folder / f"{kill.crash_point}.notes"
    deployment.restart(
        kill.target,
        **environment(
            crash_at=kill.crash_point, occasion=kill.occasion, whole=kill.whole, notes=notes
        ),
    )
    deadline = time.monotonic() + CRASH_SECONDS
    while not crashes(notes) and time.monotonic() < deadline:
        wait(0.1, deployment)
    run.count("kills", crashes(notes))
    run.count("at crash points", crashes(notes))
    if not crashes(notes):
        run.expect(False, f"somebody comes by {kill.crash_point} within {CRASH_SECONDS} s")


def kill_child(name: str, run: Run, deployment: Deployment) -> None:
    """SIGKILL to one that works for another: of PostgreSQL, to the backend of a session."""
    deadline = time.monotonic() + CHILD_SECONDS
    while time.monotonic() < deadline:
        children = sorted(deployment.children(name), key=lambda child: child.pid)
        if name == "postgresql":
            backends = sessions_of(deployment)
            children = [child for child in children if child.pid in backends]
        with suppress(psutil.NoSuchProcess, IndexError):
            run.random.choice(children).kill()
            run.count("kills")
            return
        wait(0.1, deployment)  # it was started a moment ago


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
    if any(verdict.counts[what] for what in ("lost", "phantom", "altered")):
        with suppress(EstateFailed):  # its exit code may tell of the drift that it has mended
            deployment.estate.manage("order", "verify_customers", "--repair")
        run.say(f"after a repair: {told(judge(read_books(deployment, load)).counts)}")


def told(counts: Counter[str]) -> str:
    return ", ".join(f"{many:,} {what}" for what, many in counts.items())


kills_embedded: Scenario = partial(kills, kind="embedded")
kills_postgresql: Scenario = partial(kills, kind="postgresql")
kills_mongodb: Scenario = partial(kills, kind="mongodb")
