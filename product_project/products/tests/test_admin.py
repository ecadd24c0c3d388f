"""The admin: lists at a fixed cost, keeps the price history, deletes nothing."""

from decimal import Decimal

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse

from products import operations
from products.models import Product

pytestmark = pytest.mark.django_db

LIST = reverse("admin:products_product_changelist")
ADD = reverse("admin:products_product_add")
MUG = {
    "sku": "MUG-ENAMEL",
    "name": "Enamel mug",
    "description": "",
    "category": "kitchen",
    "price": "9.90",
    "currency": "EUR",
    "is_active": "on",
}
NO_INLINES = {"price_changes-TOTAL_FORMS": "0", "price_changes-INITIAL_FORMS": "0"}


@pytest.fixture
def browser(client, clerk):
    client.force_login(clerk)
    return client


@pytest.fixture
def slow_browser(browser, monkeypatch):
    """One whose form is looked at before somebody else saves the same, and saved after that."""
    save = operations.create_product

    def create_product(**fields):
        save(**fields)
        return save(**fields)

    monkeypatch.setattr(operations, "create_product", create_product)
    return browser


def change_url(product: Product) -> str:
    return reverse("admin:products_product_change", args=[product.pk])


class TestProductList:
    def test_shows_price_and_currency(self, browser, tent):
        page = browser.get(LIST).content.decode()

        for text in ("TENT-2P", "Ridge tent", "shelter", "249.00", "EUR"):
            assert text in page

    def test_costs_the_same_for_any_number_of_products(
        self, browser, put_on_sale, django_assert_num_queries
    ):
        for number in range(50):
            put_on_sale(f"SKU-{number:03}")

        with django_assert_num_queries(6):  # session, user, categories, 2 counts, page
            browser.get(LIST)

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ({"q": "enamel"}, {"MUG-ENAMEL"}),
            ({"category": "shelter"}, {"TENT-2P"}),
            ({"is_active__exact": "0"}, {"MUG-ENAMEL"}),
            ({"currency__exact": "EUR"}, {"MUG-ENAMEL", "TENT-2P"}),
        ],
        ids=str,
    )
    def test_finds_by(self, browser, tent, put_on_sale, query, found):
        put_on_sale("MUG-ENAMEL", name="Enamel mug", category="kitchen", is_active=False)

        shown = browser.get(LIST, query).context["cl"].result_list

        assert {product.sku for product in shown} == found

    def test_discontinues_what_is_selected(self, browser, tent, put_on_sale):
        lamp, mug = put_on_sale("LAMP-OIL"), put_on_sale("MUG-ENAMEL")

        response = browser.post(
            LIST,
            {"action": "discontinue", "_selected_action": [tent.pk, lamp.pk]},
            follow=True,
        )

        assert "2 products discontinued." in response.content.decode()
        assert list(Product.objects.active()) == [mug]
        assert LogEntry.objects.filter(change_message="Discontinued.").count() == 2


class TestProductForm:
    def test_creates_a_product_with_its_price_in_the_history(self, browser, clerk):
        browser.post(ADD, MUG | NO_INLINES)

        product = Product.objects.get()
        assert (product.sku, product.price) == ("MUG-ENAMEL", Decimal("9.90"))
        assert product.price_changes.get().changed_by == "clerk"
        assert LogEntry.objects.get().object_id == str(product.pk)

    def test_says_that_somebody_was_faster_with_the_same_sku(self, slow_browser):
        page = slow_browser.post(ADD, MUG | NO_INLINES, follow=True).content.decode()

        assert "&#x27;MUG-ENAMEL&#x27; is taken" in page

    def test_keeps_history_when_it_saves_a_price(self, browser, tent):
        form = MUG | NO_INLINES | {"name": tent.name, "category": "shelter", "price": "259.00"}

        response = browser.post(change_url(tent), form)

        assert response.status_code == 302
        latest = tent.price_changes.latest("pk")
        assert (latest.price, latest.changed_by) == (Decimal("259.00"), "clerk")

    def test_shows_the_history_and_lets_nobody_change_it(self, browser, tent):
        operations.change_product(sku=tent.sku, changed_by="bo", price=Decimal("259.00"))

        page = browser.get(change_url(tent)).content.decode()

        assert "249.00" in page
        assert "259.00" in page
        assert "<p>bo</p>" in page
        assert 'name="price_changes-0-price"' not in page

    def test_costs_the_same_for_any_number_of_prices(
        self, browser, tent, django_assert_num_queries
    ):
        for amount in range(30):
            operations.change_product(sku=tent.sku, changed_by="bo", price=Decimal(amount))

        with django_assert_num_queries(4):  # session, user, product, prices
            browser.get(change_url(tent))

    def test_never_changes_a_sku(self, browser, tent):
        form = MUG | NO_INLINES | {"sku": "TENT-3P"}

        browser.post(change_url(tent), form)

        tent.refresh_from_db()
        assert (tent.sku, tent.name) == ("TENT-2P", "Enamel mug")

    @pytest.mark.parametrize(
        ("wrong", "word"),
        [
            ({"price": "-1"}, "greater than or equal to 0"),
            ({"price": "1.999"}, "2 decimal places"),
            ({"currency": "XXX"}, "not one of the available choices"),
            ({"sku": "mug"}, "is no SKU"),
            ({"sku": "TENT-2P"}, "A product with this SKU exists"),
            ({"category": "Kitchen Ware"}, "is no category"),
            ({"name": ""}, "This field is required"),
        ],
        ids=str,
    )
    def test_refuses(self, browser, tent, wrong, word):
        page = browser.post(ADD, MUG | NO_INLINES | wrong).content.decode()

        assert word in page
        assert Product.objects.get() == tent


class TestDeleting:
    def test_is_not_offered(self, browser, tent):
        assert "delete_selected" not in browser.get(LIST).content.decode()
        assert "deletelink" not in browser.get(change_url(tent)).content.decode()

    def test_is_refused_to_who_knows_the_address(self, browser, tent):
        url = reverse("admin:products_product_delete", args=[tent.pk])

        assert browser.post(url, {"post": "yes"}).status_code == 403
        assert Product.objects.get() == tent


class TestAdmin:
    def test_lets_staff_log_in(self, client, clerk):
        clerk.set_password("correct horse battery")
        clerk.save()

        response = client.post(
            "/admin/login/?next=/admin/",
            {"username": "clerk", "password": "correct horse battery"},
            follow=True,
        )

        page = response.content.decode()
        assert "What is for sale" in page
        assert LIST in page

    def test_asks_anyone_else_to_log_in(self, client):
        assert client.get(LIST).headers["Location"] == f"/admin/login/?next={LIST}"
