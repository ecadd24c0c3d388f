"""In order_project: the names of 100 orders' customers, by each way there is to know them."""

import json
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.utils import timezone

from clients.users import fetch_users
from customers.operations import apply_users
from orders.models import SHOWN, Order, OrderQuerySet
from orders.serializers import describe, describe_orders

PAGE = 100
LINES = [
    {
        "sku": f"BENCH-{number}",
        "name": f"Camp chair number {number}",
        "quantity": number,
        "unit_price": {"amount": "49.90", "currency": "EUR"},
    }
    for number in (1, 2)
]


def fill(ids: list[str]) -> None:
    """A copy of these users, and an order of each."""
    now = timezone.now()
    for start in range(0, len(ids), PAGE):
        apply_users(users=fetch_users(ids[start : start + PAGE]), now=now)
    Order.objects.bulk_create(
        Order(
            customer_id=UUID(key),
            status=Order.Status.CONFIRMED,
            lines=LINES,
            total_amount=Decimal("149.70"),
            total_currency="EUR",
            placed_at=now - timedelta(seconds=number),
            priced_at=now,
        )
        for number, key in enumerate(ids)
    )


def newest() -> OrderQuerySet:
    return Order.objects.order_by("-placed_at", "-id")


def orders() -> list[Any]:
    return list(newest().values_list(*SHOWN, named=True)[:PAGE])


def copy() -> list[Any]:
    return list(describe_orders(newest().as_rows()[:PAGE]))


def batched() -> list[Any]:
    page = orders()
    users = {user.id: user for user in fetch_users([str(row.customer_id) for row in page])}
    people = [users[str(row.customer_id)] for row in page]
    return [describe(*row, user.name, user.email) for row, user in zip(page, people, strict=True)]


def cached() -> list[Any]:
    page = orders()
    users = cache.get_many([f"bench:{row.customer_id}" for row in page])
    people = [users[f"bench:{row.customer_id}"] for row in page]
    return [describe(*row, *person) for row, person in zip(page, people, strict=True)]


def single() -> list[Any]:
    page = orders()
    people = [fetch_users([str(row.customer_id)])[0] for row in page]
    return [describe(*row, user.name, user.email) for row, user in zip(page, people, strict=True)]


def unnamed() -> list[Any]:
    return [describe(*row, "", "") for row in orders()]


def bare() -> Callable[[], list[Any]]:
    known = settings.DATABASES["default"]
    words = {"dbname": "NAME", "host": "HOST", "port": "PORT", "user": "USER"}
    given = {word: known[name] for word, name in words.items() if known.get(name)}
    password = known.get("PASSWORD") or None
    open_connection = psycopg.connect(**given, password=password, autocommit=True)
    statement = (
        "SELECT orders_order.*, name, email FROM orders_order LEFT JOIN customers_customer "
        "ON customers_customer._id = customer_id "
        "ORDER BY placed_at DESC, orders_order._id DESC LIMIT %s"
    )
    return lambda: list(open_connection.execute(statement, (PAGE,), prepare=True))


def milliseconds(act: Callable[[], list[Any]], seconds: float) -> float:
    begun, times = time.perf_counter(), 0
    while (took := time.perf_counter() - begun) < seconds or not times:
        assert len(act()) == PAGE
        times += 1
    return 1000 * took / times


def main(
    *, ids: list[str], runs: int, seconds: float, keep: bool = False
) -> dict[str, list[float]]:
    Order.objects.all().delete()
    fill(ids)
    for user in fetch_users([str(row.customer_id) for row in orders()]):
        cache.set(f"bench:{user.id}", [user.name, user.email], 600)
    doors = {
        "copy": copy,
        "batched": batched,
        "cached": cached,
        "single": single,
        "unnamed": unnamed,
    }
    if connection.vendor == "postgresql":
        doors["bare"] = bare()
    answer: dict[str, list[float]] = {name: [] for name in doors}
    for _ in range(runs):
        for name, act in doors.items():
            answer[name].append(milliseconds(act, seconds))
    if not keep:
        Order.objects.all().delete()
    return answer


print(json.dumps(main(**json.loads(sys.argv[2]))))  # noqa: T201
