"""What changes the catalogue, and the price history with it."""

from decimal import Decimal
from typing import TypedDict, Unpack

from django.db import IntegrityError, transaction
from rest_framework import status
from rest_framework.exceptions import APIException, NotFound, ValidationError

import contracts.products
from products.models import Currency, PriceChange, Product


class NoSuchProduct(NotFound):
    """No product has that SKU."""

    def __init__(self, sku: str) -> None:
        super().__init__(
            f"No product has the SKU {sku!r}: see /api/v1/products/ for those there are."
        )


class SkuTaken(ValidationError):
    """Another product, perhaps a discontinued one, has that SKU."""

    def __init__(self, sku: str) -> None:
        super().__init__(
            {"sku": [f"{sku!r} is taken: choose another SKU, or change the product that has it."]}
        )


class ChangedMeanwhile(APIException):
    """The product is no longer what the caller saw."""

    status_code = status.HTTP_412_PRECONDITION_FAILED
    default_detail = "This is no longer as you saw it: get it again, then repeat your request."
    default_code = "changed_meanwhile"


class ProductChanges(TypedDict, total=False):
    """What of a product can change: everything but its SKU."""

    name: str
    description: str
    category: str
    price: Decimal
    currency: str
    is_active: bool


@transaction.atomic
def create_product(
    *,
    sku: str,
    name: str,
    category: str,
    price: Decimal,
    currency: str = Currency.EUR,
    description: str = "",
    is_active: bool = True,
    changed_by: str,
) -> Product:
    """Put a product into the catalogue and its price into the history.

    Raises SkuTaken.
    """
    product = Product(
        sku=sku,
        name=name,
        category=category,
        price=price,
        currency=currency,
        description=description,
        is_active=is_active,
    )
    try:
        with transaction.atomic():
            product.save(force_insert=True)
    except IntegrityError as error:
        if Product.objects.with_skus([sku]).exists():
            raise SkuTaken(sku) from error
        raise
    _keep_price(product, changed_by)
    return product


@transaction.atomic
def change_product(
    *,
    sku: str,
    changed_by: str,
    seen: contracts.products.Product | None = None,
    **changes: Unpack[ProductChanges],
) -> Product:
    """Give a product new values; a price that differs goes into the history.

    With `seen`, only if the product still is as the caller saw it: of two who saw the same,
    one gets ChangedMeanwhile. Raises NoSuchProduct.
    """
    product = Product.objects.select_for_update().with_skus([sku]).first()
    if product is None:
        raise NoSuchProduct(sku)
    if seen is not None and product.as_contract() != seen:
        raise ChangedMeanwhile

    changed = {name: value for name, value in changes.items() if getattr(product, name) != value}
    if changed:
        for name, value in changed.items():
            setattr(product, name, value)
        product.save(update_fields=[*changed, "updated_at"])
    if changed.keys() & {"price", "currency"}:
        _keep_price(product, changed_by)
    return product


def discontinue_product(
    *, sku: str, changed_by: str, seen: contracts.products.Product | None = None
) -> Product:
    """Take a product off sale for good or for a while; doing so twice is no error.

    Raises what change_product does.
    """
    return change_product(sku=sku, changed_by=changed_by, seen=seen, is_active=False)


def _keep_price(product: Product, changed_by: str) -> None:
    PriceChange.objects.create(
        product=product, price=product.price, currency=product.currency, changed_by=changed_by
    )
