"""create_product, and what the database refuses whoever writes."""

from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from products import operations
from products.models import PriceChange, Product

pytestmark = pytest.mark.django_db

MUG: dict[str, Any] = {"name": "Enamel mug", "category": "kitchen", "price": Decimal("9.90")}


class TestCreateProduct:
    def test_keeps_the_first_price(self):
        product = operations.create_product(sku="MUG-1", changed_by="clerk", **MUG)

        change = product.price_changes.get()
        assert change.money() == product.money()
        assert change.changed_by == "clerk"

    def test_refuses_a_sku_that_is_taken(self, tent):
        with pytest.raises(operations.SkuTaken) as refusal:
            operations.create_product(sku=tent.sku, changed_by="clerk", **MUG)

        assert refusal.value.status_code == 400
        assert "'TENT-2P' is taken" in str(refusal.value)
        assert PriceChange.objects.count() == 1

    def test_refuses_the_sku_of_a_discontinued_product(self, tent):
        operations.discontinue_product(sku=tent.sku, changed_by="clerk")

        with pytest.raises(operations.SkuTaken):
            operations.create_product(sku=tent.sku, changed_by="clerk", **MUG)

    def test_leaves_nothing_behind_when_the_database_refuses(self):
        with pytest.raises(IntegrityError):
            operations.create_product(
                sku="MUG-1", changed_by="clerk", **MUG | {"price": Decimal("-0.01")}
            )

        assert not Product.objects.exists()
        assert not PriceChange.objects.exists()


class TestTheDatabase:
    @pytest.mark.parametrize(
        "wrong",
        [
            {"price": Decimal("-0.01")},
            {"currency": "XXX"},
            {"sku": "T"},
            {"sku": "TENT 2P"},
            {"sku": "-TENT"},
            {"category": "not a category"},
            {"category": ""},
            {"name": ""},
        ],
        ids=str,
    )
    def test_refuses_a_row_that_is(self, tent, wrong):
        products = Product.objects.filter(pk=tent.pk)

        with pytest.raises(IntegrityError), transaction.atomic():
            products.update(**wrong)

        tent.refresh_from_db()
        assert tent.sku == "TENT-2P"

    def test_refuses_a_negative_price_in_the_history(self, tent):
        with pytest.raises(IntegrityError), transaction.atomic():
            tent.price_changes.update(price=Decimal("-0.01"))

    def test_keeps_the_largest_price_to_the_last_cent(self, put_on_sale):
        product = put_on_sale("GOLD-BAR", price=Decimal("9999999999.99"))

        product.refresh_from_db()

        assert product.price == Decimal("9999999999.99")
