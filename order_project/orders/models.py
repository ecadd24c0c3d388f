"""What was bought: one row an order, lines and all, so that each change is one atomic write."""

import uuid
from datetime import datetime, timedelta
from typing import Any, Self

import msgspec
from django.conf import settings
from django.db import connection, models

from contracts.inventory import ReservationLine
from contracts.orders import OrderLine
from customers.models import Customer
from order_project.fields import KEY, JSONField, MomentField

SHOWN = (  # of an order
    *("id", "customer_id", "status", "lines", "total_amount", "total_currency", "short"),
    "placed_at",
)
SHOWN_OF_CUSTOMER = ("name", "email")


def joins_are_cheap() -> bool:
    """Whether orders are joined with the copy; a $lookup of MongoDB costs more than a query."""
    return connection.vendor != "mongodb"


class OrderQuerySet(models.QuerySet["Order"]):
    """Selects orders."""

    def as_rows(self) -> "models.QuerySet[Order, Any]":
        """What is SHOWN of each, and of its customer where joins are cheap; makes no models."""
        joined = SHOWN_OF_CUSTOMER if joins_are_cheap() else ()
        return self.values_list(*SHOWN, *(f"customer__{name}" for name in joined), named=True)

    def of_customer(self, customer_id: uuid.UUID) -> Self:
        return self.filter(customer_id=customer_id)

    def due(self, now: datetime) -> Self:
        """Those that inventory_project should be asked about, the longest due first.

        What is due later than any attempt can be was written before the clock was set back.
        """
        never = now + timedelta(seconds=max(settings.RETRY_SECONDS, settings.RETRY_LIMIT_SECONDS))
        is_due = models.Q(resume_at__lte=now) | models.Q(resume_at__gt=never)
        return self.filter(is_due).order_by("resume_at")

    def pending(self) -> Self:
        """Those that inventory_project has yet to answer for."""
        return self.filter(status=Order.Status.PENDING)

    def owing_release(self) -> Self:
        """Those that have ended, and for which inventory_project may still hold stock."""
        ended = (Order.Status.REJECTED, Order.Status.CANCELLED)
        return self.filter(
            status__in=ended,
            stock_released_at=None,
            resume_at__isnull=False,  # which is indexed
        )


class Order(models.Model):
    """What one customer bought at once, at the prices of that moment.

    `lines` and `short` are JSON of the contracts OrderLine and Shortage. The customer is a row of
    the copy, to join with and no more: without a foreign key, for the copy may be late, or rebuilt.
    """

    class Status(models.TextChoices):
        PENDING = "pending"  # inventory has yet to say whether it holds the stock
        CONFIRMED = "confirmed"
        REJECTED = "rejected"  # something was short
        CANCELLED = "cancelled"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False, db_column=KEY)
    customer_id = models.UUIDField()
    idempotency_key = models.CharField(max_length=255, null=True, blank=True)
    status = models.CharField(max_length=10, choices=Status, default=Status.PENDING)
    lines = JSONField()
    total_amount = models.DecimalField(max_digits=15, decimal_places=2)  # exact on SQLite too
    total_currency = models.CharField(max_length=3)
    short = JSONField(default=list, blank=True)
    placed_at = MomentField()
    priced_at = MomentField(help_text="When the oldest of its prices was read.")
    resume_at = MomentField(
        null=True,
        blank=True,
        help_text="When to ask inventory_project again; empty once it has nothing more to say.",
    )
    attempts = models.PositiveIntegerField(
        default=0, help_text="How often it was resumed without an answer."
    )
    stock_released_at = MomentField(
        null=True,
        blank=True,
        help_text="When inventory_project let go of what it held, or might yet have held.",
    )

    customer = models.ForeignObject(  # neither a column nor a constraint
        Customer,
        on_delete=models.DO_NOTHING,
        from_fields=["customer_id"],
        to_fields=["id"],
        related_name="+",
        null=True,
        editable=False,
        serialize=False,
    )

    objects = OrderQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["customer_id", "idempotency_key"], name="order_once"),
        ]
        indexes = [
            models.Index(fields=["-placed_at"], name="order_newest"),
            models.Index(fields=["customer_id", "-placed_at"], name="order_of_customer"),
            models.Index(fields=["status", "-placed_at"], name="order_of_status"),
            models.Index(fields=["resume_at"], name="order_due"),
        ]

    def __str__(self) -> str:
        return f"{self.id} ({self.status})"

    @property
    def order_lines(self) -> tuple[OrderLine, ...]:
        return msgspec.convert(self.lines, tuple[OrderLine, ...])

    @property
    def reservation_lines(self) -> tuple[ReservationLine, ...]:
        """The lines as inventory_project, and whoever repeats an order, knows them."""
        return tuple(
            ReservationLine(sku=line.sku, quantity=line.quantity) for line in self.order_lines
        )
