"""GET products/: what anyone, and what staff, can list."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from rest_framework.test import APIClient

from contracts.products import ProductPage
from products import operations

pytestmark = pytest.mark.django_db

URL = "/api/v1/products/"


@pytest.fixture
def shop(put_on_sale):
    """Three products for sale, and one that no longer is."""
    put_on_sale("TENT-2P", name="Ridge tent", price=Decimal("249.00"))
    put_on_sale(
        "MUG-ENAMEL",
        name="Enamel mug",
        category="kitchen",
        price=Decimal("9.90"),
        description="Survives a fall from the tent.",
    )
    put_on_sale("TARP-3X3", name="Tarp", price=Decimal("59.90"))
    put_on_sale("LAMP-OIL", name="Storm lantern", category="light", is_active=False)


def skus(response: Any) -> list[str]:
    assert response.status_code == 200, response.data
    return [product["sku"] for product in response.json()["results"]]


class TestCatalogue:
    def test_is_a_product_page_as_contracts_has_it(self, client, shop):
        response = client.get(URL)

        page = msgspec.json.decode(response.content, type=ProductPage)
        assert msgspec.json.decode(msgspec.json.encode(page)) == response.json()
        assert (page.count, page.next, page.previous) == (3, None, None)

    def test_shows_what_is_for_sale_by_sku(self, client, shop):
        assert skus(client.get(URL)) == ["MUG-ENAMEL", "TARP-3X3", "TENT-2P"]

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ({"search": "ridge"}, ["TENT-2P"]),
            ({"search": "TENT"}, ["MUG-ENAMEL", "TENT-2P"]),
            ({"search": "tent  enamel"}, ["MUG-ENAMEL"]),
            ({"search": "2p"}, ["TENT-2P"]),
            ({"search": "100%"}, []),
            ({"search": "lantern"}, []),
            ({"search": ""}, ["MUG-ENAMEL", "TARP-3X3", "TENT-2P"]),
            ({"category": "shelter"}, ["TARP-3X3", "TENT-2P"]),
            ({"category": "Shelter"}, ["TARP-3X3", "TENT-2P"]),
            ({"category": "boats"}, []),
            ({"category": "shelter", "search": "tarp"}, ["TARP-3X3"]),
            ({"is_active": "true"}, ["MUG-ENAMEL", "TARP-3X3", "TENT-2P"]),
        ],
        ids=str,
    )
    def test_can_be_narrowed_by(self, client, shop, query, found):
        assert skus(client.get(URL, query)) == found

    @pytest.mark.parametrize(
        ("ordering", "order"),
        [
            ("price", ["MUG-ENAMEL", "TARP-3X3", "TENT-2P"]),
            ("-price", ["TENT-2P", "TARP-3X3", "MUG-ENAMEL"]),
            ("name", ["MUG-ENAMEL", "TENT-2P", "TARP-3X3"]),
            ("-created_at", ["TARP-3X3", "MUG-ENAMEL", "TENT-2P"]),
            ("-sku", ["TENT-2P", "TARP-3X3", "MUG-ENAMEL"]),
        ],
    )
    def test_can_be_ordered_by(self, client, shop, ordering, order):
        assert skus(client.get(URL, {"ordering": ordering})) == order

    def test_orders_equals_by_sku_so_that_pages_do_not_overlap(self, client, put_on_sale):
        for sku in ("T-3", "T-1", "T-2"):
            put_on_sale(sku)

        pages = [
            client.get(URL, {"ordering": "-price", "page_size": 1, "page": n}) for n in (1, 2, 3)
        ]

        assert [sku for page in pages for sku in skus(page)] == ["T-1", "T-2", "T-3"]

    @pytest.mark.parametrize(
        ("query", "field", "word"),
        [
            ({"ordering": "weight"}, "ordering", "weight"),
            ({"is_active": "maybe"}, "is_active", "maybe"),
            ({"search": "x" * 101}, "search", "100"),
            ({"search": "\0"}, "search", "Null"),
            ({"category": "x" * 51}, "category", "50"),
        ],
        ids=str,
    )
    def test_refuses_a_query_that_asks_for(self, client, shop, query, field, word):
        response = client.get(URL, query)

        assert response.status_code == 400
        assert word in response.json()[field][0]


class TestCatalogueForStaff:
    def test_lists_what_is_discontinued(self, cleo, shop):
        assert skus(cleo.client.get(URL, {"is_active": "false"})) == ["LAMP-OIL"]

    def test_refuses_that_to_anyone_else(self, client, ann, shop):
        query = {"is_active": "false"}

        assert client.get(URL, query).status_code == 401
        assert ann.client.get(URL, query).status_code == 403

    def test_answers_the_same_plain_list_to_staff(self, client, cleo, shop):
        assert cleo.client.get(URL).json() == client.get(URL).json()


class TestPages:
    @pytest.fixture
    def _long_shop(self, put_on_sale):
        for number in range(120):
            put_on_sale(f"SKU-{number:03}")

    @pytest.mark.parametrize(
        ("page_size", "shown"), [("", 50), (10, 10), (100, 100), (1000, 100), (0, 50), ("x", 50)]
    )
    @pytest.mark.usefixtures("_long_shop")
    def test_have_at_most_100_products(self, client, page_size, shown):
        response = client.get(URL, {"page_size": page_size})

        assert len(skus(response)) == shown
        assert response.json()["count"] == 120

    @pytest.mark.usefixtures("_long_shop")
    def test_lead_from_one_to_the_next_and_show_each_product_once(self, client):
        found, url = [], f"{URL}?page_size=50"
        while url:
            response = client.get(url)
            found += skus(response)
            url = response.json()["next"]

        assert found == [f"SKU-{number:03}" for number in range(120)]

    @pytest.mark.parametrize("page", ["0", "-1", "2", "x", "9" * 30])
    def test_are_not_found_beyond_the_last(self, client, tent, page):
        response = client.get(URL, {"page": page})

        assert response.status_code == 404
        assert response.json() == {"detail": "Invalid page."}

    @pytest.mark.usefixtures("_long_shop")
    def test_cost_two_statements_however_long(self, client, django_assert_num_queries):
        for page_size in (1, 50, 100):
            with django_assert_num_queries(2):
                client.get(URL, {"page_size": page_size})


class TestProductsBySku:
    def test_leaves_out_what_does_not_exist(self, client, shop):
        query = {"sku": "TENT-2P,NO-SUCH,MUG-ENAMEL, TARP-3X3 ,,not a sku,TENT-2P"}

        assert skus(client.get(URL, query)) == ["MUG-ENAMEL", "TARP-3X3", "TENT-2P"]

    def test_finds_exactly_what_is_asked_for(self, client, shop):
        assert skus(client.get(URL, {"sku": "tent-2p,TENT-2"})) == []

    def test_tells_what_is_discontinued_from_what_is_unknown(self, client, shop):
        products = client.get(URL, {"sku": "LAMP-OIL,NO-SUCH"}).json()["results"]

        assert [(product["sku"], product["is_active"]) for product in products] == [
            ("LAMP-OIL", False)
        ]

    def test_can_be_only_those_for_sale(self, client, shop):
        query = {"sku": "LAMP-OIL,TENT-2P", "is_active": "true"}

        assert skus(client.get(URL, query)) == ["TENT-2P"]

    def test_come_in_one_answer_for_100(self, client, put_on_sale, django_assert_num_queries):
        asked = [put_on_sale(f"SKU-{number:03}").sku for number in range(100)]

        with django_assert_num_queries(2):
            response = client.get(URL, {"sku": ",".join(asked), "page_size": 10})

        assert skus(response) == asked
        assert response.json()["next"] is None

    def test_are_refused_for_more_than_100(self, client):
        response = client.get(URL, {"sku": ",".join(f"SKU-{n}" for n in range(101))})

        assert response.status_code == 400
        assert response.json() == {"sku": ["Ask for at most 100 SKUs at a time, not for 101."]}

    def test_fit_into_the_request_line_that_gunicorn_reads(self):
        longest = ",".join(["X" * 32] * 100)

        request_line = f"GET {URL}?sku={longest.replace(',', '%2C')} HTTP/1.1"

        assert len(request_line) < 4094


class TestCatalogueInABrowser:
    def test_offers_filters_and_pages_to_anyone(self, put_on_sale):
        for number in range(60):
            put_on_sale(f"SKU-{number:03}")

        page = APIClient().get(URL, HTTP_ACCEPT="text/html").content.decode()

        assert "SKU-049" in page
        assert 'class="pagination"' in page
        assert 'name="category"' in page

    def test_offers_a_form_to_staff_at_a_fixed_cost(
        self, client, clerk, put_on_sale, django_assert_num_queries
    ):
        for number in range(50):
            put_on_sale(f"SKU-{number:03}")
        client.force_login(clerk)

        with django_assert_num_queries(4):  # session, user, count, page
            page = client.get(URL, HTTP_ACCEPT="text/html").content.decode()

        assert 'name="price.amount"' in page


def test_operations_show_at_once(client, shop):
    operations.discontinue_product(sku="TENT-2P", changed_by="clerk")

    assert "TENT-2P" not in skus(client.get(URL))
