"""A service's clock goes an hour ahead, or is set back: versions decide, and nothing sticks."""

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.estate.settings import SERVICES
from tests.faults.books import read_customers, read_users
from tests.faults.deployment import Deployment, deploy
from tests.faults.drift import change
from tests.faults.judge import Placed
from tests.faults.kills import conclude, wait
from tests.faults.load import Client, Load
from tests.faults.run import Run, wait_until
from tests.faults.shelf import sign

FOLDER = Path(__file__).parent / "clock"
HOUR = 3600
EVENTS_A_SECOND = 100
SKU = "STOVE-GAS"
FRESH_SECONDS = 1  # how old a price may be here


class Clocks:
    """The clock of each service, to be set while it runs."""

    def __init__(self, folder: Path) -> None:
        self.files = {service: folder / f"clock-{service}" for service in SERVICES}
        for service in SERVICES:
            self.set(service, 0)

    def set(self, service: str, seconds: int) -> None:
        """Let it be so many seconds ahead of all others; the service notices in 50 ms."""
        fresh = self.files[service].with_suffix(".new")
        fresh.write_text(str(seconds))
        fresh.replace(self.files[service])

    @contextmanager
    def shifted(self, service: str, seconds: int) -> Iterator[None]:
        self.set(service, seconds)
        try:
            yield
        finally:
            self.set(service, 0)

    @property
    def variables(self) -> dict[str, dict[str, str]]:
        return {
            service: {"PYTHONPATH": str(FOLDER), "FREEHOLD_CLOCK": str(path)}
            for service, path in self.files.items()
        }


def clocks_embedded(run: Run) -> None:
    clocks_of(run, "embedded")


def clocks_postgresql(run: Run) -> None:
    clocks_of(run, "postgresql")


def clocks_of(run: Run, kind: str) -> None:
    """Each clock is ahead, then behind, under load; each step back is one, too."""
    clocks = Clocks(run.folder)
    told = clocks.variables
    told["order"]["PRODUCT_CACHE_SECONDS"] = str(FRESH_SECONDS)
    steps = [(service, seconds) for service in SERVICES for seconds in (HOUR, -HOUR)]
    run.random.shuffle(steps)
    seconds = (10 if run.is_long else 2) * len(steps)
    with (
        deploy(run, kind, variables=told) as deployment,
        Load(run, deployment, EVENTS_A_SECOND * seconds, seconds, writers=1, buyers=2) as load,
    ):
        load.begin()
        for service, shift in steps:
            with clocks.shifted(service, shift):
                wait(seconds / len(steps), deployment)
                if service == "user":
                    changes_win(run, deployment, shift)
                if service == "order":
                    nothing_sticks(run, deployment, load, clocks, shift)
                run.count("clock steps")
            run.count("clock steps")
        load.end()
        conclude(run, deployment, load)


def changes_win(run: Run, deployment: Deployment, shift: int) -> None:
    """A change is the newest whatever its time says."""
    people = [key for key, user in read_users(deployment).items() if not user.is_deleted]
    chosen, name = run.random.sample(sorted(people), 5), f"changed at {shift:+} s"
    change(deployment, chosen, name)

    def copied() -> bool:
        copy = read_customers(deployment)
        return all(each in copy and copy[each].name == name for each in chosen)

    wait_until(copied, f"a change is in the copy though users' clock is {shift:+} s off", 30)


def nothing_sticks(
    run: Run, deployment: Deployment, load: Load, clocks: Clocks, shift: int
) -> None:
    """An order that waits, a key that comes again and a cached price survive the step to now."""
    customer, lines = load.customers[0], {SKU: 1}
    early, late = (str(uuid.UUID(int=run.random.getrandbits(128))) for _ in range(2))
    with Client(load) as client, deployment.estate.without("inventory-web"):
        client.tokens[customer] = token_for_long(deployment, customer)
        set_price(client, "19.90")
        wait(FRESH_SECONDS + 0.5, deployment, but="inventory-web")
        status, waiting = client.place(customer, lines, early, loses_answer=False)
        run.expect(status == 202, f"an order waits for inventory: {status} {waiting}")
        clocks.set("order", 0)
        set_price(client, "24.90")
        wait(FRESH_SECONDS + 0.5, deployment, but="inventory-web")
        _, again = client.place(customer, lines, early, loses_answer=False)
        run.expect(again["id"] == waiting["id"], "a key stands for one order at any time")
        _, dearer = client.place(customer, lines, late, loses_answer=False)
        told = dearer["total"]["amount"]
        run.expect(told == "24.90", f"a price that was read at {shift:+} s is not fresh: {told}")
    for key, placed in ((early, waiting), (late, dearer)):
        ids = frozenset({str(placed["id"])})
        load.placed.append(Placed(customer=customer, key=key, lines=lines, ids=ids))


def token_for_long(deployment: Deployment, customer: str) -> str:
    """A token that is good at each of the times that orders may believe in."""
    keys = deployment.estate.environment("user")["SIGNING_KEYS"]
    now = int(time.time())
    times = {"iat": now - 2 * HOUR, "exp": now + 2 * HOUR}
    return sign(keys, iss="user", sub=customer, token_type="access", is_staff=False, **times)


def set_price(client: Client, amount: str) -> None:
    body = {"price": {"amount": amount, "currency": "EUR"}}
    client.ask("PATCH", "product", f"products/{SKU}/", "staff", {200}, json=body)
