"""What becomes of an order: it is placed, settled with inventory_project, resumed, cancelled.

Two rules keep orders and stock in step, whatever dies in between:

- Before inventory is asked for anything, the order's row says so: `resume_at` is when to ask
  (again), and nothing but inventory's answer clears it.
- An order that ends rejected or cancelled owes inventory a release, paid once inventory confirms
  it (`stock_released_at`). A release refuses whatever reservation still arrives after it, so that
  the late request of a stalled process cannot hold stock for an order that has ended.

Each change is one UPDATE that names the state it starts from, and does nothing if that is gone.
"""

import logging
import math
import time
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
from django.conf import settings
from django.db import IntegrityError
from rest_framework import status
from rest_framework.exceptions import APIException, PermissionDenied

from clients.inventory import GoodsHaveLeft, InventoryUnavailable, OutOfStock, release, reserve
from clients.products import fetch_products
from clients.users import fetch_users
from contracts.inventory import ReservationLine
from contracts.orders import OrderLine
from contracts.products import Product
from customers.models import Customer
from customers.operations import apply_users
from orders.models import Order

logger = logging.getLogger(__name__)

LARGEST_TOTAL = Decimal("9999999999999.99")  # what Order.total_amount holds


class CustomerUnknown(PermissionDenied):
    """A valid token names someone whom even user_project does not know."""

    default_detail = "user_project does not know you: log in again for a new token."


class CustomerErased(PermissionDenied):
    """The customer was erased; their token has not expired yet."""

    default_detail = "This account was erased: register anew to order."


class OrderRefused(APIException):
    """The order is well written, but cannot be placed as it is."""

    status_code = status.HTTP_422_UNPROCESSABLE_ENTITY
    default_code = "order_refused"


class NotForSale(OrderRefused):
    """Some SKUs are unknown or discontinued."""


class MixedCurrencies(OrderRefused):
    """The lines are not all priced in one currency."""


class TotalTooLarge(OrderRefused):
    """The lines add up to more than an order can be worth."""


class KeyReused(OrderRefused):
    """An Idempotency-Key came back with other lines."""


class AlreadyRejected(APIException):
    """A rejected order has nothing to cancel."""

    status_code = status.HTTP_409_CONFLICT
    default_detail = "This order was rejected for want of stock: there is nothing to cancel."
    default_code = "already_rejected"


def find_customer(*, customer_id: uuid.UUID, now: datetime) -> Customer:
    """The customer from the copy, or where it has none yet, by way of it from user_project.

    Raises CustomerErased, CustomerUnknown, UsersUnavailable.
    """
    customer = Customer.objects.filter(pk=customer_id).first()
    if customer is None:
        apply_users(users=fetch_users([str(customer_id)]), now=now)
        customer = Customer.objects.filter(pk=customer_id).first()
    if customer is None:
        raise CustomerUnknown
    if customer.is_deleted:
        raise CustomerErased
    return customer


def place_order(
    *,
    customer: Customer,
    lines: Sequence[ReservationLine],
    idempotency_key: str | None,
    now: datetime,
) -> Order:
    """Store an order of the lines at today's prices and reserve its stock; its status tells more.

    It stays pending while inventory_project is away, and resume_orders goes on with it. The same
    customer's same key gives the same order, as it is now.

    Raises OrderRefused, ProductsUnavailable.
    """
    if idempotency_key and (known := _find_repeated(customer, idempotency_key, lines)):
        return known
    prices = fetch_products(
        skus=[line.sku for line in lines],
        now=now,
        stale_is_allowed=settings.ORDER_AT_STALE_PRICES,
    )
    order_lines, total, currency = price_lines(lines, prices.products)
    order = Order(
        customer_id=customer.id,
        idempotency_key=idempotency_key,
        lines=msgspec.to_builtins(list(order_lines)),
        total_amount=total,
        total_currency=currency,
        placed_at=now,
        priced_at=prices.read_at,
        resume_at=next_attempt_at(now=now, attempts=0),
    )
    try:
        order.save(force_insert=True)
    except IntegrityError:  # the same request, at the same time, was faster
        if idempotency_key and (known := _find_repeated(customer, idempotency_key, lines)):
            return known
        raise
    try:
        settle_order(order=order, now=now)
    except InventoryUnavailable:
        logger.warning("order %s waits for inventory_project", order.id)
    return order


def _find_repeated(customer: Customer, key: str, lines: Sequence[ReservationLine]) -> Order | None:
    order = Order.objects.of_customer(customer.id).filter(idempotency_key=key).first()
    if order and set(order.reservation_lines) != set(lines):
        raise KeyReused(
            f"Idempotency-Key {key!r} stands for order {order.id} with other lines: "
            "give each order a key of its own."
        )
    return order


def price_lines(
    lines: Sequence[ReservationLine], products: Mapping[str, Product]
) -> tuple[tuple[OrderLine, ...], Decimal, str]:
    """The lines with names and prices, their total, and its currency; raises OrderRefused."""
    if refused := [
        f"{line.sku} is {'discontinued' if line.sku in products else 'unknown'}"
        for line in lines
        if line.sku not in products or not products[line.sku].is_active
    ]:
        raise NotForSale(f"{', '.join(refused)}: order without, or see the catalogue for others.")
    currencies = sorted({products[line.sku].price.currency for line in lines})
    if len(currencies) > 1:
        raise MixedCurrencies(
            f"The lines are priced in {' and '.join(currencies)}: place an order for each currency."
        )
    total = sum(
        (Decimal(products[line.sku].price.amount) * line.quantity for line in lines),
        Decimal("0.00"),
    )
    if total > LARGEST_TOTAL:
        raise TotalTooLarge(
            f"The order comes to {total} {currencies[0]}, and {LARGEST_TOTAL} is the most that one "
            "can: place several."
        )
    order_lines = tuple(
        OrderLine(
            sku=line.sku,
            name=products[line.sku].name,
            quantity=line.quantity,
            unit_price=products[line.sku].price,
        )
        for line in lines
    )
    return order_lines, total, currencies[0]


def settle_order(*, order: Order, now: datetime) -> None:
    """Ask inventory_project for what the order waits for: its reservation or its release.

    Nothing happens to an order that waits for nothing. Raises InventoryUnavailable, and
    GoodsHaveLeft where there was nothing left to cancel.
    """
    if order.status == Order.Status.PENDING:
        _reserve(order, now)
    elif order.status != Order.Status.CONFIRMED and order.stock_released_at is None:
        _release(order, now)


def _reserve(order: Order, now: datetime) -> None:
    try:
        reserve(str(order.id), order.reservation_lines)
    except OutOfStock as refusal:
        short = msgspec.to_builtins(list(refusal.short))
        _change(order, status=Order.Status.REJECTED, short=short, resume_at=now, attempts=0)
    else:
        _change(order, status=Order.Status.CONFIRMED, resume_at=None)


def _release(order: Order, now: datetime) -> None:
    try:
        release(str(order.id))
    except GoodsHaveLeft:
        _change(order, status=Order.Status.CONFIRMED, short=[], resume_at=None)
        raise
    _change(order, stock_released_at=now, resume_at=None)


def _change(order: Order, **values: Any) -> None:
    """Change the row if its status is still what `order` says; either way `order` is then current.

    Whoever was faster has left the row with what it still owes, so there is nothing to make good.
    """
    if Order.objects.filter(pk=order.pk, status=order.status).update(**values):
        for name, value in values.items():
            setattr(order, name, value)
    else:
        order.refresh_from_db()


def cancel_order(*, order: Order, now: datetime) -> None:
    """Cancel, now or long ago; the stock is released now, or by resume_orders.

    Raises AlreadyRejected, and GoodsHaveLeft.
    """
    while order.status in {Order.Status.PENDING, Order.Status.CONFIRMED}:
        _change(order, status=Order.Status.CANCELLED, resume_at=now, attempts=0)
    if order.status == Order.Status.REJECTED:
        raise AlreadyRejected
    try:
        settle_order(order=order, now=now)
    except InventoryUnavailable:
        logger.warning("order %s is cancelled and owes inventory_project a release", order.id)


def resume_orders(*, now: datetime, seconds: float = math.inf) -> int:
    """Settle what is due, as much as inventory_project and the seconds allow; returns how many."""
    settled, until = 0, time.monotonic() + seconds
    while time.monotonic() < until and (order := claim_due_order(now=now)):
        try:
            settle_order(order=order, now=now)
        except GoodsHaveLeft:
            logger.warning("order %s cannot be cancelled any more: its goods have left", order.id)
        except InventoryUnavailable as outage:
            if not outage.was_asked:  # nor would it be for the next
                break
            continue
        settled += 1
    return settled


def claim_due_order(*, now: datetime) -> Order | None:
    """Take the order that is longest due, for this caller alone, until its next attempt is due."""
    while order := Order.objects.due(now).first():
        unchanged = Order.objects.filter(
            pk=order.pk,
            status=order.status,
            attempts=order.attempts,
            resume_at=order.resume_at,
        )
        resume_at = next_attempt_at(now=now, attempts=order.attempts)
        if unchanged.update(attempts=order.attempts + 1, resume_at=resume_at):
            return order
    return None


def next_attempt_at(*, now: datetime, attempts: int) -> datetime:
    """Twice as late after each attempt, up to RETRY_LIMIT_SECONDS."""
    doublings = min(attempts, 16)  # enough for any limit
    seconds = min(settings.RETRY_SECONDS * 2**doublings, settings.RETRY_LIMIT_SECONDS)
    return now + timedelta(seconds=seconds)
