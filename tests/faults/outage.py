"""Inventory is away while customers order, repeat themselves and cancel; then everything ends."""

from tests.faults.books import read_books, rest
from tests.faults.deployment import deploy
from tests.faults.judge import judge
from tests.faults.kills import wait
from tests.faults.load import Load
from tests.faults.run import Run

EVENTS = 300
BEFORE_SECONDS, OUTAGE_SECONDS, AFTER_SECONDS = 4, 5, 4
REST_SECONDS = 30  # nothing is killed that a broker would wait for


def outage(run: Run) -> None:
    """Orders of before, meanwhile and after: each once, each ended, none with stock it lost."""
    with deploy(run, "embedded") as deployment:
        seconds = BEFORE_SECONDS + OUTAGE_SECONDS + AFTER_SECONDS
        with Load(run=run, deployment=deployment, events=EVENTS, seconds=seconds) as load:
            load.begin()
            wait(BEFORE_SECONDS, deployment)
            deployment.kill("inventory-web")
            wait(OUTAGE_SECONDS, deployment, but="inventory-web")
            deployment.restart("inventory-web")
            wait(AFTER_SECONDS, deployment)
            load.end()
            rest(deployment, REST_SECONDS)
            books = read_books(deployment, load)
            run.count("kills")
            run.count("events", sum(person.version for person in books.users.values()))
            run.count("orders", len(books.orders))
            for broken in judge(books).broken():
                run.expect(False, broken)
