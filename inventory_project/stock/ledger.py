"""What the ledger knows of one operation, whichever store carried it out."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID, uuid4

from django.db.models import TextChoices
from django.utils import timezone

from contracts.inventory import ReservationLine


class Kind(TextChoices):
    """What can happen to stock."""

    RECEIVED = "received"
    RESERVED = "reserved"
    RELEASED = "released"
    FULFILLED = "fulfilled"

    @property
    def signs(self) -> tuple[int, int]:
        """How a quantity counts towards `on_hand` and towards `reserved`."""
        return {
            Kind.RECEIVED: (1, 0),
            Kind.RESERVED: (0, 1),
            Kind.RELEASED: (0, -1),
            Kind.FULFILLED: (-1, -1),
        }[self]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One operation; a movement for each of its lines.

    Only the quantity of a receipt may be negative: a correction. A release without lines is a
    tombstone: it came before its reservation.
    """

    kind: Kind
    lines: tuple[ReservationLine, ...]
    by: str
    order_id: UUID | None = None
    reason: str = ""
    operation_id: UUID = field(default_factory=uuid4)
    at: datetime = field(default_factory=timezone.now)


def by_sku(lines: tuple[ReservationLine, ...]) -> tuple[ReservationLine, ...]:
    """The one order in which lines are compared, and in which their levels are locked."""
    return tuple(sorted(lines, key=lambda line: line.sku))
