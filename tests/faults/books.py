"""What the databases say, on whatever engine, for the judge to read."""

import json
import sqlite3
import time
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import psycopg
import pymongo.errors
import redis
from tests.engines import connect_rabbitmq
from tests.faults.deployment import Deployment
from tests.faults.judge import Books, Level, Movement, Order, Person, Reservation
from tests.faults.load import Load

STOCK_PREFIX = "{inventory}:"
LAG_SECONDS = 100  # what Redis waits before it delivers again, a restart, and then some
OUTAGES = (sqlite3.Error, psycopg.Error, pymongo.errors.PyMongoError, redis.RedisError)
CUSTOMER = ("_id", "version", "email", "name", "is_deleted")
ORDER = (
    *("_id", "customer_id", "idempotency_key", "status", "lines"),
    *("resume_at", "stock_released_at"),
)


def read_books(deployment: Deployment, load: Load | None = None) -> Books:
    """All that there is to judge, and what was acknowledged to a load."""
    return Books(
        acknowledged=load.acknowledged() if load else {},
        users=read_users(deployment),
        customers=read_customers(deployment),
        pending=count(deployment, "user", "outbox_pendingevent"),
        rejected=count(deployment, "order", "customers_rejectedevent"),
        dead_lettered=count_dead_letters(deployment),
        placed=load.placed if load else (),
        orders=read_orders(deployment),
        levels=read_levels(deployment),
        reservations=read_reservations(deployment),
        movements=read_movements(deployment),
    )


def rest(deployment: Deployment, seconds: float = LAG_SECONDS) -> float:
    """Wait, and keep everything running, until nothing is on its way any more; how long that took.

    Or until nothing has moved for so many seconds: what has not arrived by then is lost.
    """
    begun = moved = time.monotonic()
    before: tuple[int, ...] = ()
    while True:
        with suppress(*OUTAGES):  # what was killed last may still be on its way up
            now = on_the_way(deployment)
            if not any(now):
                break
            if now != before:
                before, moved = now, time.monotonic()
        if time.monotonic() - moved > seconds:
            break
        deployment.supervise()
        time.sleep(0.5)
    return time.monotonic() - begun


def on_the_way(deployment: Deployment) -> tuple[int, ...]:
    """What waits in the outbox, for the copy, with the orders and for the ledger."""
    stock = stock_client(deployment)
    return (
        count(deployment, "user", "outbox_pendingevent"),
        read_progress(deployment),
        sum(order.status == "pending" or order.is_due for order in read_orders(deployment)),
        stock.xlen(f"{STOCK_PREFIX}movements") if stock else 0,
    )


def read_progress(deployment: Deployment) -> int:
    """How many states the copy is behind its owner."""
    ((owner,),) = deployment.rows("user", "SELECT sum(version) FROM users_user")
    if deployment.is_mongodb("order"):
        copy = sum(row["version"] for row in deployment.documents("order", "customers_customer"))
    else:
        ((copy,),) = deployment.rows("order", "SELECT sum(version) FROM customers_customer")
    return int(owner) - int(copy or 0)


def columns(
    deployment: Deployment, service: str, table: str, names: tuple[str, ...]
) -> list[tuple[Any, ...]]:
    """All rows of a table or collection, with these columns."""
    if deployment.is_mongodb(service):
        return [
            tuple(document.get(name) for name in names)
            for document in deployment.documents(service, table)
        ]
    return deployment.rows(service, f"SELECT {', '.join(names)} FROM {table}")  # noqa: S608 - ours


def count(deployment: Deployment, service: str, table: str) -> int:
    key = "_id" if service == "order" else "id"
    return len(columns(deployment, service, table, (key,)))


def read_users(deployment: Deployment) -> dict[str, Person]:
    names = ("id", "version", "email", "name", "erased_at")
    return {
        id_of(key): Person(version, email or "", name, erased_at is not None)
        for key, version, email, name, erased_at in columns(deployment, "user", "users_user", names)
    }


def read_customers(deployment: Deployment) -> dict[str, Person]:
    return {
        id_of(key): Person(version, email, name, bool(is_deleted))
        for key, version, email, name, is_deleted in columns(
            deployment, "order", "customers_customer", CUSTOMER
        )
    }


def read_orders(deployment: Deployment) -> list[Order]:
    return [
        Order(
            id=id_of(key),
            customer=id_of(customer),
            key=idempotency_key or "",
            status=status,
            lines={line["sku"]: line["quantity"] for line in decoded(lines)},
            is_due=resume_at is not None,
            is_released=released_at is not None,
        )
        for key, customer, idempotency_key, status, lines, resume_at, released_at in columns(
            deployment, "order", "orders_order", ORDER
        )
    ]


def read_movements(deployment: Deployment) -> list[Movement]:
    names = ("operation_id", "sku", "kind", "on_hand_delta", "reserved_delta", "order_id")
    return [
        Movement(
            operation=id_of(operation),
            sku=sku,
            kind=kind,
            on_hand=on_hand,
            reserved=reserved,
            order=id_of(order) if order else "",
        )
        for operation, sku, kind, on_hand, reserved, order in columns(
            deployment, "inventory", "stock_movement", names
        )
    ]


def read_levels(deployment: Deployment) -> dict[str, Level]:
    if stock := stock_client(deployment):
        on_hand, reserved = (
            stock.hgetall(f"{STOCK_PREFIX}{name}") for name in ("on_hand", "reserved")
        )
        return {sku: Level(int(many), int(reserved.get(sku, 0))) for sku, many in on_hand.items()}
    names = ("sku", "on_hand", "reserved")
    rows = columns(deployment, "inventory", "stock_level", names)
    return {sku: Level(on_hand, reserved) for sku, on_hand, reserved in rows}


def read_reservations(deployment: Deployment) -> dict[str, Reservation]:
    if stock := stock_client(deployment):
        held = stock.hgetall(f"{STOCK_PREFIX}reservations")
        parts = {key: text.split(" ", 1) for key, text in held.items()}
        return {
            id_of(key): Reservation(state=state, lines=dict(json.loads(lines)))
            for key, (state, lines) in parts.items()
        }
    names = ("order_id", "state", "lines")
    rows = columns(deployment, "inventory", "stock_reservation", names)
    return {
        id_of(key): Reservation(state=state, lines=dict(decoded(lines)))
        for key, state, lines in rows
    }


def stock_client(deployment: Deployment) -> Any:
    """The store of stock where that is Redis, or else None."""
    url = deployment.estate.environment("inventory")["STOCK_URL"]
    return redis.Redis.from_url(url, decode_responses=True) if url else None


def count_dead_letters(deployment: Deployment) -> int:
    """How many messages the broker put aside; Redis as a broker cannot."""
    url = urlsplit(deployment.estate.environment("order")["BROKER_URL"])
    if url.scheme != "amqp":
        return 0
    with connect_rabbitmq(url, seconds=30) as connection:  # it had a hard time
        return int(connection.channel().queue_declare("order.dead", passive=True).message_count)


def id_of(key: Any) -> str:
    """A UUID, as each engine keeps it, as text."""
    return str(key if isinstance(key, UUID) else UUID(str(key)))


def decoded(value: Any) -> Any:
    """JSON, which some engines decode themselves."""
    return json.loads(value) if isinstance(value, str) else value
