"""What reading the catalogue costs in SQL: these fail when a statement is added."""

import pytest

pytestmark = pytest.mark.django_db

URL = "/api/v1/products/"


class TestCost:
    @pytest.mark.parametrize("query", ["", "?page_size=2", "?category=shelter", "?search=tent"])
    def test_of_a_list_is_a_count_and_a_page(
        self, client, put_on_sale, django_assert_num_queries, query
    ):
        for number in range(5):
            put_on_sale(f"TENT-{number}P")

        with django_assert_num_queries(2):
            client.get(f"{URL}{query}")

    def test_of_a_product_is_one_read(self, client, tent, django_assert_num_queries):
        with django_assert_num_queries(1):
            client.get(f"{URL}{tent.sku}/")

    def test_of_a_refused_page_is_a_count(self, client, tent, django_assert_num_queries):
        with django_assert_num_queries(1):
            client.get(f"{URL}?page=2")
