"""Stock in the service's own database."""

from collections.abc import Collection, Iterable
from uuid import UUID

import msgspec
from django.db import IntegrityError, connection, transaction

from contracts import inventory
from stock.deadlocks import repeated_on_deadlock
from stock.ledger import Entry, Kind, by_sku
from stock.models import Level, Movement, Reservation, stock_level
from stock.stores.protocol import (
    BelowReserved,
    OutOfStock,
    ReceiptDiffers,
    ReservationUnknown,
    ended_again,
    reserved_again,
)


class SqlStore:
    """A StockStore in SQL.

    Each operation writes its reservation or receipt first and its levels last, by ascending SKU:
    orders do not wait for each other's levels crosswise, and a level in demand is locked no longer
    than it takes to commit. On PostgreSQL a reservation is one call of a function that does all of
    this; whatever stands in its way, the statements that it is made of find out.
    """

    def levels(self, *, skus: Collection[str]) -> dict[str, inventory.StockLevel]:
        known = {level.sku: level.as_contract() for level in Level.objects.filter(sku__in=skus)}
        return {sku: known.get(sku) or stock_level(sku) for sku in skus}

    def reservation(self, *, order_id: UUID) -> inventory.Reservation | None:
        row = Reservation.objects.filter(order_id=order_id).first()
        return row.as_contract() if row else None

    @repeated_on_deadlock
    def receive(
        self, *, sku: str, quantity: int, reason: str, by: str, receipt_id: UUID
    ) -> tuple[inventory.StockLevel, bool]:
        entry = Entry(
            kind=Kind.RECEIVED,
            lines=(inventory.ReservationLine(sku=sku, quantity=quantity),),
            by=by,
            reason=reason,
            operation_id=receipt_id,
        )
        try:
            with transaction.atomic():
                Movement.objects.record(entry)
                while not Level.objects.move(sku=sku, on_hand=quantity):
                    level, _ = Level.objects.select_for_update().get_or_create(sku=sku)
                    if level.on_hand + quantity < level.reserved:
                        raise BelowReserved(level=level.as_contract(), quantity=quantity)
                return Level.objects.get(sku=sku).as_contract(), True
        except IntegrityError:  # a movement has this id
            known = Movement.objects.get(operation_id=receipt_id, line=0)
        if (known.sku, known.on_hand_delta, known.reason) != (sku, quantity, reason):
            raise ReceiptDiffers(receipt_id)
        return self.levels(skus=[sku])[sku], False

    @repeated_on_deadlock
    def reserve(
        self, *, order_id: UUID, lines: tuple[inventory.ReservationLine, ...], by: str
    ) -> tuple[inventory.Reservation, bool]:
        entry = Entry(kind=Kind.RESERVED, lines=by_sku(lines), by=by, order_id=order_id)
        held = inventory.Reservation(order_id=str(order_id), state="reserved", lines=entry.lines)
        if connection.vendor == "postgresql" and reserve_by_function(entry):
            return held, True
        try:
            with transaction.atomic():
                Reservation.of(entry).save(force_insert=True)
                Movement.objects.record(entry)
                if short := tuple(filter(None, map(self._take, entry.lines))):
                    raise OutOfStock(short)
                return held, True
        except IntegrityError:  # the order has a reservation
            known = Reservation.objects.get(order_id=order_id)
        return reserved_again(known.as_contract(), entry.lines), False

    def _take(self, line: inventory.ReservationLine) -> inventory.Shortage | None:
        """Reserves a line, or says what is short; locks the level either way."""
        while not Level.objects.move(sku=line.sku, reserved=line.quantity):
            level = Level.objects.select_for_update().filter(sku=line.sku).first()
            available = level.on_hand - level.reserved if level else 0
            if available < line.quantity:
                return inventory.Shortage(
                    sku=line.sku, requested=line.quantity, available=available
                )
        return None

    @repeated_on_deadlock
    def release(self, *, order_id: UUID, by: str) -> inventory.Reservation:
        if ended := self._end(order_id=order_id, end=Kind.RELEASED, by=by):
            return ended
        tombstone = Reservation.of(Entry(kind=Kind.RELEASED, lines=(), by=by, order_id=order_id))
        try:
            with transaction.atomic():
                tombstone.save(force_insert=True)
        except IntegrityError:  # its reservation came between
            return self.release(order_id=order_id, by=by)
        return tombstone.as_contract()

    @repeated_on_deadlock
    def fulfil(self, *, order_id: UUID, by: str) -> inventory.Reservation:
        if ended := self._end(order_id=order_id, end=Kind.FULFILLED, by=by):
            return ended
        raise ReservationUnknown(order_id)

    @transaction.atomic
    def _end(self, *, order_id: UUID, end: Kind, by: str) -> inventory.Reservation | None:
        reservation = Reservation.objects.select_for_update().filter(order_id=order_id).first()
        if reservation is None:
            return None
        known = reservation.as_contract()
        if known.state != "reserved":
            return ended_again(known, end)
        entry = Entry(kind=end, lines=known.lines, by=by, order_id=order_id)
        reservation.state, reservation.changed_at = end, entry.at
        reservation.save(update_fields=["state", "changed_at"])
        Movement.objects.record(entry)
        on_hand, reserved = end.signs
        for line in known.lines:
            Level.objects.move(
                sku=line.sku, on_hand=on_hand * line.quantity, reserved=reserved * line.quantity
            )
        return reservation.as_contract()

    def is_open(self) -> bool:
        return True  # the levels are as safe as the ledger: beside it

    @transaction.atomic
    def restore(
        self,
        *,
        levels: Iterable[inventory.StockLevel],
        reservations: Iterable[inventory.Reservation],
        receipts: Iterable[Entry],
    ) -> None:
        """Restores the levels; reservations and receipts are read where the ledger is."""
        Level.objects.all().delete()
        Level.objects.bulk_create(
            Level(sku=level.sku, on_hand=level.on_hand, reserved=level.reserved) for level in levels
        )


def reserve_by_function(entry: Entry) -> bool:
    """Reserves by one round trip, or changes nothing: the order is known, or something is short."""
    lines = msgspec.json.encode([(line.sku, line.quantity) for line in entry.lines]).decode()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT stock_reserve(%s, %s::jsonb, %s, %s, %s)",
            [entry.order_id, lines, entry.operation_id, entry.by, entry.at],
        )
        (is_reserved,) = cursor.fetchone()
    return bool(is_reserved)
