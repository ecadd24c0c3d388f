"""The check of the checks: without a safeguard a scenario must fail, and say what was broken."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.markup import escape
from rich.table import Table
from tests.faults.inject import SAFEGUARDS
from tests.faults.outage import outage
from tests.faults.relay import relay_embedded, relay_rabbitmq
from tests.faults.run import CannotRunHere, Run, Scenario, console
from tests.faults.scarce import scarce_embedded, scarce_postgresql, scarce_redis
from tests.faults.twice import twice_embedded, twice_postgresql
from tests.faults.worker import worker_embedded


@dataclass(frozen=True, kw_only=True)
class Mutation:
    """A safeguard, the scenario that has to fail without it, and the words in which it does."""

    safeguard: str
    scenario: str
    sign: str


SCENARIOS: dict[str, Scenario] = {
    "twice-embedded": twice_embedded,
    "twice-postgresql": twice_postgresql,
    "worker-embedded": worker_embedded,
    "relay-embedded": relay_embedded,
    "relay-rabbitmq": relay_rabbitmq,
    "outage": outage,
    "scarce-embedded": scarce_embedded,
    "scarce-redis": scarce_redis,
    "scarce-postgresql": scarce_postgresql,
}
STATES, NOBODY = "each user's newest state is in the copy", "what was said while no queue was bound"
MUTATIONS = [
    Mutation(
        safeguard="confirms",
        scenario="relay-rabbitmq",
        sign="what was said into a cut wire arrives",
    ),
    Mutation(safeguard="mandatory", scenario="relay-rabbitmq", sign=NOBODY),
    Mutation(safeguard="mandatory", scenario="relay-embedded", sign=NOBODY),
    Mutation(safeguard="ack-after-commit", scenario="worker-embedded", sign=STATES),
    Mutation(safeguard="reject-on-worker-lost", scenario="worker-embedded", sign=STATES),
    Mutation(safeguard="version-guard", scenario="twice-embedded", sign=STATES),
    Mutation(safeguard="in-batch-fold", scenario="twice-postgresql", sign=STATES),
    Mutation(safeguard="stock-guard", scenario="scarce-postgresql", sign="are granted"),
    Mutation(safeguard="stock-guard", scenario="scarce-redis", sign="are granted"),
    Mutation(
        safeguard="sorted-locks", scenario="scarce-postgresql", sign="no order waits for another"
    ),
    Mutation(
        safeguard="release-tombstone",
        scenario="scarce-embedded",
        sign="a reservation after its release is refused",
    ),
    Mutation(
        safeguard="release-tombstone",
        scenario="scarce-redis",
        sign="a reservation after its release is refused",
    ),
    Mutation(safeguard="idempotency-key", scenario="outage", sign="one Idempotency-Key"),
    Mutation(safeguard="late-release", scenario="outage", sign="none owes a release"),
]


def mutations(run: Run) -> None:
    """Every scenario holds with all safeguards, and breaks without the one it is the sharpest for.

    Raises CannotRunHere in the end where an engine was wanting.
    """
    table = Table("safeguard", "without it", "scenario", "red?", "seconds", "what it says")
    absent: list[CannotRunHere] = []
    for name in SCENARIOS:
        try:
            failures, seconds = attempt(run, name, without="")
        except CannotRunHere as reason:
            absent.append(reason)
            continue
        table.add_row(
            "none is missing", "", name, "yes" if failures else "no", f"{seconds:.0f}", ""
        )
        run.expect(not failures, f"{name} holds with all safeguards, and not: {failures[:1]}")
    for mutation in MUTATIONS:
        try:
            failures, seconds = attempt(run, mutation.scenario, without=mutation.safeguard)
        except CannotRunHere:
            continue
        said = [failure for failure in failures if mutation.sign in failure]
        run.count("mutations")
        run.count("red", bool(said))
        run.expect(
            bool(said),
            f"{mutation.scenario} fails without {mutation.safeguard}, in the words "
            f"{mutation.sign!r}: {failures[:1]}",
        )
        table.add_row(
            mutation.safeguard,
            SAFEGUARDS[mutation.safeguard].why,
            mutation.scenario,
            "yes" if said else "[red]no[/]",
            f"{seconds:.0f}",
            escape(said[0][:120] if said else ""),
        )
    untried = SAFEGUARDS.keys() - {mutation.safeguard for mutation in MUTATIONS}
    run.expect(not untried, f"each safeguard is tried, but for {sorted(untried)}")
    console.print(table)
    if absent:
        raise absent[0]


def attempt(run: Run, name: str, *, without: str) -> tuple[list[str], float]:
    """What does not hold in a scenario while its processes lack a safeguard, and how long it took.

    Raises CannotRunHere.
    """
    folder = run.folder / f"{name} without {without or 'nothing'}"
    folder.mkdir()
    trial = Run(name=folder.name, seed=run.seed, is_long=False, folder=folder)
    begun = time.monotonic()
    try:
        with lacking(without):
            SCENARIOS[name](trial)
    except CannotRunHere:
        raise
    except Exception as error:  # a trial may fail in any way: its words are looked at
        trial.failures.append(f"{type(error).__name__}: {error}")
    return trial.failures, time.monotonic() - begun


@contextmanager
def lacking(safeguard: str) -> Iterator[None]:
    """All that is started meanwhile lacks this, as `tests.faults.inject.inherited` tells."""
    before = os.environ.get("FREEHOLD_WITHOUT", "")
    os.environ["FREEHOLD_WITHOUT"] = safeguard
    try:
        yield
    finally:
        os.environ["FREEHOLD_WITHOUT"] = before
