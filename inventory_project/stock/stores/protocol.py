"""What a stock store promises, and what every store refuses in the same words."""

from collections.abc import Collection, Iterable
from dataclasses import asdict
from typing import Protocol
from uuid import UUID

from rest_framework import status
from rest_framework.exceptions import APIException

from contracts.inventory import (
    Reservation,
    ReservationLine,
    ReservationRefusal,
    Shortage,
    StockLevel,
)
from stock.ledger import Entry, Kind


class StockStore(Protocol):
    """Levels and reservations, one atomic step a call; `on_hand >= reserved >= 0` always.

    But after a failover of Redis that lost reservations more may be reserved than is on hand; then
    nothing more is reserved, and what is not there is not fulfilled either.

    Each operation may be repeated: the first call has the effect, and the others give its answer.
    Each leaves its movements in a ledger whose sums are the levels.
    """

    def levels(self, *, skus: Collection[str]) -> dict[str, StockLevel]:
        """The level of each SKU, all zero where it never moved."""

    def reservation(self, *, order_id: UUID) -> Reservation | None:
        """What is or was held for an order."""

    def receive(
        self, *, sku: str, quantity: int, reason: str, by: str, receipt_id: UUID
    ) -> tuple[StockLevel, bool]:
        """Adds to what is on hand; the level after it, and whether this call did it.

        A negative quantity corrects. Raises BelowReserved, ReceiptDiffers.
        """

    def reserve(
        self, *, order_id: UUID, lines: tuple[ReservationLine, ...], by: str
    ) -> tuple[Reservation, bool]:
        """Holds all lines for an order, or none; and whether this call did it.

        Raises OutOfStock, ReservationDiffers, ReservationReleased.
        """

    def release(self, *, order_id: UUID, by: str) -> Reservation:
        """Gives back what is held for an order, and refuses to hold anything for it from then on.

        So does the release of an order that has no reservation yet. Raises ReservationFulfilled.
        """

    def fulfil(self, *, order_id: UUID, by: str) -> Reservation:
        """Takes what is held for an order off the shelf.

        Raises ReservationUnknown, ReservationReleased.
        """

    def is_open(self) -> bool:
        """Whether the store holds its data, and serves."""

    def restore(
        self,
        *,
        levels: Iterable[StockLevel],
        reservations: Iterable[Reservation],
        receipts: Iterable[Entry],
    ) -> None:
        """Replaces all that the store holds. Nothing may move meanwhile."""


class StockUnavailable(APIException):
    """The store cannot be reached; whether the operation had its effect is not known."""

    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_detail = "The stock store cannot be reached; repeat the request in a moment."
    default_code = "stock_unavailable"


class StockLost(StockUnavailable):
    """The store came back empty, and would answer zero to everything."""

    default_detail = (
        "The stock store is empty: it is new, or it lost its data. Nothing is served from it until "
        "`manage.py rebuild_stock` has filled it from the ledger."
    )
    default_code = "stock_lost"


class BelowReserved(APIException):
    """A correction would leave less on hand than is promised to orders."""

    status_code = status.HTTP_409_CONFLICT
    default_code = "below_reserved"

    def __init__(self, *, level: StockLevel, quantity: int) -> None:
        super().__init__(
            f"{level.sku} has {level.on_hand} on hand, {level.reserved} of them reserved: "
            f"{quantity} would leave fewer than are reserved. The largest correction possible is "
            f"{min(0, -level.available)}; release or fulfil orders first for more."
        )


class ReceiptDiffers(APIException):
    """The idempotency key stands for another receipt."""

    status_code = status.HTTP_422_UNPROCESSABLE_ENTITY
    default_code = "receipt_differs"

    def __init__(self, receipt_id: UUID) -> None:
        super().__init__(
            f"Idempotency-Key {receipt_id} was used for another SKU, quantity or reason; "
            "use a new key for a new receipt."
        )


class ReservationUnknown(APIException):
    """No reservation was ever made, nor released, for the order."""

    status_code = status.HTTP_404_NOT_FOUND
    default_code = "reservation_unknown"

    def __init__(self, order_id: UUID) -> None:
        super().__init__(f"Nothing is reserved for order {order_id}; reserve its lines first.")


class ReservationRefused(APIException):
    """Answers with contracts.inventory.ReservationRefusal."""

    status_code = status.HTTP_409_CONFLICT
    default_code = "reservation_refused"

    def __init__(self, detail: str, short: tuple[Shortage, ...] = ()) -> None:
        super().__init__(detail)
        self.refusal = ReservationRefusal(detail=detail, short=short)
        self.detail = asdict(self.refusal)  # not by super(), which turns numbers into text


class OutOfStock(ReservationRefused):
    """Less is available than was asked for; nothing was reserved."""

    def __init__(self, short: tuple[Shortage, ...]) -> None:
        wanting = ", ".join(
            f"{s.sku} (asked {s.requested}, available {s.available})" for s in short
        )
        super().__init__(f"Nothing was reserved, for want of {wanting}; ask for less.", short)


class GoodsMissing(ReservationRefused):
    """Less is on hand than the order was promised; nothing left."""

    def __init__(self, order_id: UUID, short: tuple[Shortage, ...]) -> None:
        wanting = ", ".join(f"{s.sku} (asked {s.requested}, on hand {s.available})" for s in short)
        super().__init__(
            f"Order {order_id} cannot be fulfilled for want of {wanting}; receive it first.", short
        )


class ReservationDiffers(ReservationRefused):
    """Other lines are reserved under the order's id."""

    def __init__(self, known: Reservation) -> None:
        held = ", ".join(f"{line.quantity} {line.sku}" for line in known.lines)
        super().__init__(
            f"Order {known.order_id} has a reservation of other lines ({held}); "
            "reserve under a new order id."
        )


class ReservationReleased(ReservationRefused):
    """The order was cancelled."""

    def __init__(self, known: Reservation) -> None:
        super().__init__(
            f"The stock of order {known.order_id} was released for good; "
            "reserve under a new order id."
        )


class ReservationFulfilled(ReservationRefused):
    """The goods have left."""

    def __init__(self, known: Reservation) -> None:
        super().__init__(
            f"Order {known.order_id} is fulfilled and its goods have left; receive them if they "
            "come back."
        )


def reserved_again(known: Reservation, lines: tuple[ReservationLine, ...]) -> Reservation:
    """The answer to reserving for an order that has been reserved or released before."""
    if known.state == "released":
        raise ReservationReleased(known)
    if known.lines != lines:
        raise ReservationDiffers(known)
    return known


def ended_again(known: Reservation, end: Kind) -> Reservation:
    """The answer to ending a reservation that has ended before."""
    if known.state == end:
        return known
    raise ReservationFulfilled(known) if known.state == "fulfilled" else ReservationReleased(known)
