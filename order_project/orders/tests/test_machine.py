"""Any course of events, with an inventory that fails before and after the effect, ends well."""

import json
import threading
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlparse

import pytest
from hypothesis import settings as effort
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from clients import inventory
from clients.inventory import GoodsHaveLeft, OutOfStock
from contracts.inventory import ReservationLine
from customers.models import Customer
from orders.models import Order
from orders.operations import AlreadyRejected, cancel_order, place_order, resume_orders
from orders.tests.conftest import NOW, Stock

SKUS = ["LAMP", "ROPE", "TENT"]

Basket = dict[str, int]
Placed = tuple[str, Basket]  # the Idempotency-Key, and what was ordered

skus = st.sampled_from(SKUS)
quantities = st.integers(1, 4)
baskets = st.dictionaries(skus, quantities, min_size=1)
faults = st.sampled_from(["none", "none", "before", "after", "half"])


class ShopServer(ThreadingHTTPServer):
    """product_project and inventory_project on a real socket; `fault` says how the latter fails."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), ShopHandler)
        self.stock = Stock({})
        self.fault = "none"


class ShopHandler(BaseHTTPRequestHandler):
    server: ShopServer

    def do_GET(self) -> None:
        found = [
            {
                "sku": sku,
                "name": sku.title(),
                "description": "",
                "category": "light",
                "price": {"amount": "1.00", "currency": "EUR"},
                "is_active": True,
            }
            for sku in parse_qs(urlparse(self.path).query)["sku"][0].split(",")
        ]
        page = {"count": len(found), "next": None, "previous": None, "results": found}
        self.answer(200, json.dumps(page).encode())

    def do_PUT(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.change(lambda order_id: self.server.stock.put(order_id, body["lines"]))

    def do_DELETE(self) -> None:
        self.change(self.server.stock.delete)

    def change(self, effect: Any) -> None:
        if self.server.fault == "before":
            return self.answer(500, b"")
        status, body = effect(self.path.split("/")[-2])
        if self.server.fault == "after":
            return self.answer(500, b"")
        encoded = json.dumps(body).encode()
        if self.server.fault == "half":
            encoded = encoded[: len(encoded) // 2]
        return self.answer(status, encoded)

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """Be quiet."""


class Orders(RuleBasedStateMachine):
    """Ann orders and cancels, staff ship, workers resume and stall, and stock comes in."""

    orders = Bundle("orders")

    def __init__(self, server: ShopServer, customer: Customer) -> None:
        super().__init__()
        self.server = server
        self.customer = customer
        self.now = NOW
        self.received: Counter[str] = Counter()
        self.shipped: Counter[str] = Counter()
        Order.objects.all().delete()

    @initialize(
        target=orders,
        on_hand=st.fixed_dictionaries(dict.fromkeys(SKUS, st.integers(0, 6))),
        baskets=st.lists(baskets, min_size=3, max_size=5),
        faults=st.lists(faults, min_size=5, max_size=5),
    )
    def open_shop(self, on_hand: dict[str, int], baskets: list[Basket], faults: list[str]) -> Any:
        self.server.stock = Stock(dict(on_hand))
        self.received.update(on_hand)
        return multiple(*map(self.place, baskets, faults))

    @rule(target=orders, basket=baskets, fault=faults)
    def place_another(self, basket: Basket, fault: str) -> Placed:
        return self.place(basket, fault)

    def place(self, basket: Basket, fault: str) -> Placed:
        key = f"key {Order.objects.count()}"
        self.order(key, basket, fault)
        return key, basket

    @rule(order=orders, fault=faults)
    def repeat(self, order: Placed, fault: str) -> None:
        before = Order.objects.get(idempotency_key=order[0])

        assert self.order(*order, fault) == before

    def order(self, key: str, basket: Basket, fault: str) -> Order:
        self.server.fault = fault
        return place_order(
            customer=self.customer,
            lines=[ReservationLine(sku=sku, quantity=basket[sku]) for sku in basket],
            idempotency_key=key,
            now=self.now,
        )

    @rule(order=orders, fault=faults)
    def cancel(self, order: Placed, fault: str) -> None:
        self.server.fault = fault
        with suppress(AlreadyRejected, GoodsHaveLeft):
            cancel_order(order=Order.objects.get(idempotency_key=order[0]), now=self.now)

    @rule(seconds=st.integers(0, 400), fault=faults)
    def resume(self, seconds: int, fault: str) -> None:
        self.now += timedelta(seconds=seconds)
        self.server.fault = fault
        resume_orders(now=self.now)

    @rule(order=orders)
    def let_a_stalled_process_reserve(self, order: Placed) -> None:
        self.server.fault = "none"
        stored = Order.objects.get(idempotency_key=order[0])
        with suppress(OutOfStock):
            inventory.reserve(str(stored.id), stored.reservation_lines)

    @rule(order=orders)
    def ship(self, order: Placed) -> None:
        order_id = str(Order.objects.get(idempotency_key=order[0]).id)
        if order_id in self.server.stock.reserved:
            self.server.stock.fulfil(order_id)
            self.shipped.update(order[1])

    @rule(sku=skus, quantity=quantities)
    def receive(self, sku: str, quantity: int) -> None:
        self.server.stock.available[sku] += quantity
        self.received[sku] += quantity

    @invariant()
    def no_stock_is_lost_or_stranded(self) -> None:
        """Confirmed orders have theirs; of the others, only those that are resumed may have any."""
        stock = self.server.stock
        for order in Order.objects.all():
            reservation = stock.reservations.get(str(order.id), {"state": "none"})
            if order.status == "confirmed":
                assert reservation["state"] in {"reserved", "fulfilled"}
            elif order.resume_at is None:
                assert reservation["state"] == "released"
        held: Counter[str] = Counter()
        for basket in stock.reserved.values():
            held.update(basket)
        for sku, available in stock.available.items():
            assert available >= 0
            assert available + held[sku] + self.shipped[sku] == self.received[sku]

    def teardown(self) -> None:
        """Once inventory is well, everything ends."""
        self.server.fault = "none"
        self.now += timedelta(minutes=5)
        resume_orders(now=self.now)
        assert not Order.objects.filter(status="pending").exists()
        assert not Order.objects.exclude(resume_at=None).exists()
        self.no_stock_is_lost_or_stranded()


@pytest.fixture
def server(settings):
    with ShopServer() as server:
        settings.PRODUCT_URL = settings.INVENTORY_URL = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        inventory.remote.breaker.reset_timeout = 0
        yield server
        inventory.remote.breaker.reset_timeout = settings.BREAKER_RESET_SECONDS
        server.shutdown()
        thread.join()


@pytest.mark.django_db
@pytest.mark.usefixtures("copied")
class TestAnyCourseOfEvents:
    def test_ends_every_order_and_conserves_the_stock(self, server, ann):
        customer = Customer.objects.get(pk=ann.id)

        run_state_machine_as_test(
            lambda: Orders(server, customer),  # type: ignore[arg-type] # it takes any factory
            settings=effort(max_examples=30, stateful_step_count=15, deadline=None),
        )
