"""How a list of items is narrowed."""

from typing import Any

from django import forms
from django_filters import BaseCSVFilter, CharFilter, FilterSet
from django_filters.fields import BaseCSVField
from rest_framework.exceptions import ValidationError
from rest_framework.filters import SearchFilter
from rest_framework.request import Request

from stock.models import Item, validate_sku

MAX_SKUS = 100


class Search(SearchFilter):
    """DRF's, but a refusal names the parameter, as those of the other filters do."""

    def get_search_terms(self, request: Request) -> list[str]:
        try:
            return super().get_search_terms(request)
        except ValidationError as refusal:
            raise ValidationError({self.search_param: refusal.detail}) from refusal


class SkuListField(BaseCSVField):
    def clean(self, value: Any) -> Any:
        skus = super().clean(value) or []
        if len(skus) > MAX_SKUS:
            raise forms.ValidationError(
                f"{len(skus)} SKUs were asked for; ask for at most {MAX_SKUS} at a time."
            )
        return skus


class SkuListFilter(BaseCSVFilter, CharFilter):
    base_field_class = SkuListField


class ItemFilter(FilterSet):
    sku = SkuListFilter(
        field_name="sku",
        lookup_expr="in",
        validators=[validate_sku],
        help_text=f"SKUs, separated by commas, {MAX_SKUS} at most; unknown ones are left out.",
    )

    class Meta:
        model = Item
        fields = ["sku"]
