"""The last units of one SKU, asked for more often than there are, and a release that is too early.

A short form of `stock`, which ends even where nothing guards the stock.
"""

import uuid
from concurrent.futures import ThreadPoolExecutor

from tests.estate.settings import Engines
from tests.faults.part import Part, lend
from tests.faults.run import Run
from tests.faults.shelf import Shelf
from tests.faults.stock import TOLD, too_early
from tests.faults.tables import Table

UNITS, ASKED, CLIENTS = 40, 120, 32
LINES = 12  # of an order that meets another one halfway


def scarce_embedded(run: Run) -> None:
    """Stock in SQLite."""
    with lend() as engines:
        ask_for_too_much(run, engines)


def scarce_redis(run: Run) -> None:
    """Stock in Valkey."""
    with lend(stock="embedded") as engines:
        ask_for_too_much(run, engines)


def scarce_postgresql(run: Run) -> None:
    """Stock in PostgreSQL, which counts its deadlocks."""
    with lend(inventory="postgresql") as engines:
        ask_for_too_much(run, engines)


def ask_for_too_much(run: Run, engines: Engines) -> None:
    only = ["inventory-web", "inventory-ledger"]
    with (
        Part(run.folder / "estate", engines, only=only, told=TOLD) as estate,
        ThreadPoolExecutor(CLIENTS) as clients,
    ):
        estate.start()
        shelf = Shelf(estate)
        last_units(run, shelf, clients)
        too_early(run, shelf)
        if url := engines.databases["inventory"]:
            in_both_directions(run, shelf, clients)
            estate.stop()  # PostgreSQL counts a session's deadlocks at its end, or a little before
            expect_no_deadlock(run, url)


def last_units(run: Run, shelf: Shelf, clients: ThreadPoolExecutor) -> None:
    shelf.certain(lambda: shelf.receive("LAST", UNITS))

    def buy(order: str) -> bool:
        return shelf.certain(lambda: shelf.reserve(order, {"LAST": 1})).status == 201

    granted = sum(clients.map(buy, [str(uuid.uuid4()) for _ in range(ASKED)]))
    run.count("reservations", ASKED)
    run.expect(granted == UNITS, f"of {UNITS} units {UNITS} are granted: {granted}")
    shelf.judge(run, ["LAST"])


def in_both_directions(run: Run, shelf: Shelf, clients: ThreadPoolExecutor) -> None:
    """Half of the orders name many SKUs from the first to the last, half from the last."""
    skus = [f"SHELF-{number}" for number in range(LINES)]
    for sku in skus:
        shelf.certain(lambda sku=sku: shelf.receive(sku, ASKED))

    def buy(number: int) -> int:
        lines = dict.fromkeys(skus if number % 2 else reversed(skus), 1)
        return shelf.certain(lambda: shelf.reserve(str(uuid.uuid4()), lines)).status

    answers = list(clients.map(buy, range(ASKED)))
    run.count("reservations", ASKED)
    run.expect(set(answers) <= {200, 201}, f"there is enough for all: {sorted(set(answers))}")


def expect_no_deadlock(run: Run, url: str) -> None:
    """Orders that name the same SKUs in another sequence do not wait for each other crosswise."""
    counted = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    ((deadlocks,),) = Table(url, "").execute(counted)
    run.expect(not deadlocks, f"no order waits for another crosswise: {deadlocks} deadlocks")
