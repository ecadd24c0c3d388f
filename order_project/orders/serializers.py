"""Orders in JSON: what a request may say, and contracts.orders.Order as the answer."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

import msgspec
from django.conf import settings
from rest_framework import serializers

from contracts import orders as contract
from contracts.inventory import ReservationLine
from customers.models import Customer
from orders.models import Order

SKU = r"^[A-Z0-9][A-Z0-9-]{1,31}$"


class LineSerializer(serializers.Serializer[ReservationLine]):
    """So many units of one SKU."""

    sku = serializers.RegexField(
        SKU,
        error_messages={
            "invalid": "A SKU is 2 to 32 capital letters, digits and hyphens, such as TARP-3X3."
        },
    )
    quantity = serializers.IntegerField(min_value=1, max_value=1_000_000)


class PlaceOrderSerializer(serializers.Serializer[tuple[ReservationLine, ...]]):
    """An order to place: each SKU once."""

    lines = serializers.ListField(child=LineSerializer(), min_length=1, max_length=100)

    def validate_lines(self, lines: list[dict[str, Any]]) -> tuple[ReservationLine, ...]:
        skus = [line["sku"] for line in lines]
        if repeated := sorted({sku for sku in skus if skus.count(sku) > 1}):
            raise serializers.ValidationError(
                f"{', '.join(repeated)} is there more than once: add the quantities up."
            )
        return tuple(ReservationLine(**line) for line in lines)


class MoneySerializer(serializers.Serializer[Any]):
    amount = serializers.RegexField(r"^\d+\.\d\d$")
    currency = serializers.CharField(help_text="ISO 4217")


class OrderLineSerializer(serializers.Serializer[contract.OrderLine]):
    sku = serializers.CharField()
    name = serializers.CharField()
    quantity = serializers.IntegerField()
    unit_price = MoneySerializer(help_text="When the order was placed.")


class ShortageSerializer(serializers.Serializer[Any]):
    sku = serializers.CharField()
    requested = serializers.IntegerField()
    available = serializers.IntegerField()


class OrderSerializer(serializers.Serializer[contract.Order]):
    """One order, with what the copy of users says of its customer now."""

    id = serializers.UUIDField()
    customer_id = serializers.UUIDField()
    customer_name = serializers.CharField(help_text="Empty once the customer is erased.")
    customer_email = serializers.CharField(help_text="Empty once the customer is erased.")
    status = serializers.ChoiceField(Order.Status.choices)
    lines = OrderLineSerializer(many=True)
    total = MoneySerializer()
    short = ShortageSerializer(many=True, help_text="What a rejected order lacked.")
    placed_at = serializers.DateTimeField()

    def to_representation(self, instance: contract.Order) -> Any:
        return msgspec.to_builtins(instance)  # forty times faster than field by field


class PlacedOrderSerializer(OrderSerializer):
    """The order, and where it is not simply confirmed, what that means."""

    detail = serializers.CharField(required=False)


SHOWN = (  # of an order
    *("id", "customer_id", "status", "lines", "total_amount", "total_currency", "short"),
    "placed_at",
)


def describe_orders(rows: Iterable[Mapping[str, Any]]) -> list[contract.Order]:
    """Orders, as rows of what is SHOWN, as others see them, with their customers by one query.

    The copy may not have a customer (yet).
    """
    rows = list(rows)
    known = Customer.objects.filter(id__in={row["customer_id"] for row in rows})
    customers = {id_: person for id_, *person in known.values_list("id", "name", "email")}
    return [describe(row, *customers.get(row["customer_id"], ("", ""))) for row in rows]


def describe_order(order: Order, customer: Customer) -> contract.Order:
    """The order as others see it."""
    row = {name: getattr(order, name) for name in SHOWN}
    return describe(row, customer.name, customer.email)


def describe(row: Mapping[str, Any], name: str, email: str) -> contract.Order:
    return msgspec.convert(
        {
            "id": str(row["id"]),
            "customer_id": str(row["customer_id"]),
            "customer_name": name,
            "customer_email": email,
            "status": row["status"],
            "lines": row["lines"],
            "total": {"amount": str(row["total_amount"]), "currency": row["total_currency"]},
            "short": row["short"],
            "placed_at": row["placed_at"].isoformat(),
        },
        contract.Order,
    )


def explain_order(order: Order) -> str:
    """What whoever placed the order should know beyond its status; mostly nothing."""
    if order.status == Order.Status.PENDING:
        return "Stock cannot be reserved just now: the order goes on by itself, look at it later."
    if order.status == Order.Status.REJECTED and not order.short:
        return "Nothing was ordered, for inventory_project refuses this order: place a new one."
    if order.status == Order.Status.REJECTED:
        lacks = ", ".join(
            f"{line['available']} of {line['requested']} {line['sku']}" for line in order.short
        )
        return f"Nothing was ordered, for there is only: {lacks}. Order less, or later."
    if order.placed_at - order.priced_at >= timedelta(seconds=settings.PRODUCT_CACHE_SECONDS):
        return f"product_project could not be asked: the prices are those of {order.priced_at}."
    return ""
