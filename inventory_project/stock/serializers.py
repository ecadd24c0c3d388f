"""The JSON of contracts.inventory, and what is refused of it at the border."""

from collections import Counter
from typing import Any

from rest_framework import serializers

from stock.models import SKU_LENGTH, Reservation, validate_sku

MAX_QUANTITY = 1_000_000
MAX_LINES = 100


class SkuSerializer(serializers.Serializer[Any]):
    sku = serializers.CharField(max_length=SKU_LENGTH, validators=[validate_sku])


class StockLevelSerializer(serializers.Serializer[Any]):
    sku = serializers.CharField()
    on_hand = serializers.IntegerField(help_text="Units on the shelf.")
    reserved = serializers.IntegerField(help_text="Units of these held for orders.")
    available = serializers.IntegerField(help_text="Units that can still be reserved.")


class ReceiptSerializer(serializers.Serializer[Any]):
    quantity = serializers.IntegerField(
        min_value=-MAX_QUANTITY,
        max_value=MAX_QUANTITY,
        help_text="Units that arrived; negative corrects what was counted too high.",
    )
    reason = serializers.CharField(max_length=200, help_text="Why, for the ledger.")
    must_exist = serializers.BooleanField(
        default=False,
        help_text="Whether to refuse a SKU that never came before, which may be mistyped.",
    )

    def validate_quantity(self, quantity: int) -> int:
        if quantity == 0:
            raise serializers.ValidationError("0 moves nothing: give the units that arrived.")
        return quantity


class ReservationLineSerializer(SkuSerializer):
    quantity = serializers.IntegerField(min_value=1, max_value=MAX_QUANTITY)


class ReservationRequestSerializer(serializers.Serializer[Any]):
    lines = ReservationLineSerializer(
        many=True,
        allow_empty=False,
        max_length=MAX_LINES,  # type: ignore[call-arg]  # the list's, which the stubs do not know
    )

    def validate_lines(self, lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
        often = [sku for sku, times in Counter(line["sku"] for line in lines).items() if times > 1]
        if often:
            raise serializers.ValidationError(
                f"{', '.join(often)}: in more than one line; add the quantities up into one."
            )
        return lines


class ReservationSerializer(serializers.Serializer[Any]):
    order_id = serializers.UUIDField()
    state = serializers.ChoiceField(choices=[kind.value for kind in Reservation.STATES])
    lines = ReservationLineSerializer(many=True)


class ShortageSerializer(serializers.Serializer[Any]):
    sku = serializers.CharField()
    requested = serializers.IntegerField()
    available = serializers.IntegerField()


class ReservationRefusalSerializer(serializers.Serializer[Any]):
    detail = serializers.CharField()
    short = ShortageSerializer(many=True, help_text="Every line that is short; empty otherwise.")


class DetailSerializer(serializers.Serializer[Any]):
    detail = serializers.CharField()
