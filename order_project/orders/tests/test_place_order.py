from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from threading import Barrier

import pytest
import requests
from django.core.cache import cache
from django.db import connection

from clients.products import ProductsUnavailable
from clients.users import UsersUnavailable
from contracts.orders import OrderLine
from contracts.products import Money
from customers.models import Customer
from orders.models import Order
from orders.operations import (
    CustomerErased,
    CustomerUnknown,
    KeyReused,
    MixedCurrencies,
    NotForSale,
    TotalTooLarge,
    find_customer,
)
from orders.tests.conftest import NOW, PRODUCTS, place

USERS = "http://127.0.0.1:8001/api/v1/internal/users/"

pytestmark = pytest.mark.django_db


@pytest.mark.usefixtures("copied")
class TestPlaceOrder:
    def test_confirms_what_is_in_stock(self, shop, ann):
        order = place(ann, TENT_2P=1, MUG_ENAMEL=2)

        stored = Order.objects.get()
        assert order.status == stored.status == "confirmed"
        assert stored.resume_at is None
        assert shop.stock.reserved == {str(order.id): {"TENT-2P": 1, "MUG-ENAMEL": 2}}

    def test_keeps_names_and_prices_as_they_were(self, shop, ann):
        order = place(ann, TENT_2P=1, MUG_ENAMEL=2)
        shop.prices["TENT-2P"] = ("999.00", "EUR")

        order.refresh_from_db()
        assert order.order_lines[1] == OrderLine(
            sku="MUG-ENAMEL",
            name="Mug-Enamel",
            quantity=2,
            unit_price=Money(amount="9.90", currency="EUR"),
        )
        assert (order.total_amount, order.total_currency) == (Decimal("268.80"), "EUR")

    def test_refuses_what_is_not_in_stock(self, shop, ann):
        order = place(ann, TENT_2P=6, MUG_ENAMEL=1)

        assert order.status == Order.objects.get().status == "rejected"
        assert order.short == [{"sku": "TENT-2P", "requested": 6, "available": 5}]
        assert shop.stock.reserved == {}

    def test_stores_the_order_before_it_asks_for_stock(self, shop, ann):
        seen: list[object] = []
        shop.before = lambda: seen.extend(Order.objects.values_list("status", "resume_at"))

        place(ann)

        assert seen == [("pending", NOW + timedelta(seconds=15))]

    def test_waits_for_inventory(self, shop, ann):
        shop.before = shop.lose

        order = place(ann)

        assert order.status == "pending"
        assert order.resume_at == NOW + timedelta(seconds=15)

    @pytest.mark.parametrize("refused", ["NOPE", "LAMP-OIL"])
    def test_refuses_what_is_not_for_sale(self, shop, ann, refused):
        shop.prices["LAMP-OIL"] = ("29.00", "EUR")
        shop.discontinued.add("LAMP-OIL")

        with pytest.raises(NotForSale, match=f"{refused} is (unknown|discontinued)") as refusal:
            place(ann, None, **{refused: 1, "TENT-2P": 1})

        assert "TENT-2P" not in str(refusal.value)
        assert not Order.objects.exists()

    def test_refuses_two_currencies(self, shop, ann):
        shop.prices["MUG-ENAMEL"] = ("12.00", "USD")

        with pytest.raises(MixedCurrencies, match="EUR and USD"):
            place(ann, TENT_2P=1, MUG_ENAMEL=1)

        assert not Order.objects.exists()

    def test_holds_the_largest_total_exactly_and_refuses_a_larger_one(self, shop, ann):
        shop.prices["TENT-2P"] = ("9999999999999.99", "EUR")
        place(ann)

        assert Order.objects.get().total_amount == Decimal("9999999999999.99")
        with pytest.raises(TotalTooLarge, match="place several"):
            place(ann, TENT_2P=1, MUG_ENAMEL=1)

    @pytest.mark.parametrize(
        "outage",
        [
            {"body": requests.ConnectionError("refused")},
            {"body": requests.ReadTimeout("slow")},
            {"body": "<h1>Welcome to nginx!</h1>", "content_type": "text/html"},
            {"status": 500},
        ],
        ids=["down", "slow", "html", "500"],
    )
    def test_needs_a_price(self, shop, ann, outage):
        shop.border.replace("GET", PRODUCTS, **outage)

        with pytest.raises(ProductsUnavailable):
            place(ann)

        assert not Order.objects.exists()
        assert shop.stock.reserved == {}

    def test_takes_a_stale_price_where_the_settings_say_so(self, shop, ann, settings):
        settings.ORDER_AT_STALE_PRICES = True
        place(ann)
        settings.PRODUCT_CACHE_SECONDS = 0
        shop.border.replace("GET", PRODUCTS, status=500)

        order = place(ann)

        assert order.status == "confirmed"
        assert order.priced_at == NOW


@pytest.mark.usefixtures("copied")
class TestIdempotencyKey:
    def test_gives_the_same_order_again(self, shop, ann):
        first = place(ann, key="k1")
        shop.border.replace("GET", PRODUCTS, status=500)

        again = place(ann, key="k1")

        assert again == first
        assert len(shop.stock.reserved) == 1

    def test_does_not_care_for_the_order_of_lines(self, shop, ann):
        first = place(ann, key="k1", TENT_2P=1, MUG_ENAMEL=2)

        assert place(ann, key="k1", MUG_ENAMEL=2, TENT_2P=1) == first

    @pytest.mark.parametrize(
        "other", [{"TENT_2P": 2}, {"MUG_ENAMEL": 1}, {"TENT_2P": 1, "MUG_ENAMEL": 1}]
    )
    def test_stands_for_one_content(self, shop, ann, other):
        place(ann, key="k1", TENT_2P=1)

        with pytest.raises(KeyReused, match="'k1'"):
            place(ann, key="k1", **other)

    def test_is_each_customers_own(self, shop, ann, bo):
        assert place(ann, key="k1") != place(bo, key="k1")

    def test_is_not_needed(self, shop, ann):
        assert place(ann) != place(ann)
        assert Order.objects.filter(idempotency_key=None).count() == 2

    @pytest.mark.django_db(transaction=True)
    def test_gives_the_order_of_the_same_request_that_was_faster(self, shop, ann):
        twin = place(ann, key="k0")
        cache.clear()
        shop.meanwhile = lambda: Order.objects.update(idempotency_key="k1")

        assert place(ann, key="k1") == twin
        assert len(shop.stock.reserved) == 1

    @pytest.mark.django_db(transaction=True)
    def test_gives_one_order_to_many_at_once(self, shop, ann, settings):
        settings.CLIENT_READ_SECONDS = 30  # however busy the machine is
        everyone = Barrier(6)

        def call(number):
            try:
                everyone.wait(30)
                return place(ann, key="k1").id
            finally:
                connection.close()

        with ThreadPoolExecutor(6) as pool:
            ids = set(pool.map(call, range(6)))

        assert ids == {Order.objects.get().id}
        assert shop.stock.reserved == {str(ids.pop()): {"TENT-2P": 1}}


class TestFindCustomer:
    def find(self, person):
        return find_customer(customer_id=person.id, now=NOW)

    @pytest.mark.usefixtures("copied")
    def test_asks_nobody_for_whom_the_copy_has(self, border, ann):
        assert self.find(ann).name == "Ann Example"

    def test_copies_whom_the_copy_has_not(self, border, ann):
        border.get(USERS, json={"users": [as_json(ann.user)], "next": None})

        assert self.find(ann).email == "ann@example.com"
        assert Customer.objects.get().version == 1

    def test_refuses_whom_the_owner_does_not_know(self, border, ann):
        border.get(USERS, json={"users": [], "next": None})

        with pytest.raises(CustomerUnknown, match="log in again"):
            self.find(ann)

    def test_refuses_the_erased(self, border, ann):
        erased = as_json(ann.user) | {"version": 2, "email": "", "name": "", "deleted": True}
        border.get(USERS, json={"users": [erased], "next": None})

        for _ in ("asked", "copied"):
            with pytest.raises(CustomerErased, match="erased"):
                self.find(ann)
        assert len(border.calls) == 1

    def test_needs_the_owner_for_whom_the_copy_has_not(self, border, ann):
        border.get(USERS, status=500)

        with pytest.raises(UsersUnavailable):
            self.find(ann)


def as_json(user):
    return {name: getattr(user, name) for name in ("id", "version", "email", "name", "deleted")}
