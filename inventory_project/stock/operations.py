"""What can be done with stock: every door calls one of these."""

import logging
from collections.abc import Iterable
from uuid import UUID, uuid4

from django.db import transaction
from rest_framework.exceptions import NotFound

from contracts.inventory import Reservation, ReservationLine, StockLevel
from stock.deadlocks import repeated_on_deadlock
from stock.ledger import Kind
from stock.models import Item, Movement
from stock.models import Reservation as ReservationRow
from stock.stores import stock_store
from stock.stores.redis import RedisStore

logger = logging.getLogger(__name__)


class ItemUnknown(NotFound):
    """The SKU is not kept here."""

    default_code = "item_unknown"

    def __init__(self, sku: str) -> None:
        super().__init__(f"No item {sku!r} is kept here; its first receipt makes it.")


class Overdrawn(Exception):
    """More is promised of some SKUs than the ledger says there is."""

    def __init__(self, levels: Iterable[StockLevel]) -> None:
        told = (f"{each.sku} ({each.reserved} of {each.on_hand})" for each in levels)
        super().__init__(
            f"More is promised than there is of {', '.join(told)}: receive it, or cancel orders."
        )


def receive_stock(
    *,
    sku: str,
    quantity: int,
    reason: str,
    by: str,
    receipt_id: UUID | None = None,
    must_exist: bool = False,
) -> tuple[StockLevel, bool]:
    """Puts units on the shelf, or takes off what is not there: a negative quantity corrects.

    The first receipt of a SKU makes its item, unless it `must_exist`. A repeated `receipt_id` has
    no further effect. Returns the level after it, and whether this call did it. Raises
    ItemUnknown, BelowReserved, ReceiptDiffers, StockUnavailable.
    """
    if quantity > 0 and not must_exist:
        Item.objects.get_or_create(sku=sku)
    elif not Item.objects.filter(sku=sku).exists():
        raise ItemUnknown(sku)
    level, is_new = stock_store().receive(
        sku=sku, quantity=quantity, reason=reason, by=by, receipt_id=receipt_id or uuid4()
    )
    logger.info("%s received %+d %s (%r): %d on hand", by, quantity, sku, reason, level.on_hand)
    return level, is_new


def reserve_stock(
    *, order_id: UUID, lines: tuple[ReservationLine, ...], by: str
) -> tuple[Reservation, bool]:
    """Holds stock for all lines of an order or for none; each SKU stands in one line.

    Returns the reservation, and whether this call made it. Raises OutOfStock, ReservationDiffers,
    ReservationReleased, StockUnavailable.
    """
    reservation, is_new = stock_store().reserve(order_id=order_id, lines=lines, by=by)
    logger.info("%s reserved %d lines for order %s", by, len(reservation.lines), order_id)
    return reservation, is_new


def release_stock(*, order_id: UUID, by: str) -> Reservation:
    """Gives back what an order holds, now and for good, even before its reservation arrives.

    Raises ReservationFulfilled, StockUnavailable.
    """
    reservation = stock_store().release(order_id=order_id, by=by)
    logger.info("%s released order %s", by, order_id)
    return reservation


def fulfil_reservation(*, order_id: UUID, by: str) -> Reservation:
    """Takes the goods of an order off the shelf: they leave.

    Raises ReservationUnknown, ReservationReleased, StockUnavailable.
    """
    reservation = stock_store().fulfil(order_id=order_id, by=by)
    logger.info("%s fulfilled order %s", by, order_id)
    return reservation


@repeated_on_deadlock
def copy_ledger(*, store: RedisStore, limit: int = 500) -> int:
    """Copies the oldest movements of a Redis store to the ledger in SQL; returns how many.

    They leave Redis after the commit. A crash between the two copies them again, and several
    workers may copy the same ones: what the ledger has, it does not take twice.
    """
    entries = store.movements(limit=limit)
    if entries:
        with transaction.atomic():
            Movement.objects.record(*entries.values(), again=True)
            ReservationRow.objects.follow(entries.values())
        store.forget_movements(entries)
    return len(entries)


def rebuild_stock(*, source: RedisStore | None = None) -> list[StockLevel]:
    """Replaces what the store holds by what the ledger says, and what `source` has yet to tell it.

    A Redis store is closed meanwhile, and one that was the source for good; what it lost before
    `copy_ledger` came by stays lost. The SQL store is not closed: stop whoever writes to it first.

    Returns the levels of which more is promised than there is, as after a failover that lost some:
    Redis then sells no more of it until it is received. SQL would not take them: raises Overdrawn.
    """
    store = stock_store()
    for redis in dict.fromkeys([store, source]):  # our own first: it may turn out to be away
        if isinstance(redis, RedisStore):
            redis.close()
            while copy_ledger(store=redis):
                pass
    levels = Movement.objects.levels()
    overdrawn = [level for level in levels if level.reserved > level.on_hand]
    if overdrawn and not isinstance(store, RedisStore):
        raise Overdrawn(overdrawn)
    store.restore(
        levels=levels,
        reservations=(row.as_contract() for row in ReservationRow.objects.iterator()),
        receipts=(row.as_entry() for row in Movement.objects.filter(kind=Kind.RECEIVED).iterator()),
    )
    return overdrawn
