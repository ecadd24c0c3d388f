"""Everybody wants the same stock at once: nothing is oversold, half held, or held for nobody."""

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from tests.estate.settings import Engines
from tests.faults.part import Part, lend
from tests.faults.run import Run
from tests.faults.shelf import PATIENCE_SECONDS, Answer, Shelf

CLIENTS = 64
UNITS = 500  # the last ones
TOLD = {"inventory": {"WEB_CONCURRENCY": "4"}}


def stock_embedded(run: Run) -> None:
    """Stock in SQLite."""
    with lend() as engines:
        rush(run, engines)


def stock_postgresql(run: Run) -> None:
    """Stock in PostgreSQL."""
    with lend(inventory="postgresql") as engines:
        rush(run, engines)


def stock_mysql(run: Run) -> None:
    """Stock in MariaDB or MySQL."""
    with lend(inventory="mysql") as engines:
        rush(run, engines)


def stock_redis(run: Run) -> None:
    """Stock in Valkey, its ledger in SQLite."""
    with lend(stock="embedded") as engines:
        rush(run, engines)


def rush(run: Run, engines: Engines) -> None:
    only = ["inventory-web", "inventory-ledger"]
    with (
        Part(run.folder / "estate", engines, only=only, told=TOLD) as estate,
        ThreadPoolExecutor(CLIENTS) as clients,
    ):
        estate.start()
        shelf = Shelf(estate)
        last_units(run, shelf, clients)
        baskets(run, shelf, clients)
        crosswise(run, shelf, clients)
        too_early(run, shelf)
        run.expect(
            not shelf.trouble,
            f"inventory answers everything, but {dict(shelf.trouble)}: {shelf.latest_trouble}",
        )


def last_units(run: Run, shelf: Shelf, clients: ThreadPoolExecutor) -> None:
    """64 clients take one unit each time until none is left; every fifth request is repeated."""
    shelf.certain(lambda: shelf.receive("LAST", UNITS))

    def buy(client: int) -> tuple[int, int]:
        granted = asked = 0
        while True:
            order, asked = str(uuid.uuid4()), asked + 1
            answer = shelf.certain(lambda: shelf.reserve(order, {"LAST": 1}))  # noqa: B023
            if answer.status == 409:
                return granted, asked
            granted += 1
            if (granted + client) % 5 == 0:
                shelf.reserve(order, {"LAST": 1})

    bought = list(clients.map(buy, range(CLIENTS)))
    granted = sum(each for each, _ in bought)
    run.count("reservations", sum(asked for _, asked in bought))
    run.expect(granted == UNITS, f"{CLIENTS} clients are granted {UNITS} units: {granted}")
    level = shelf.level("LAST")
    run.expect(
        (level["on_hand"], level["reserved"], level["available"]) == (UNITS, UNITS, 0),
        f"all of it is held: {level}",
    )
    shelf.judge(run, ["LAST"])


def baskets(run: Run, shelf: Shelf, clients: ThreadPoolExecutor) -> None:
    """Orders of several SKUs, in any order of lines, for more than there is: all or nothing."""
    skus = [f"SHELF-{number}" for number in range(8)]
    each = 200 if run.is_long else 60
    for sku in skus:
        shelf.certain(lambda sku=sku: shelf.receive(sku, each))
    orders = {}
    for _ in range(3 * each):
        chosen = run.random.sample(skus, run.random.randint(2, 5))
        order = str(uuid.UUID(int=run.random.getrandbits(128), version=4))
        orders[order] = {sku: run.random.randint(1, 3) for sku in chosen}

    def place(order: str) -> Answer:
        return shelf.certain(lambda: shelf.reserve(order, orders[order]))

    answers = dict(zip(orders, clients.map(place, orders), strict=True))
    run.count("reservations", len(orders))
    strange = [each for each in answers.values() if each.status not in (200, 201, 409)]
    run.expect(not strange, f"an order is granted or refused, not {strange[:2]}")
    shelf.judge(run, skus)  # which waits for the ledger, and so for reservations
    held = shelf.reservations()
    granted = {order for order, answer in answers.items() if answer.status != 409}
    run.expect(0 < len(granted) < len(orders), f"some are granted, some not: {len(granted)}")
    half = [order for order in granted if held.get(order) != ("reserved", orders[order])]
    run.expect(not half, f"what is granted is held, all of it, but for {half[:3]}")
    ghosts = orders.keys() - granted & held.keys()
    run.expect(not ghosts, f"nothing is held for who was refused, but for {sorted(ghosts)[:3]}")
    in_vain = [
        answers[order].body for order in orders.keys() - granted if not answers[order].body["short"]
    ]
    run.expect(not in_vain, f"a refusal names what is short: {in_vain[:2]}")


def crosswise(run: Run, shelf: Shelf, clients: ThreadPoolExecutor) -> None:
    """Reserve, cancel and fulfil one order at the same moment: one of the three wins, for good."""
    units = 100_000
    for sku in ("CROSS-1", "CROSS-2"):
        shelf.certain(lambda sku=sku: shelf.receive(sku, units))
    lines = {"CROSS-2": 2, "CROSS-1": 1}
    orders = [
        str(uuid.UUID(int=run.random.getrandbits(128), version=4))
        for _ in range(300 if run.is_long else 40)
    ]
    acts: dict[str, Callable[[str], Answer]] = {
        "reserve": lambda order: shelf.reserve(order, lines),
        "reserve again": lambda order: shelf.reserve(order, lines),
        "release": shelf.release,
        "fulfil": shelf.fulfil,
    }
    barrier = Barrier(CLIENTS)

    def act(order: str, name: str) -> tuple[str, str, Answer]:
        barrier.wait(PATIENCE_SECONDS)
        return order, name, shelf.certain(lambda: acts[name](order))

    plans = [(order, name) for order in orders for name in acts]
    plans = plans[: len(plans) - len(plans) % CLIENTS]  # all wait for each other at the barrier
    answers: dict[tuple[str, str], Answer] = {}
    for order, name, answer in clients.map(lambda plan: act(*plan), plans):
        answers[order, name] = answer
    run.count("reservations", len(plans))
    shelf.judge(run, ["CROSS-1", "CROSS-2"])
    held = shelf.reservations()
    for order in {order for order, _ in plans}:
        state, _ = held.get(order, ("none", {}))
        said = {name: answers[order, name].status for name in acts if (order, name) in answers}
        if said.get("release") == 200:
            run.expect(state == "released", f"{order} was released for good: {said}, {state}")
        if said.get("fulfil") == 200:
            run.expect(state == "fulfilled", f"{order} left: {said}, {state}")
        run.expect(
            set(said.values()) <= {200, 201, 404, 409}, f"{order}: unexpected answers {said}"
        )
    left = sum(state == "fulfilled" for state, of in held.values() if "CROSS-1" in of)
    on_hand = shelf.level("CROSS-1")["on_hand"]
    run.expect(on_hand == units - left, f"{left} orders left, and {units - on_hand} units")


def too_early(run: Run, shelf: Shelf) -> None:
    """A release that overtakes its reservation refuses it; what is repeated counts once."""
    shelf.certain(lambda: shelf.receive("EARLY", 10))
    order = str(uuid.uuid4())
    shelf.certain(lambda: shelf.release(order))
    late = shelf.certain(lambda: shelf.reserve(order, {"EARLY": 3}))
    run.expect(late.status == 409, f"a reservation after its release is refused: {late}")
    again = shelf.certain(lambda: shelf.release(order))
    run.expect(again.status == 200, f"a release may be repeated: {again}")
    twice = str(uuid.uuid4())
    for _ in range(3):
        shelf.certain(lambda: shelf.reserve(twice, {"EARLY": 2}))
    level = shelf.level("EARLY")
    run.expect(level["reserved"] == 2, f"an order that asks three times holds once: {level}")
    for _ in range(2):
        shelf.certain(lambda: shelf.release(twice))
    level = shelf.level("EARLY")
    run.expect(level["reserved"] == 0, f"and gives back once: {level}")
    shelf.judge(run, ["EARLY"])
