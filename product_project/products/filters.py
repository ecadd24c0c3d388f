"""What the catalogue can be narrowed down to, and in which order it is listed."""

from django import forms
from django_filters.rest_framework import CharFilter, ChoiceFilter, FilterSet

from products.models import ProductQuerySet

MAX_SKUS = 100  # in one answer; their request line stays below the 4094 bytes that gunicorn reads

ORDERINGS = [
    (sign + field, label + direction)
    for field, label in (
        ("sku", "SKU"),
        ("name", "name"),
        ("price", "price"),
        ("created_at", "day of entry"),
    )
    for sign, direction in (("", ""), ("-", ", descending"))
]


def listed(text: str) -> set[str]:
    return {sku.strip() for sku in text.split(",")}


def validate_sku_count(text: str) -> None:
    if (count := len(listed(text))) > MAX_SKUS:
        raise forms.ValidationError(f"Ask for at most {MAX_SKUS} SKUs at a time, not for {count}.")


class ProductFilter(FilterSet):
    """Everything for sale; what is discontinued, only by its SKU or where `is_active` says so."""

    search = CharFilter(
        label="Search",
        max_length=100,
        help_text="Words that each stand in the SKU, the name or the description.",
    )
    category = CharFilter(label="Category", max_length=50, help_text="In any case.")
    sku = CharFilter(
        label="SKUs",
        validators=[validate_sku_count],
        help_text=f"Up to {MAX_SKUS} SKUs, separated by commas.",
    )
    is_active = ChoiceFilter(
        label="Active", choices=[("true", "for sale"), ("false", "discontinued")]
    )
    ordering = ChoiceFilter(label="Order by", choices=ORDERINGS)

    def filter_queryset(self, products: ProductQuerySet) -> ProductQuerySet:
        asked = self.form.cleaned_data
        if asked["sku"]:
            products = products.with_skus(listed(asked["sku"]))
        elif not asked["is_active"]:
            products = products.active()
        if asked["is_active"]:
            products = products.filter(is_active=asked["is_active"] == "true")
        if asked["category"]:
            products = products.in_category(asked["category"])
        return products.matching(asked["search"]).order_by(asked["ordering"] or "sku", "sku")
