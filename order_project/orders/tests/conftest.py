"""The shop that orders are placed in: products, a stock that counts, and customers in the copy."""

import json
import re
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlparse

import msgspec
import pytest
import requests
from django.contrib.auth.models import User as LocalUser
from django.utils import timezone
from rest_framework.test import APIClient

from contracts import orders as contract
from contracts.inventory import ReservationLine
from customers.models import Customer
from customers.operations import apply_users
from orders.models import Order
from orders.operations import place_order

PRODUCTS = "http://127.0.0.1:8003/api/v1/products/"
RESERVATIONS = "http://127.0.0.1:8004/api/v1/reservations/"

Answer = tuple[int, dict[str, Any]]


class Killed(BaseException):
    """Stands for SIGKILL: nothing of ours runs after it."""


class Stock:
    """Reserves and releases as inventory_project promises to."""

    def __init__(self, available: dict[str, int]) -> None:
        self.available = available
        self.reservations: dict[str, dict[str, Any]] = {}

    @property
    def reserved(self) -> dict[str, dict[str, int]]:
        """What is held, by order."""
        return {
            order_id: {line["sku"]: line["quantity"] for line in reservation["lines"]}
            for order_id, reservation in self.reservations.items()
            if reservation["state"] == "reserved"
        }

    def put(self, order_id: str, lines: list[dict[str, Any]]) -> Answer:
        known = self.reservations.get(order_id)
        if known and known["state"] == "released":
            return 409, {"detail": "The order was released.", "short": []}
        if known:
            return 200, known
        short = [
            {
                "sku": line["sku"],
                "requested": line["quantity"],
                "available": self.available.get(line["sku"], 0),
            }
            for line in lines
            if line["quantity"] > self.available.get(line["sku"], 0)
        ]
        if short:
            return 409, {"detail": "Not enough.", "short": short}
        for line in lines:
            self.available[line["sku"]] -= line["quantity"]
        self.reservations[order_id] = {"order_id": order_id, "state": "reserved", "lines": lines}
        return 201, self.reservations[order_id]

    def delete(self, order_id: str) -> Answer:
        known = self.reservations.get(order_id)
        if known and known["state"] == "fulfilled":
            return 409, {"detail": "The goods have left.", "short": []}
        if known and known["state"] == "reserved":
            for line in known["lines"]:
                self.available[line["sku"]] += line["quantity"]
        self.reservations[order_id] = {"order_id": order_id, "state": "released", "lines": []}
        return 200, self.reservations[order_id]

    def fulfil(self, order_id: str) -> None:
        self.reservations[order_id]["state"] = "fulfilled"


class Shop:
    """product_project and inventory_project, at the border; each request is kept in `asked`.

    `before` and `after` run before and after the effect of each request to inventory: what they
    raise is what becomes of it. `meanwhile` runs while prices are looked up.
    """

    def __init__(self, border: Any) -> None:
        self.stock = Stock({"TENT-2P": 5, "MUG-ENAMEL": 40})
        self.prices = {"TENT-2P": ("249.00", "EUR"), "MUG-ENAMEL": ("9.90", "EUR")}
        self.discontinued: set[str] = set()
        self.asked: list[str] = []
        self.before = self.after = self.meanwhile = self.nothing
        self.border = border
        border.add_callback("GET", PRODUCTS, self.list_products)
        reservation = re.compile(re.escape(RESERVATIONS) + "[^/]+/$")
        border.add_callback("PUT", reservation, self.change_reservation)
        border.add_callback("DELETE", reservation, self.change_reservation)

    def nothing(self) -> None:
        """Let the request through."""

    def lose(self) -> None:
        """Cut the connection."""
        raise requests.ConnectionError("cut")

    def die(self) -> None:
        """End the process that asked, there and then."""
        raise Killed

    def recover(self) -> None:
        self.before = self.after = self.nothing

    def list_products(self, request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        self.asked.append("GET products")
        self.meanwhile()
        skus = parse_qs(urlparse(str(request.url)).query)["sku"][0].split(",")
        found = [self.product(sku) for sku in skus if sku in self.prices]
        page = {"count": len(found), "next": None, "previous": None, "results": found}
        return 200, {}, json.dumps(page)

    def product(self, sku: str) -> dict[str, Any]:
        amount, currency = self.prices[sku]
        return {
            "sku": sku,
            "name": sku.title(),
            "description": "",
            "category": "shelter",
            "price": {"amount": amount, "currency": currency},
            "is_active": sku not in self.discontinued,
        }

    def change_reservation(
        self, request: requests.PreparedRequest
    ) -> tuple[int, dict[str, str], Any]:
        self.asked.append(f"{request.method} reservation")
        order_id = str(request.path_url).split("/")[-2]
        try:
            self.before()
            if request.method == "PUT":
                status, body = self.stock.put(order_id, json.loads(request.body or "")["lines"])
            else:
                status, body = self.stock.delete(order_id)
            self.after()
        except requests.RequestException as error:
            return 500, {}, error
        return status, {}, json.dumps(body)


@pytest.fixture
def shop(border: Any) -> Shop:
    return Shop(border)


@pytest.fixture
def copied(db: None, ann: Any, bo: Any) -> None:
    """Ann and Bo are in the copy."""
    apply_users(users=[ann.user, bo.user], now=timezone.now())


NOW = timezone.now().replace(microsecond=0)  # MongoDB keeps milliseconds
LATER = NOW + timedelta(minutes=1)


def lines_of(**quantities: int) -> tuple[ReservationLine, ...]:
    """Order lines: `TENT_2P=1` stands for one TENT-2P."""
    return tuple(
        ReservationLine(sku=sku.replace("_", "-"), quantity=quantity)
        for sku, quantity in quantities.items()
    )


def place(person: Any, key: str | None = None, **quantities: int) -> Order:
    """Place an order of one tent, or of what is given."""
    return place_order(
        customer=Customer.objects.get(pk=person.id),
        lines=lines_of(**quantities or {"TENT_2P": 1}),
        idempotency_key=key,
        now=NOW,
    )


def decoded(response):
    return msgspec.convert(response.json(), contract.Order)


@pytest.fixture
def local_staff(db):
    """Someone who is staff of this service alone."""
    client = APIClient()
    client.force_login(LocalUser.objects.create_user("dora", is_staff=True))
    return client
