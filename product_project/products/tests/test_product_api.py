"""products/{sku}/: reading, and what staff may write."""

import json
from decimal import Decimal

import msgspec
import pytest
from django.test import Client

import contracts.products
from products import operations
from products.models import Product

pytestmark = pytest.mark.django_db

URL = "/api/v1/products/"
TENT_URL = f"{URL}TENT-2P/"
MUG = {
    "sku": "MUG-ENAMEL",
    "name": "Enamel mug",
    "description": "Survives the fire.",
    "category": "kitchen",
    "price": {"amount": "9.90", "currency": "EUR"},
    "is_active": True,
}


class TestShowProduct:
    def test_is_a_product_as_contracts_has_it(self, client, tent):
        response = client.get(TENT_URL)

        product = msgspec.json.decode(response.content, type=contracts.products.Product)
        assert product == tent.as_contract()
        assert msgspec.to_builtins(product) == response.json()
        assert response.json()["price"] == {"amount": "249.00", "currency": "EUR"}

    def test_shows_what_is_discontinued_as_such(self, client, tent):
        operations.discontinue_product(sku=tent.sku, changed_by="clerk")

        assert client.get(TENT_URL).json()["is_active"] is False

    def test_costs_one_statement(self, client, tent, django_assert_num_queries):
        with django_assert_num_queries(1):
            client.get(TENT_URL)

    @pytest.mark.parametrize("sku", ["NO-SUCH", "tent-2p", "TENT-2P%20", "%00", "é"])
    def test_names_the_sku_that_no_product_has(self, client, tent, sku):
        response = client.get(f"{URL}{sku}/")

        assert response.status_code == 404
        assert response.json()["detail"].startswith("No product has the SKU '")
        assert "see /api/v1/products/" in response.json()["detail"]

    def test_offers_staff_a_filled_form_in_a_browser(self, client, clerk, tent):
        client.force_login(clerk)

        page = client.get(TENT_URL, HTTP_ACCEPT="text/html").content.decode()

        assert 'data-method="PATCH"' in page
        assert "&quot;name&quot;: &quot;Ridge tent&quot;" in page


class TestCreateProduct:
    def test_answers_with_the_product_and_where_it_is(self, client, cleo):
        response = cleo.client.post(URL, MUG)

        assert response.status_code == 201
        assert response.json() == MUG
        found = client.get(response["Location"])
        assert found.json() == MUG
        assert found["ETag"] == response["ETag"]

    def test_keeps_the_price_with_the_id_of_the_person(self, cleo):
        cleo.client.post(URL, MUG)

        assert Product.objects.get().price_changes.get().changed_by == cleo.id

    def test_needs_no_description_and_starts_on_sale(self, cleo):
        body = {name: MUG[name] for name in ("sku", "name", "category", "price")}

        product = cleo.client.post(URL, body).json()

        assert (product["description"], product["is_active"]) == ("", True)

    def test_takes_a_form_from_the_browsable_page(self, clerk):
        browser = Client(enforce_csrf_checks=True)
        browser.force_login(clerk)
        token = browser.get(URL, HTTP_ACCEPT="text/html").cookies["product_csrftoken"].value
        form = MUG | {"price.amount": "9.90", "price.currency": "EUR", "is_active": "true"}
        del form["price"]

        response = browser.post(URL, form | {"csrfmiddlewaretoken": token})

        assert response.json() == MUG
        assert Product.objects.get().price_changes.get().changed_by == "clerk"

    @pytest.mark.parametrize(
        ("amount", "kept"),
        [("0", "0.00"), ("7", "7.00"), ("19.9", "19.90"), ("9999999999.99", "9999999999.99")],
    )
    def test_keeps_an_amount_exactly(self, cleo, amount, kept):
        price = {"amount": amount, "currency": "CHF"}

        response = cleo.client.post(URL, MUG | {"price": price})

        assert response.json()["price"] == {"amount": kept, "currency": "CHF"}
        assert Product.objects.get().price == Decimal(amount)

    @pytest.mark.parametrize(
        "amount",
        [
            *("-0.01", "19.999", "10000000000", "", " ", "free", "NaN", "1e3", "1_0", "+1", ".5"),
            *("٣", 19.9, 0.1 + 0.2, 19, True, None, [], {}),
        ],
        ids=repr,
    )
    def test_refuses_an_amount_that_is(self, cleo, amount):
        response = cleo.client.post(URL, MUG | {"price": {"amount": amount, "currency": "EUR"}})

        assert response.status_code == 400
        assert list(response.json()["price"]) == ["amount"]
        assert not Product.objects.exists()

    def test_says_how_to_write_an_amount(self, cleo):
        response = cleo.client.post(URL, MUG | {"price": {"amount": 19.9, "currency": "EUR"}})

        assert response.json()["price"]["amount"] == [
            "19.9 is no amount: write a string such as '19.90', not negative, "
            "with at most 10 digits before the point and 2 after it."
        ]

    @pytest.mark.parametrize(
        ("wrong", "field", "word"),
        [
            ({"price": {"amount": "9.90", "currency": "XXX"}}, "price", "'XXX' is no currency"),
            ({"price": {"amount": "9.90", "currency": "eur"}}, "price", "'eur' is no currency"),
            ({"price": {"amount": "9.90"}}, "price", "required"),
            ({"price": "9.90"}, "price", "'amount': '19.90', 'currency': 'EUR'"),
            ({"price": None}, "price", "null"),
            ({"sku": "mug"}, "sku", "'mug' is no SKU"),
            ({"sku": "MUG ENAMEL"}, "sku", "capital letters, digits and hyphens"),
            ({"sku": "-MUG"}, "sku", "'-MUG' is no SKU"),
            ({"sku": "M"}, "sku", "'M' is no SKU"),
            ({"sku": "M" * 33}, "sku", "32"),
            ({"sku": "MÜG"}, "sku", "'MÜG' is no SKU"),
            ({"name": "x" * 201}, "name", "200"),
            ({"name": " "}, "name", "blank"),
            ({"name": "\0"}, "name", "Null"),
            ({"description": "x" * 2001}, "description", "2000"),
            ({"category": "Kitchen Ware"}, "category", "'Kitchen Ware' is no category"),
            ({"category": ""}, "category", "blank"),
            ({"is_active": "perhaps"}, "is_active", "boolean"),
        ],
    )
    def test_refuses_a_field_that_is(self, cleo, wrong, field, word):
        response = cleo.client.post(URL, MUG | wrong)

        assert response.status_code == 400
        assert list(response.json()) == [field]
        assert word in response.content.decode()
        assert not Product.objects.exists()

    @pytest.mark.parametrize("sku", ["TENT-2P", "tent-2p", "Tent-2P"])
    def test_refuses_a_sku_that_is_taken_in_any_case(self, cleo, tent, sku):
        response = cleo.client.post(URL, MUG | {"sku": sku})

        assert response.status_code == 400
        assert repr(sku) in response.json()["sku"][0]
        assert Product.objects.get() == tent

    def test_names_everything_that_is_missing(self, cleo):
        response = cleo.client.post(URL, {})

        assert response.status_code == 400
        assert set(response.json()) == {"sku", "name", "category", "price"}

    @pytest.mark.parametrize("body", [[], "text", 1, None])
    def test_refuses_a_body_that_is_no_object(self, cleo, body):
        response = cleo.client.post(URL, json.dumps(body), content_type="application/json")

        assert response.status_code == 400


class TestChangeProduct:
    def test_changes_what_it_names_and_nothing_else(self, cleo, tent):
        response = cleo.client.patch(TENT_URL, {"name": "Tent"})

        assert response.status_code == 200
        expected = msgspec.to_builtins(tent.as_contract()) | {"name": "Tent"}
        assert response.json() == expected

    def test_keeps_a_new_price_with_the_id_of_the_person(self, cleo, tent):
        cleo.client.patch(TENT_URL, {"price": {"amount": "259.00"}})

        latest = tent.price_changes.latest("pk")
        assert (latest.money().amount, latest.money().currency) == ("259.00", "EUR")
        assert latest.changed_by == cleo.id

    def test_puts_a_discontinued_product_back_on_sale(self, cleo, tent):
        cleo.client.delete(TENT_URL)

        response = cleo.client.patch(TENT_URL, {"is_active": True})

        assert response.json()["is_active"] is True

    def test_refuses_another_sku(self, cleo, tent):
        response = cleo.client.patch(TENT_URL, {"sku": "TENT-3P", "name": "Tent"})

        assert response.status_code == 400
        assert response.json() == {
            "sku": ["The SKU stays TENT-2P: to sell under TENT-3P, create another product."]
        }
        tent.refresh_from_db()
        assert (tent.sku, tent.name) == ("TENT-2P", "Ridge tent")

    def test_takes_back_the_whole_product_as_it_was_shown(self, client, cleo, tent):
        shown = client.get(TENT_URL).json()

        response = cleo.client.patch(TENT_URL, shown | {"name": "Tent"})

        assert response.json() == shown | {"name": "Tent"}

    @pytest.mark.parametrize(
        "wrong",
        [
            {"price": {"amount": "-1"}},
            {"price": {"amount": "1.999"}},
            {"price": {"currency": "XXX"}},
            {"name": "x" * 201},
            {"category": None},
        ],
        ids=str,
    )
    def test_refuses(self, cleo, tent, wrong):
        response = cleo.client.patch(TENT_URL, wrong)

        assert response.status_code == 400
        assert list(response.json()) == list(wrong)
        assert tent.price_changes.count() == 1

    def test_does_not_find_an_unknown_product(self, cleo, tent):
        assert cleo.client.patch(f"{URL}NO-SUCH/", {"name": "Tent"}).status_code == 404

    def test_is_never_a_put(self, cleo, tent):
        assert cleo.client.put(TENT_URL, MUG).status_code == 405


class TestDiscontinueProduct:
    def test_takes_the_product_off_the_list_and_keeps_it(self, client, cleo, tent):
        response = cleo.client.delete(TENT_URL)

        assert (response.status_code, response.content) == (204, b"")
        assert client.get(URL).json()["results"] == []
        assert client.get(TENT_URL).json()["is_active"] is False

    def test_is_no_error_when_repeated(self, cleo, tent):
        assert [cleo.client.delete(TENT_URL).status_code for _ in range(2)] == [204, 204]

    def test_does_not_find_an_unknown_product(self, cleo):
        assert cleo.client.delete(f"{URL}NO-SUCH/").status_code == 404


class TestPriceHistory:
    def test_shows_anyone_each_price_the_latest_first(self, client, cleo, tent):
        cleo.client.patch(TENT_URL, {"price": {"amount": "259.00"}})
        cleo.client.patch(TENT_URL, {"price": {"amount": "239.00", "currency": "CHF"}})

        page = client.get(f"{TENT_URL}prices/").json()

        assert page["count"] == 3
        assert [change["price"] for change in page["results"]] == [
            {"amount": "239.00", "currency": "CHF"},
            {"amount": "259.00", "currency": "EUR"},
            {"amount": "249.00", "currency": "EUR"},
        ]

    def test_does_not_tell_who_changed_a_price(self, client, tent):
        (change,) = client.get(f"{TENT_URL}prices/").json()["results"]

        assert set(change) == {"price", "changed_at"}
        assert change["changed_at"].endswith("Z")

    def test_costs_three_statements_however_long(
        self, client, put_on_sale, tent, django_assert_num_queries
    ):
        for amount in range(60):
            operations.change_product(sku=tent.sku, changed_by="clerk", price=Decimal(amount))

        with django_assert_num_queries(3):
            page = client.get(f"{TENT_URL}prices/").json()

        assert (page["count"], len(page["results"])) == (61, 50)

    def test_is_not_found_without_its_product(self, client, tent):
        assert client.get(f"{URL}NO-SUCH/prices/").status_code == 404

    def test_cannot_be_written(self, cleo, tent):
        for method in (cleo.client.post, cleo.client.patch, cleo.client.delete):
            assert method(f"{TENT_URL}prices/").status_code == 405
