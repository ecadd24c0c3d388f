"""change_product, and the price history it keeps."""

from decimal import Decimal
from itertools import groupby

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from products import operations
from products.models import Currency, PriceChange, Product

pytestmark = pytest.mark.django_db

PRICES = st.tuples(
    st.decimals(min_value=0, max_value=Decimal("99.99"), places=2), st.sampled_from(Currency.values)
)


class TestChangeProduct:
    def test_keeps_a_new_price_with_who_changed_it(self, tent):
        operations.change_product(sku=tent.sku, changed_by="clerk", price=Decimal("259.00"))

        latest = tent.price_changes.latest("pk")
        assert latest.money().amount == "259.00"
        assert latest.changed_by == "clerk"
        assert latest.changed_at is not None

    def test_keeps_a_new_currency(self, tent):
        operations.change_product(sku=tent.sku, changed_by="clerk", currency=Currency.CHF)

        assert tent.price_changes.latest("pk").currency == "CHF"

    def test_keeps_no_price_where_the_price_stays(self, tent):
        operations.change_product(
            sku=tent.sku, changed_by="clerk", name="Tent", price=Decimal("249.0")
        )

        assert tent.price_changes.count() == 1

    def test_moves_updated_at_only_where_something_changes(self, tent):
        same = operations.change_product(sku=tent.sku, changed_by="clerk", name=tent.name)
        other = operations.change_product(sku=tent.sku, changed_by="clerk", name="Tent")

        assert same.updated_at == tent.updated_at
        assert other.updated_at > tent.updated_at

    def test_leaves_alone_what_it_is_not_told_to_change(self, tent):
        Product.objects.update(description="Changed meanwhile.")

        operations.change_product(sku=tent.sku, changed_by="clerk", name="Tent")

        tent.refresh_from_db()
        assert (tent.name, tent.description) == ("Tent", "Changed meanwhile.")

    def test_lets_one_of_two_win_who_saw_the_same(self, tent):
        seen = tent.as_contract()
        operations.change_product(sku=tent.sku, changed_by="bo", seen=seen, name="Bo's tent")

        with pytest.raises(operations.ChangedMeanwhile) as refusal:
            operations.change_product(sku=tent.sku, changed_by="ann", seen=seen, name="Ann's tent")

        tent.refresh_from_db()
        assert tent.name == "Bo's tent"
        assert refusal.value.status_code == 412

    @pytest.mark.parametrize("sku", ["NO-SUCH", "tent-2p", "", "TENT-2P "])
    def test_refuses_a_sku_that_no_product_has(self, tent, sku):
        with pytest.raises(operations.NoSuchProduct) as refusal:
            operations.change_product(sku=sku, changed_by="clerk", name="Tent")

        assert refusal.value.status_code == 404
        assert repr(sku) in refusal.value.detail

    @settings(
        max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(prices=st.lists(PRICES, min_size=1, max_size=8))
    def test_makes_a_history_of_each_price_that_differs_from_the_one_before(
        self, put_on_sale, prices
    ):
        (price, currency), *later = prices
        PriceChange.objects.all().delete()
        Product.objects.all().delete()
        product = put_on_sale(price=price, currency=currency)

        for price, currency in later:
            operations.change_product(
                sku=product.sku, changed_by="clerk", price=price, currency=currency
            )

        kept = product.price_changes.order_by("pk").values_list("price", "currency")
        assert list(kept) == [price for price, _ in groupby(prices)]


class TestDiscontinueProduct:
    def test_takes_the_product_off_sale_and_keeps_it(self, tent):
        operations.discontinue_product(sku=tent.sku, changed_by="clerk")

        tent.refresh_from_db()
        assert not tent.is_active
        assert tent.price_changes.count() == 1

    def test_is_no_error_when_repeated(self, tent):
        first = operations.discontinue_product(sku=tent.sku, changed_by="clerk")

        second = operations.discontinue_product(sku=tent.sku, changed_by="clerk")

        assert second.updated_at == first.updated_at

    def test_can_be_taken_back(self, tent):
        operations.discontinue_product(sku=tent.sku, changed_by="clerk")

        operations.change_product(sku=tent.sku, changed_by="clerk", is_active=True)

        assert Product.objects.active().get() == tent
