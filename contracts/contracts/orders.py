"""What order_project tells about what was bought."""

from dataclasses import dataclass
from typing import Literal

from contracts.inventory import Shortage
from contracts.products import Money


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderLine:
    """So many units of one SKU, at the price of one unit when the order was placed."""

    sku: str
    name: str
    quantity: int
    unit_price: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One order; `customer_name` and `customer_email` are what the copy of users says now.

    They are empty once the customer is erased. `rejected` orders say in `short` what was missing.
    """

    id: str
    customer_id: str
    customer_name: str
    customer_email: str
    status: Literal["pending", "confirmed", "rejected", "cancelled"]
    lines: tuple[OrderLine, ...]
    total: Money
    short: tuple[Shortage, ...]
    placed_at: str
