"""Processes die at each named crash point, under load: the promises hold at the worst moments."""

import itertools
import uuid
from contextlib import suppress
from functools import partial
from pathlib import Path

import psutil
import requests
from tests.estate.estate import EstateFailed
from tests.faults.books import read_customers
from tests.faults.deployment import Deployment, deploy
from tests.faults.inject import CRASH_POINTS, crashes, environment
from tests.faults.kills import conclude, wait
from tests.faults.load import Load
from tests.faults.run import NotInTime, Run, Scenario
from tests.faults.tables import Table

EVENTS = 4000
SECONDS_EACH = 4  # what a crash takes, on two idle cores; the writers spread their events over it
LOOK_SECONDS, REACHED_SECONDS = 0.2, 60
OUTAGE_SECONDS = 2.5  # of inventory, for the worker to have orders to resume
OUTAGE_TURNS = 60  # looks from one outage to the next
# What is on no process's way where stock is kept in Redis, or is not.
ABSENT = {
    "embedded": {"ledger-commit-before-forget"},
    "postgresql": {"inventory-reserve-before-commit"},
    "mongodb": {"inventory-reserve-before-commit"},
}
MOVED_BY_REGISTERING = ("user-web", "user-relay", "order-worker")
COMMANDS = {
    "order-verify": ("verify_customers", "--repair", "--lag", "1"),
    "order-rebuild": ("rebuild_customers",),
}


def crash_points(run: Run, *, kind: str) -> None:
    """Each process dies at each point on its way; the long run sees to all of them."""
    with deploy(run, kind) as deployment:
        planned = plan(run, kind)
        seconds = SECONDS_EACH * len(planned)
        with Load(run=run, deployment=deployment, events=EVENTS, seconds=seconds) as load:
            load.begin()
            for point, process in planned:
                notes = run.folder / f"notes of {process} at {point}"
                if process in COMMANDS:
                    die_as_command(run, deployment, point, process, notes)
                else:
                    die_as_process(run, deployment, point, process, notes)
                run.count("kills")
            load.end()
            conclude(run, deployment, load)


def plan(run: Run, kind: str) -> list[tuple[str, str]]:
    """Each point with the processes that pass through it: one of them in the short run."""
    planned = []
    for point, known in CRASH_POINTS.items():
        if point not in ABSENT[kind]:
            chosen = known.processes if run.is_long else [run.random.choice(known.processes)]
            planned += [(point, process) for process in chosen]
    run.random.shuffle(planned)
    return planned


def die_as_process(run: Run, deployment: Deployment, point: str, process: str, notes: Path) -> None:
    whole = run.random.random() < 0.5
    occasion = run.random.randint(1, 3)
    armed = environment(crash_at=point, occasion=occasion, whole=whole, notes=notes)
    deployment.restart(process, **armed)
    is_resuming = process == "order-worker" and point.startswith("order-")
    for turn in itertools.count():
        if crashes(notes):
            break
        if turn * LOOK_SECONDS > REACHED_SECONDS:
            raise NotInTime(f"{process} reaches {point}: not within {REACHED_SECONDS} s")
        if is_resuming and turn % OUTAGE_TURNS == 0:  # one may leave too few orders to resume
            deployment.kill("inventory-web")
            wait(OUTAGE_SECONDS, deployment, but="inventory-web")
        if process in MOVED_BY_REGISTERING:  # the writers may have written all by now
            register(deployment)
        wait(LOOK_SECONDS, deployment, but=process)
    if whole:  # the note comes before the death
        with suppress(psutil.TimeoutExpired):
            deployment.process(process).wait(5)
    wait(run.random.choice((0.0, 0.5)), deployment, but=process)
    how = "with all its kin" if whole else "alone"
    run.say(f"{process} died {how}, {CRASH_POINTS[point].what} ({occasion})")


def die_as_command(run: Run, deployment: Deployment, point: str, process: str, notes: Path) -> None:
    """What an operator started dies, and is started again."""
    if process == "order-verify":
        put_ahead(run, deployment)
    with suppress(EstateFailed):
        deployment.estate.manage(
            "order", *COMMANDS[process], **environment(crash_at=point, notes=notes)
        )
    run.expect(crashes(notes) == 1, f"{process} reaches {point}")
    deployment.supervise()
    deployment.estate.manage("order", *COMMANDS[process])
    run.say(f"{process} died, {CRASH_POINTS[point].what}, and was started again")


def register(deployment: Deployment) -> None:
    """Ask once; whoever gets no answer was told nothing."""
    body = {
        "email": f"{uuid.uuid4().hex}@example.com",
        "name": "Somebody",
        "password": "Freehold-crash-points",
    }
    with suppress(requests.RequestException):
        url = f"{deployment.estate.url('user')}/api/v1/users/"
        requests.post(url, json=body, timeout=5)


def put_ahead(run: Run, deployment: Deployment) -> None:
    """A row of the copy that only a repair can mend, as after a restore of the owner's backup."""
    wait(1, deployment)
    customers = read_customers(deployment)
    key = run.random.choice(sorted(customers))
    table = Table(deployment.url("order"), "customers_customer")
    table.change(key, version=customers[key].version + 1_000_000)


crash_points_embedded: Scenario = partial(crash_points, kind="embedded")
crash_points_postgresql: Scenario = partial(crash_points, kind="postgresql")
crash_points_mongodb: Scenario = partial(crash_points, kind="mongodb")
