"""What is kept, how much of it there is, for whom it is held, and every movement of it.

Items, reservations and movements are here with either store; `Level` belongs to the SQL store. With
the Redis store, reservations and movements are copied from it (`operations.copy_ledger`).
"""

from collections.abc import Iterable
from typing import Self

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q, Sum
from django.utils import timezone

from contracts import inventory
from stock.ledger import Entry, Kind

SKU_LENGTH = 32
validate_sku = RegexValidator(
    rf"\A[A-Z0-9][A-Z0-9-]{{1,{SKU_LENGTH - 1}}}\Z",
    f"A SKU is 2 to {SKU_LENGTH} capital letters, digits and hyphens, such as TENT-2P.",
)


def stock_level(sku: str, on_hand: int = 0, reserved: int = 0) -> inventory.StockLevel:
    return inventory.StockLevel(
        sku=sku, on_hand=on_hand, reserved=reserved, available=on_hand - reserved
    )


class Item(models.Model):
    """A SKU that is kept here; its name, price and description are product_project's."""

    sku = models.CharField(
        "SKU", max_length=SKU_LENGTH, primary_key=True, validators=[validate_sku]
    )
    shelf = models.CharField(max_length=32, blank=True, help_text="Where it lies, such as A-03-2.")
    added_at = models.DateTimeField(default=timezone.now, editable=False)

    level: inventory.StockLevel | None = None  # for who shows items, fresh from the store

    def __str__(self) -> str:
        return self.sku


class LevelQuerySet(models.QuerySet["Level"]):
    def move(self, *, sku: str, on_hand: int = 0, reserved: int = 0) -> bool:
        """Adds to a level, unless more would be reserved than on hand; says whether it did.

        One conditional UPDATE: of any number of callers, the database lets through as many as there
        is stock for.
        """
        enough = Q(on_hand__gte=F("reserved") + (reserved - on_hand))
        added = {"on_hand": F("on_hand") + on_hand, "reserved": F("reserved") + reserved}
        return self.filter(enough, sku=sku).update(**added) == 1


class Level(models.Model):
    """How many units of a SKU there are, and how many of these are held for orders."""

    sku = models.CharField("SKU", max_length=SKU_LENGTH, primary_key=True)
    on_hand = models.BigIntegerField(default=0)
    reserved = models.BigIntegerField(default=0)

    objects = LevelQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="stock_level_on_hand_gte_reserved_gte_0",
                condition=Q(on_hand__gte=F("reserved"), reserved__gte=0),
            )
        ]

    def __str__(self) -> str:
        return f"{self.sku}: {self.on_hand} on hand, {self.reserved} reserved"

    def as_contract(self) -> inventory.StockLevel:
        return stock_level(self.sku, self.on_hand, self.reserved)


class ReservationQuerySet(models.QuerySet["Reservation"]):
    def follow(self, entries: Iterable[Entry]) -> None:
        """Brings reservations to the state that ledger entries, oldest first, leave them in.

        The same entries may come again, and late: a reservation only ever moves from reserved to
        one of its two ends.
        """
        latest = {entry.order_id: entry for entry in entries if entry.order_id}
        self.bulk_create(
            [Reservation.of(entry) for entry in latest.values()], ignore_conflicts=True
        )
        for end in (Kind.RELEASED, Kind.FULFILLED):
            ended = [order_id for order_id, entry in latest.items() if entry.kind == end]
            self.filter(order_id__in=ended, state=Kind.RESERVED).update(
                state=end, changed_at=timezone.now()
            )


class Reservation(models.Model):
    """Stock held for one order; never deleted, so that what ended stays ended."""

    STATES = (Kind.RESERVED, Kind.RELEASED, Kind.FULFILLED)

    order_id = models.UUIDField("order", primary_key=True)
    state = models.CharField(max_length=9, choices=[(kind.value, kind.label) for kind in STATES])
    lines = models.JSONField(help_text="[[SKU, quantity], ...] by SKU; empty in a tombstone.")
    created_at = models.DateTimeField()
    changed_at = models.DateTimeField()

    objects = ReservationQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="stock_reservation_state",
                condition=Q(state__in=["reserved", "released", "fulfilled"]),
            )
        ]
        indexes = [models.Index(name="stock_reservation_created", fields=["created_at"])]

    def __str__(self) -> str:
        return f"{self.state} for order {self.order_id}"

    @classmethod
    def of(cls, entry: Entry) -> Self:
        return cls(
            order_id=entry.order_id,
            state=entry.kind,
            lines=[[line.sku, line.quantity] for line in entry.lines],
            created_at=entry.at,
            changed_at=entry.at,
        )

    def as_contract(self) -> inventory.Reservation:
        return inventory.Reservation(
            order_id=str(self.order_id),
            state=self.state,  # type: ignore[arg-type]  # the constraint holds it to the literals
            lines=tuple(
                inventory.ReservationLine(sku=sku, quantity=quantity)
                for sku, quantity in self.lines
            ),
        )


class MovementQuerySet(models.QuerySet["Movement"]):
    def record(self, *entries: Entry, again: bool = False) -> None:
        """Writes the movements of entries; `again` passes over those that are there already."""
        self.bulk_create(
            [movement for entry in entries for movement in Movement.of(entry)],
            ignore_conflicts=again,
        )

    def levels(self) -> list[inventory.StockLevel]:
        """The level of each SKU that ever moved, as the sum of its movements."""
        sums = self.values("sku").annotate(Sum("on_hand_delta"), Sum("reserved_delta"))
        return [
            stock_level(row["sku"], row["on_hand_delta__sum"], row["reserved_delta__sum"])
            for row in sums.order_by("sku")
        ]


class Movement(models.Model):
    """A line of the ledger, which is only ever added to: its sums are the levels."""

    operation_id = models.UUIDField("operation", help_text="The same for all lines moved at once.")
    line = models.PositiveSmallIntegerField()
    sku = models.CharField("SKU", max_length=SKU_LENGTH)
    kind = models.CharField(max_length=9, choices=Kind)
    on_hand_delta = models.BigIntegerField("on hand")
    reserved_delta = models.BigIntegerField("reserved")
    order_id = models.UUIDField("order", null=True, blank=True)
    reason = models.CharField(max_length=200, blank=True)
    by = models.CharField(max_length=150, help_text="A service, a user's id or a local login.")
    at = models.DateTimeField()

    objects = MovementQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(name="stock_movement_once", fields=["operation_id", "line"])
        ]
        indexes = [
            models.Index(name="stock_movement_sku", fields=["sku"]),
            models.Index(name="stock_movement_order", fields=["order_id"]),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.sku}"

    @classmethod
    def of(cls, entry: Entry) -> list[Self]:
        on_hand, reserved = entry.kind.signs
        return [
            cls(
                operation_id=entry.operation_id,
                line=number,
                sku=line.sku,
                kind=entry.kind,
                on_hand_delta=on_hand * line.quantity,
                reserved_delta=reserved * line.quantity,
                order_id=entry.order_id,
                reason=entry.reason,
                by=entry.by,
                at=entry.at,
            )
            for number, line in enumerate(entry.lines)
        ]

    def as_entry(self) -> Entry:
        """The entry of a receipt, which has one line."""
        return Entry(
            kind=Kind(self.kind),
            lines=(inventory.ReservationLine(sku=self.sku, quantity=self.on_hand_delta),),
            by=self.by,
            reason=self.reason,
            operation_id=self.operation_id,
            at=self.at,
        )
