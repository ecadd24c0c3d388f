"""What is for sale, and at which price it ever was."""

import re
import uuid
from collections.abc import Iterable
from decimal import Decimal
from typing import Self

from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q

import contracts.products

SKU = re.compile(r"^[A-Z0-9][A-Z0-9-]{1,31}$")
CATEGORY = re.compile(r"^[a-z0-9]+(-[a-z0-9]+)*$")

validate_sku = RegexValidator(
    SKU,
    "'%(value)s' is no SKU: write 2 to 32 capital letters, digits and hyphens, such as TENT-2P.",
)
validate_category = RegexValidator(
    CATEGORY,
    "'%(value)s' is no category: write small letters, digits and single hyphens, such as shelter.",
)


class Currency(models.TextChoices):
    """The ISO 4217 currencies the shop sells in; prices keep two decimals, so each has two."""

    EUR = "EUR", "Euro"
    USD = "USD", "US dollar"
    GBP = "GBP", "Pound sterling"
    CHF = "CHF", "Swiss franc"
    DKK = "DKK", "Danish krone"
    NOK = "NOK", "Norwegian krone"
    SEK = "SEK", "Swedish krona"
    PLN = "PLN", "Polish zloty"
    CZK = "CZK", "Czech koruna"


class Priced(models.Model):
    """A row with a price."""

    price = models.DecimalField(max_digits=12, decimal_places=2, validators=[MinValueValidator(0)])
    currency = models.CharField(max_length=3, choices=Currency, default=Currency.EUR)

    class Meta:
        abstract = True
        constraints = [
            models.CheckConstraint(
                condition=Q(price__gte=0),
                name="%(class)s_price_is_not_negative",
                violation_error_message="A price cannot be negative.",
            ),
            models.CheckConstraint(
                condition=Q(currency__in=Currency.values),
                name="%(class)s_currency_is_known",
                violation_error_message=f"Choose one of {', '.join(Currency.values)}.",
            ),
        ]

    def money(self) -> contracts.products.Money:
        return contracts.products.Money(amount=f"{self.price:.2f}", currency=self.currency)


Row = tuple[str, str, str, str, Decimal, str, bool]
DESCRIBED = ("sku", "name", "description", "category", "price", "currency", "is_active")


def describe(
    sku: str,
    name: str,
    description: str,
    category: str,
    price: Decimal,
    currency: str,
    is_active: bool,
) -> contracts.products.Product:
    """A product as others see it."""
    return contracts.products.Product(
        sku=sku,
        name=name,
        description=description,
        category=category,
        price=contracts.products.Money(amount=f"{price:.2f}", currency=currency),
        is_active=is_active,
    )


class ProductQuerySet(models.QuerySet["Product"]):
    def active(self) -> Self:
        return self.filter(is_active=True)

    def listed(self) -> Self:
        """What is for sale, in the order of the catalogue."""
        return self.active().order_by("sku")

    def with_skus(self, skus: Iterable[str]) -> Self:
        """Those of `skus` that exist, discontinued ones too.

        What is no SKU is not asked for: MySQL, which ignores case, would find `tent-2p`.
        """
        return self.filter(sku__in=[sku for sku in skus if SKU.fullmatch(sku)])

    def in_category(self, category: str) -> Self:
        return self.filter(category=category.lower())

    def matching(self, text: str) -> Self:
        """Those in whose SKU, name or description each word of `text` stands; scans the table."""
        found = self
        for word in text.split():
            found = found.filter(
                Q(sku__icontains=word) | Q(name__icontains=word) | Q(description__icontains=word)
            )
        return found

    def as_rows(self) -> "models.QuerySet[Product, Row]":
        """What `describe` takes of each; no model is made for it."""
        return self.values_list(*DESCRIBED)


class Product(Priced):
    """One product. It is discontinued, never deleted: orders go on naming its SKU."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    sku = models.CharField(
        "SKU",
        max_length=32,
        unique=True,
        validators=[validate_sku],
        error_messages={"unique": "A product with this SKU exists: choose another."},
        help_text="Capital letters, digits and hyphens; it never changes.",
    )
    name = models.CharField(max_length=200)
    description = models.TextField(max_length=2000, blank=True)
    category = models.CharField(max_length=50, validators=[validate_category])
    is_active = models.BooleanField(
        "active", default=True, help_text="A product that is not active is discontinued."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = ProductQuerySet.as_manager()

    class Meta(Priced.Meta):
        constraints = [
            *Priced.Meta.constraints,
            models.CheckConstraint(
                condition=Q(sku__regex=SKU.pattern), name="product_sku_is_well_formed"
            ),
            models.CheckConstraint(
                condition=Q(category__regex=CATEGORY.pattern),
                name="product_category_is_well_formed",
            ),
            models.CheckConstraint(condition=~Q(name=""), name="product_has_a_name"),
        ]
        indexes = [
            # each way to order or narrow the list, down to the SKU that breaks ties
            models.Index(fields=["category", "sku"], name="product_by_category"),
            models.Index(fields=["name", "sku"], name="product_by_name"),
            models.Index(fields=["price", "sku"], name="product_by_price"),
            models.Index(fields=["created_at", "sku"], name="product_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.sku} {self.name}"

    def as_contract(self) -> contracts.products.Product:
        return describe(*(getattr(self, name) for name in DESCRIBED))


class PriceChange(Priced):
    """A price that a product has had since `changed_at`; the latest is today's."""

    product = models.ForeignKey(Product, models.PROTECT, related_name="price_changes")
    changed_at = models.DateTimeField(auto_now_add=True)
    changed_by = models.CharField(
        max_length=150,
        help_text="The id of a person at user_project, or the username of this service's staff.",
    )

    def __str__(self) -> str:
        return f"{self.price} {self.currency} since {self.changed_at:%Y-%m-%d %H:%M}"
