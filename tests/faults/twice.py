"""One user several times in one message, and an old state that comes after a new one."""

import time
from contextlib import suppress
from dataclasses import asdict

from tests.estate.settings import Engines
from tests.faults.messages import life, mailbox, message_of
from tests.faults.part import Part, lend
from tests.faults.run import NotInTime, Run, wait_until
from tests.faults.tables import Table

from contracts.events import UserEvent

USERS = 40
ARRIVAL_SECONDS = 15
SETTLED_SECONDS = 1.0  # more than the last message needs


def twice_embedded(run: Run) -> None:
    """On SQLite and Valkey."""
    with lend() as engines:
        repeat(run, engines)


def twice_postgresql(run: Run) -> None:
    """On PostgreSQL, whose upsert refuses to change a row twice, and Valkey."""
    with lend(order="postgresql") as engines:
        repeat(run, engines)


def repeat(run: Run, engines: Engines) -> None:
    lives = [list(life(run.random, number)) for number in range(USERS)]
    all_at_once = [event for states in lives for event in states]
    run.random.shuffle(all_at_once)
    newest = {states[-1].subject: states[-1].data.version for states in lives}
    with Part(run.folder / "estate", engines, only=["order-worker"]) as estate:
        estate.start()
        with mailbox(estate) as box:

            def deliver(events: list[UserEvent]) -> None:
                box.post([message_of(run.random, [asdict(event) for event in events])])
                run.count("events", len(events))

            deliver(all_at_once)
            with suppress(NotInTime):
                wait_until(lambda: versions(estate) == newest, "they arrive", ARRIVAL_SECONDS)
            deliver([states[0] for states in lives])
            with suppress(NotInTime):
                wait_until(lambda: box.waiting() == 0, "the old states are taken", ARRIVAL_SECONDS)
            time.sleep(SETTLED_SECONDS)
        copy = versions(estate)
    wrong = [key for key in newest if copy.get(key) != newest[key]]
    run.expect(not wrong, f"each user's newest state is in the copy; not so {len(wrong)}")


def versions(estate: Part) -> dict[str, int]:
    table = Table(estate.environment("order")["DATABASE_URL"], "customers_customer")
    return dict(table.rows("_id", "version"))
