"""What product_project tells about what is for sale."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """An exact amount: a decimal string such as "19.90" beside its ISO 4217 currency."""

    amount: str
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """One product; one that is not `is_active` is discontinued and can no longer be ordered."""

    sku: str
    name: str
    description: str
    category: str
    price: Money
    is_active: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductPage:
    """A page of the catalogue; `next` is the URL of the one after it."""

    count: int
    next: str | None
    previous: str | None
    results: tuple[Product, ...]
