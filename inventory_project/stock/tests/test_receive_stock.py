"""Staff receive stock and correct it."""

from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from rest_framework.response import Response
from rest_framework.test import APIClient

from contracts.inventory import ReservationLine
from stock.models import Item, Movement
from stock.operations import reserve_stock
from stock.stores.protocol import StockStore
from stock.tests.ledgers import copy_all

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("store")]

RECEIPTS = "/api/v1/stock/TENT-2P/receipts/"
DELIVERY = {"quantity": 5, "reason": "delivery 4711"}


class TestReceipts:
    def test_make_an_item_of_a_new_sku(self, cleo: APIClient) -> None:
        answer = cleo.post(RECEIPTS, DELIVERY)

        assert answer.status_code == 201
        assert answer.json() == {"sku": "TENT-2P", "on_hand": 5, "reserved": 0, "available": 5}
        assert Item.objects.filter(sku="TENT-2P").exists()

    def test_refuse_a_new_sku_that_must_exist(self, cleo: APIClient) -> None:
        answer = cleo.post(RECEIPTS, DELIVERY | {"must_exist": True})

        assert answer.status_code == 404
        assert "'TENT-2P'" in answer.json()["detail"]
        assert not Item.objects.exists()

    def test_say_in_the_ledger_who_and_why(self, cleo: APIClient, store: StockStore) -> None:
        cleo.post(RECEIPTS, DELIVERY)

        copy_all(store)

        movement = Movement.objects.get()
        assert movement.by == "c1e00000-0000-4000-8000-000000000000"
        assert movement.reason == "delivery 4711"

    def test_correct_downwards(self, cleo: APIClient) -> None:
        cleo.post(RECEIPTS, DELIVERY)

        answer = cleo.post(RECEIPTS, {"quantity": -2, "reason": "torn"})

        assert answer.json()["on_hand"] == 3

    def test_refuse_to_correct_below_what_is_reserved(self, cleo: APIClient) -> None:
        cleo.post(RECEIPTS, DELIVERY)
        tents = (ReservationLine(sku="TENT-2P", quantity=4),)
        reserve_stock(order_id=uuid4(), lines=tents, by="order")

        answer = cleo.post(RECEIPTS, {"quantity": -2, "reason": "torn"})

        assert answer.status_code == 409
        assert answer.json()["detail"] == (
            "TENT-2P has 5 on hand, 4 of them reserved: -2 would leave fewer than are reserved. "
            "The largest correction possible is -1; release or fulfil orders first for more."
        )

    def test_refuse_to_correct_what_is_not_kept(self, cleo: APIClient) -> None:
        answer = cleo.post(RECEIPTS, {"quantity": -2, "reason": "torn"})

        assert answer.status_code == 404
        assert not Item.objects.exists()

    def test_count_once_under_one_idempotency_key(self, cleo: APIClient) -> None:
        key = str(uuid4())

        answers = [cleo.post(RECEIPTS, DELIVERY, headers={"Idempotency-Key": key}) for _ in "ab"]

        assert [answer.status_code for answer in answers] == [201, 200]
        assert answers[0].json() == answers[1].json()

    def test_refuse_another_body_under_one_idempotency_key(self, cleo: APIClient) -> None:
        key = str(uuid4())
        cleo.post(RECEIPTS, DELIVERY, headers={"Idempotency-Key": key})

        answer = cleo.post(RECEIPTS, DELIVERY | {"quantity": 6}, headers={"Idempotency-Key": key})

        assert answer.status_code == 422
        assert key in answer.json()["detail"]

    def test_refuse_an_idempotency_key_that_is_no_uuid(self, cleo: APIClient) -> None:
        answer = cleo.post(RECEIPTS, DELIVERY, headers={"Idempotency-Key": "one"})

        assert answer.status_code == 400
        assert "'one' is not a UUID" in answer.json()["Idempotency-Key"][0]

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("quantity", 0),
            ("quantity", 10**9),
            ("quantity", -(10**9)),
            ("quantity", 1.5),
            ("quantity", "many"),
            ("quantity", None),
            ("reason", ""),
            ("reason", "x" * 201),
            ("reason", "nul \0"),
            ("must_exist", "perhaps"),
        ],
    )
    def test_refuse_what_makes_no_sense(self, cleo: APIClient, field: str, value: object) -> None:
        answer = cleo.post(RECEIPTS, DELIVERY | {field: value})

        assert answer.status_code == 400
        assert list(answer.json()) == [field]

    def test_refuse_what_is_no_sku(self, cleo: APIClient) -> None:
        answer = cleo.post("/api/v1/stock/tent-2p/receipts/", DELIVERY)

        assert answer.status_code == 400
        assert "TENT-2P" in answer.json()["sku"][0]
        assert not Item.objects.exists()


class TestBrowsableReceipts:
    def test_come_from_the_form_that_the_page_shows(
        self, anyone: APIClient, admin_user: User
    ) -> None:
        anyone.force_login(admin_user)
        page = anyone.get(RECEIPTS, HTTP_ACCEPT="text/html")

        answer: Any = anyone.post(RECEIPTS, DELIVERY, format="multipart")

        assert 'name="quantity"' in page.text
        assert isinstance(answer, Response)
        assert answer.status_code == 201
