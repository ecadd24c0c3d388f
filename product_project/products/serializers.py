"""Products as JSON, in the words of contracts.products."""

import re
from decimal import Decimal
from typing import Any

import msgspec
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from products.models import Currency, PriceChange, Priced, Product, validate_sku

AMOUNT = re.compile(r"^[0-9]{1,10}(\.[0-9]{1,2})?$")


@extend_schema_field({"type": "string", "pattern": AMOUNT.pattern, "example": "19.90"})
class AmountField(serializers.Field[Decimal, Any, str, Any]):
    """A decimal string; a JSON number may have lost digits before it gets here."""

    default_error_messages = {
        "invalid": (
            "{value!r} is no amount: write a string such as '19.90', not negative, "
            "with at most 10 digits before the point and 2 after it."
        )
    }

    def to_internal_value(self, data: object) -> Decimal:
        if not isinstance(data, str) or not AMOUNT.fullmatch(data):
            self.fail("invalid", value=data)
        return Decimal(data)

    def to_representation(self, value: Decimal) -> str:
        return f"{value:.2f}"


class MoneySerializer(serializers.Serializer[Priced]):
    amount = AmountField(source="price")
    currency = serializers.ChoiceField(
        Currency.choices,
        error_messages={
            "invalid_choice": "'{input}' is no currency the shop sells in: choose one of "
            f"{', '.join(Currency.values)}."
        },
    )

    default_error_messages = {
        "invalid": "Write a price as an object: {{'amount': '19.90', 'currency': 'EUR'}}."
    }


class ProductSerializer(serializers.ModelSerializer[Product]):
    price = MoneySerializer(source="*")

    class Meta:
        model = Product
        fields = ["sku", "name", "description", "category", "price", "is_active"]
        extra_kwargs = {
            "sku": {"validators": [validate_sku]},  # whether it is taken, create_product finds out
            "is_active": {"initial": True},  # the browsable form starts with what is usual
        }

    def validate_sku(self, sku: str) -> str:
        if self.instance is not None and sku != self.instance.sku:
            raise serializers.ValidationError(
                f"The SKU stays {self.instance.sku}: to sell under {sku}, create another product."
            )
        return sku

    def to_representation(self, product: Product) -> dict[str, Any]:
        state: dict[str, Any] = msgspec.to_builtins(product.as_contract())
        return state


class PriceChangeSerializer(serializers.ModelSerializer[PriceChange]):
    """Who changed a price is for staff to know, in the admin."""

    price = MoneySerializer(source="*")

    class Meta:
        model = PriceChange
        fields = ["price", "changed_at"]


class RefusalSerializer(serializers.Serializer[None]):
    detail = serializers.CharField(help_text="What is wrong, and what to do about it.")
