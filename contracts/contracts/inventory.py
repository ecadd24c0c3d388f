"""What inventory_project tells about what is on the shelf, and how stock is reserved."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class StockLevel:
    """Units of one SKU: `on_hand >= reserved >= 0`, `available` is their difference."""

    sku: str
    on_hand: int
    reserved: int
    available: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservationLine:
    """So many units, at least 1, of one SKU."""

    sku: str
    quantity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservationRequest:
    """The body of a reservation: each SKU once."""

    lines: tuple[ReservationLine, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """Stock held for one order, under the order's id.

    `released` also stands for an order whose release arrived before its reservation: it has no
    lines and refuses them for good.
    """

    order_id: str
    state: Literal["reserved", "released", "fulfilled"]
    lines: tuple[ReservationLine, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortage:
    """A line that could not be reserved: `requested` exceeds `available`."""

    sku: str
    requested: int
    available: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservationRefusal:
    """Why nothing was reserved (HTTP 409); `short` is empty where the order had been released."""

    detail: str
    short: tuple[Shortage, ...]
