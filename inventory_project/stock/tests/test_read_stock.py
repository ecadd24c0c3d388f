"""Anyone reads what is on the shelf."""

from uuid import uuid4

import pytest
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from contracts.inventory import ReservationLine
from stock.models import Item
from stock.operations import receive_stock, reserve_stock
from stock.stores.protocol import StockStore
from stock.stores.redis import RedisStore

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("store")]


def receive(sku: str, quantity: int) -> None:
    receive_stock(sku=sku, quantity=quantity, reason="delivery", by="cleo")


class TestStockList:
    def test_shows_live_levels_by_sku(self, anyone: APIClient) -> None:
        receive("TENT-2P", 5)
        receive("MUG-ENAMEL", 9)
        tent = (ReservationLine(sku="TENT-2P", quantity=2),)
        reserve_stock(order_id=uuid4(), lines=tent, by="order")

        answer = anyone.get("/api/v1/stock/")

        assert answer.json() == {
            "count": 2,
            "next": None,
            "previous": None,
            "results": [
                {"sku": "MUG-ENAMEL", "on_hand": 9, "reserved": 0, "available": 9},
                {"sku": "TENT-2P", "on_hand": 5, "reserved": 2, "available": 3},
            ],
        }

    def test_answers_a_hundred_skus_at_once_with_one_read_of_the_store(
        self,
        anyone: APIClient,
        store: StockStore,
        django_assert_num_queries: DjangoAssertNumQueries,
    ) -> None:
        skus = [f"SKU-{number:03}" for number in range(120)]
        Item.objects.bulk_create(Item(sku=sku) for sku in skus)
        in_sql = 2 if isinstance(store, RedisStore) else 3  # count, page, and the levels

        with django_assert_num_queries(in_sql):
            answer = anyone.get("/api/v1/stock/", {"sku": ",".join(skus[:100])})

        assert [level["sku"] for level in answer.json()["results"]] == skus[:100]

    def test_leaves_unknown_skus_out(self, anyone: APIClient) -> None:
        receive("TENT-2P", 5)

        answer = anyone.get("/api/v1/stock/", {"sku": "TENT-2P,TENT-9P"})

        assert [level["sku"] for level in answer.json()["results"]] == ["TENT-2P"]

    def test_pages(self, anyone: APIClient) -> None:
        Item.objects.bulk_create(Item(sku=f"SKU-{number:03}") for number in range(120))

        first = anyone.get("/api/v1/stock/").json()
        second = anyone.get(first["next"]).json()

        assert (first["count"], len(first["results"]), len(second["results"])) == (120, 100, 20)

    def test_finds_by_part_of_a_sku(self, anyone: APIClient) -> None:
        receive("TENT-2P", 5)
        receive("MUG-ENAMEL", 9)

        answer = anyone.get("/api/v1/stock/", {"search": "tent"})

        assert [level["sku"] for level in answer.json()["results"]] == ["TENT-2P"]

    def test_refuses_to_search_for_what_no_text_has(self, anyone: APIClient) -> None:
        answer = anyone.get("/api/v1/stock/", {"search": "ten\0t"})

        assert answer.status_code == 400
        assert answer.json() == {"search": ["Null characters are not allowed."]}

    @pytest.mark.parametrize(
        ("asked", "reason"),
        [
            ("tent-2p", "capital letters"),
            ("TENT-2P\0", "capital letters"),
            (",".join(f"SKU-{number}" for number in range(101)), "at most 100"),
        ],
    )
    def test_refuses_what_is_no_list_of_skus(
        self, anyone: APIClient, asked: str, reason: str
    ) -> None:
        answer = anyone.get("/api/v1/stock/", {"sku": asked})

        assert answer.status_code == 400
        assert reason in answer.json()["sku"][0]

    def test_refuses_a_page_that_is_none(self, anyone: APIClient) -> None:
        assert anyone.get("/api/v1/stock/", {"page": "nine"}).status_code == 404

    def test_is_browsable(self, anyone: APIClient) -> None:
        receive("TENT-2P", 5)

        page = anyone.get("/api/v1/stock/", HTTP_ACCEPT="text/html")

        assert page.status_code == 200
        assert "TENT-2P" in page.text


class TestStockDetail:
    def test_shows_one_level(self, anyone: APIClient) -> None:
        receive("TENT-2P", 5)

        answer = anyone.get("/api/v1/stock/TENT-2P/")

        assert answer.json() == {"sku": "TENT-2P", "on_hand": 5, "reserved": 0, "available": 5}

    def test_shows_zero_of_an_item_that_never_came(self, anyone: APIClient) -> None:
        Item.objects.create(sku="TENT-2P")

        answer = anyone.get("/api/v1/stock/TENT-2P/")

        assert answer.json()["on_hand"] == 0

    def test_does_not_know_what_is_not_kept(self, anyone: APIClient) -> None:
        answer = anyone.get("/api/v1/stock/TENT-9P/")

        assert answer.status_code == 404
        assert "'TENT-9P'" in answer.json()["detail"]

    @pytest.mark.parametrize("sku", ["tent-2p", "T", "A" * 33, "TENT%00", "%F0%9F%8E%AA"])
    def test_refuses_what_is_no_sku(self, anyone: APIClient, sku: str) -> None:
        answer = anyone.get(f"/api/v1/stock/{sku}/")

        assert answer.status_code == 400
        assert answer.json()["sku"]
