"""Inventory is away while a customer orders, repeats herself and cancels; then everything ends."""

import uuid
from contextlib import suppress
from typing import Any

import requests
from tests.faults.part import Part, lend
from tests.faults.run import NotInTime, Run, wait_until
from tests.faults.servers import kill_family
from tests.faults.shelf import sign
from tests.faults.tables import Table

ONLY = (
    *("user-web", "order-web", "order-worker", "order-beat"),
    *("product-web", "inventory-web"),
)
TOLD = {"order": {"RETRY_LIMIT_SECONDS": "4"}}
SKU = "MUG-ENAMEL"  # of which the shop has enough
END_SECONDS = 30  # until all has to have ended
ORDERS = 3  # before the outage, and as many meanwhile


def outage(run: Run) -> None:
    """Each key is one order, each order ends, and what was cancelled meanwhile holds no stock."""
    with lend() as engines, Part(run.folder / "estate", engines, only=ONLY, told=TOLD) as estate:
        estate.start()
        customer = Customer(estate)
        before = [customer.place(run) for _ in range(ORDERS)]
        kill_family(estate.processes.pop("inventory-web"))
        run.count("kills")
        meanwhile = [customer.place(run) for _ in range(ORDERS)]
        for order in (before[0], meanwhile[0]):
            customer.ask("POST", f"orders/{order}/cancellation/")
        estate.start_process("inventory-web")
        estate.wait_for_web("inventory-web")
        with suppress(NotInTime):
            wait_until(lambda: not unsettled(estate), "all orders end", END_SECONDS)
        left = unsettled(estate)
        run.expect(not left, f"no order is pending, and none owes a release: {left}")
        reserved = requests.get(
            f"{estate.url('inventory')}/api/v1/stock/{SKU}/", timeout=30
        ).json()["reserved"]
        living = 2 * ORDERS - 2
        run.expect(reserved == living, f"{living} confirmed orders hold a unit each: {reserved}")


def unsettled(estate: Part) -> list[str]:
    """What each order that has not ended waits for."""
    rows = Table(estate.environment("order")["DATABASE_URL"], "orders_order").rows(
        "_id", "status", "resume_at", "stock_released_at"
    )
    return [
        f"{order} is {status}"
        for order, status, resume_at, released_at in rows
        if resume_at or status == "pending" or (status == "cancelled" and not released_at)
    ]


class Customer:
    """Ann, who is registered, and whom orders have to ask about."""

    def __init__(self, estate: Part) -> None:
        self.estate = estate
        body = {"email": "ann@example.com", "name": "Ann", "password": "Freehold-outage-1"}
        url = f"{estate.url('user')}/api/v1/users/"
        self.id = str(requests.post(url, json=body, timeout=30).json()["id"])

    def place(self, run: Run) -> str:
        """An order of one unit, asked for twice, as by someone whose answer was lost."""
        body = {"lines": [{"sku": SKU, "quantity": 1}]}
        headers = {"Idempotency-Key": str(uuid.UUID(int=run.random.getrandbits(128)))}
        first, again = (
            self.ask("POST", "orders/", json=body, headers=dict(headers))["id"] for _ in range(2)
        )
        run.count("orders")
        run.expect(first == again, f"one Idempotency-Key is one order: {first}, {again}")
        return str(first)

    def ask(
        self, method: str, path: str, *, headers: dict[str, str] | None = None, json: Any = None
    ) -> dict[str, Any]:
        keys = self.estate.environment("user")["SIGNING_KEYS"]
        claims = {"sub": self.id, "token_type": "access", "is_staff": False}
        token = {"Authorization": f"Bearer {sign(keys, iss='user', **claims)}"}
        url = f"{self.estate.url('order')}/api/v1/{path}"
        answer = requests.request(
            method, url, headers=token | (headers or {}), json=json, timeout=60
        )
        return dict(answer.json())
