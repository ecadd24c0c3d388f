"""order_project reserves, releases and fulfils over HTTP."""

import json
from typing import Any
from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from stock.operations import receive_stock

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("store")]

TENT = {"sku": "TENT-2P", "quantity": 2}
MUG = {"sku": "MUG-ENAMEL", "quantity": 3}


@pytest.fixture
def reservation() -> str:
    """The address of a new order's reservation."""
    return f"/api/v1/reservations/{uuid4()}/"


@pytest.fixture(autouse=True)
def _five_tents(store: object) -> None:
    receive_stock(sku="TENT-2P", quantity=5, reason="delivery", by="cleo")


def available(client: APIClient) -> int:
    level = client.get("/api/v1/stock/TENT-2P/").json()
    return int(level["available"])


class TestPut:
    def test_reserves(self, order_service: APIClient, anyone: APIClient, reservation: str) -> None:
        answer = order_service.put(reservation, {"lines": [TENT]})

        assert answer.status_code == 201
        assert answer.json() == {
            "order_id": reservation.split("/")[-2],
            "state": "reserved",
            "lines": [TENT],
        }
        assert available(anyone) == 3

    def test_answers_the_same_when_repeated(
        self, order_service: APIClient, anyone: APIClient, reservation: str
    ) -> None:
        first = order_service.put(reservation, {"lines": [TENT]})

        again = order_service.put(reservation, {"lines": [TENT]})

        assert again.status_code == 200
        assert again.json() == first.json() == order_service.get(reservation).json()
        assert available(anyone) == 3

    def test_names_what_is_short(
        self, order_service: APIClient, anyone: APIClient, reservation: str
    ) -> None:
        answer = order_service.put(reservation, {"lines": [TENT | {"quantity": 6}, MUG]})

        assert answer.status_code == 409
        assert answer.json() == {
            "detail": (
                "Nothing was reserved, for want of MUG-ENAMEL (asked 3, available 0), "
                "TENT-2P (asked 6, available 5); ask for less."
            ),
            "short": [
                {"sku": "MUG-ENAMEL", "requested": 3, "available": 0},
                {"sku": "TENT-2P", "requested": 6, "available": 5},
            ],
        }
        assert available(anyone) == 5

    def test_refuses_other_lines_for_the_same_order(
        self, order_service: APIClient, reservation: str
    ) -> None:
        order_service.put(reservation, {"lines": [TENT]})

        answer = order_service.put(reservation, {"lines": [TENT | {"quantity": 1}]})

        assert answer.status_code == 409
        assert "other lines (2 TENT-2P)" in answer.json()["detail"]
        assert answer.json()["short"] == []

    def test_refuses_an_order_that_was_released_first(
        self, order_service: APIClient, anyone: APIClient, reservation: str
    ) -> None:
        order_service.delete(reservation)

        answer = order_service.put(reservation, {"lines": [TENT]})

        assert answer.status_code == 409
        assert "released for good" in answer.json()["detail"]
        assert available(anyone) == 5

    @pytest.mark.parametrize("quantity", [0, -1, 10**9, 10**30, 1.5, "two", None, True, [], {}])
    def test_refuses_a_quantity_that_makes_no_sense(
        self, order_service: APIClient, reservation: str, quantity: object
    ) -> None:
        answer = order_service.put(reservation, {"lines": [TENT | {"quantity": quantity}]})

        assert answer.status_code == 400
        assert answer.json()["lines"]["0"]["quantity"]

    @pytest.mark.parametrize("sku", ["tent-2p", "", None, "TENT 2P", "A" * 33, "TENT\0", "\ud800"])
    def test_refuses_what_is_no_sku(
        self, order_service: APIClient, reservation: str, sku: object
    ) -> None:
        body = json.dumps({"lines": [TENT | {"sku": sku}]})  # escapes what UTF-8 could not carry

        answer = order_service.put(reservation, body, content_type="application/json")

        assert answer.status_code == 400
        assert answer.json()["lines"]["0"]["sku"]

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"lines": []},
            {"lines": None},
            {"lines": "TENT-2P"},
            {"lines": {"sku": "TENT-2P", "quantity": 1}},
            {"lines": ["TENT-2P"]},
            [],
            None,
            {"lines": [{"sku": f"SKU-{number}", "quantity": 1} for number in range(1000)]},
        ],
        ids=lambda body: str(body)[:30],
    )
    def test_refuses_a_body_without_honest_lines(
        self, order_service: APIClient, reservation: str, body: Any
    ) -> None:
        assert order_service.put(reservation, body).status_code == 400

    def test_refuses_the_same_sku_twice(
        self, order_service: APIClient, anyone: APIClient, reservation: str
    ) -> None:
        answer = order_service.put(reservation, {"lines": [TENT, TENT]})

        assert answer.status_code == 400
        assert answer.json()["lines"] == [
            "TENT-2P: in more than one line; add the quantities up into one."
        ]
        assert available(anyone) == 5

    def test_does_not_know_an_order_id_that_is_no_uuid(self, order_service: APIClient) -> None:
        answer = order_service.put("/api/v1/reservations/4711/", {"lines": [TENT]})

        assert answer.status_code == 404
        assert "/api/v1/reservations/4711/" in answer.json()["detail"]


class TestGet:
    def test_does_not_know_what_was_never_reserved(
        self, order_service: APIClient, reservation: str
    ) -> None:
        answer = order_service.get(reservation)

        assert answer.status_code == 404
        assert reservation.split("/")[-2] in answer.json()["detail"]


class TestDelete:
    def test_releases_however_often(
        self, order_service: APIClient, anyone: APIClient, reservation: str
    ) -> None:
        order_service.put(reservation, {"lines": [TENT]})

        answers = [order_service.delete(reservation) for _ in "ab"]

        assert [answer.status_code for answer in answers] == [200, 200]
        assert answers[0].json() == answers[1].json()
        assert answers[0].json()["state"] == "released"
        assert available(anyone) == 5

    def test_leaves_a_tombstone_for_an_unknown_order(
        self, order_service: APIClient, reservation: str
    ) -> None:
        answer = order_service.delete(reservation)

        assert answer.status_code == 200
        assert answer.json()["lines"] == []

    def test_refuses_what_is_fulfilled(self, order_service: APIClient, reservation: str) -> None:
        order_service.put(reservation, {"lines": [TENT]})
        order_service.post(f"{reservation}fulfilment/")

        answer = order_service.delete(reservation)

        assert answer.status_code == 409
        assert "goods have left" in answer.json()["detail"]


class TestFulfilment:
    def test_takes_the_goods_off_the_shelf(
        self, order_service: APIClient, cleo: APIClient, reservation: str
    ) -> None:
        order_service.put(reservation, {"lines": [TENT]})

        answers = [client.post(f"{reservation}fulfilment/") for client in (order_service, cleo)]

        assert [answer.status_code for answer in answers] == [200, 200]
        assert answers[0].json()["state"] == "fulfilled"
        assert cleo.get("/api/v1/stock/TENT-2P/").json() == {
            "sku": "TENT-2P",
            "on_hand": 3,
            "reserved": 0,
            "available": 3,
        }

    def test_does_not_know_what_was_never_reserved(
        self, order_service: APIClient, reservation: str
    ) -> None:
        answer = order_service.post(f"{reservation}fulfilment/")

        assert answer.status_code == 404
        assert "reserve its lines first" in answer.json()["detail"]

    def test_refuses_what_was_released(self, order_service: APIClient, reservation: str) -> None:
        order_service.put(reservation, {"lines": [TENT]})
        order_service.delete(reservation)

        answer = order_service.post(f"{reservation}fulfilment/")

        assert answer.status_code == 409
        assert answer.json()["short"] == []
