"""A store that lost its data says so, and is filled again from the ledger."""

from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from rest_framework.test import APIClient

from contracts.inventory import ReservationLine
from stock.operations import rebuild_stock
from stock.stores import stock_store
from stock.stores.protocol import ReservationReleased, StockLost, StockStore
from stock.stores.redis import RedisStore
from stock.tests.ledgers import copy_all, lose_everything

pytestmark = pytest.mark.django_db

TENTS = (ReservationLine(sku="TENT-2P", quantity=2),)
RECEIPT_ID = uuid4()


@pytest.fixture(autouse=True)
def _five_tents_two_reserved(store: StockStore) -> None:
    store.receive(sku="TENT-2P", quantity=5, reason="delivery", by="cleo", receipt_id=RECEIPT_ID)
    store.reserve(order_id=uuid4(), lines=TENTS, by="order")


def run(*arguments: str) -> str:
    output = StringIO()
    call_command("rebuild_stock", *arguments, stdout=output)
    return output.getvalue()


class TestRebuildStock:
    def test_restores_levels_reservations_tombstones_and_receipts(self, store: StockStore) -> None:
        fulfilled, released = uuid4(), uuid4()
        store.reserve(order_id=fulfilled, lines=TENTS, by="order")
        store.fulfil(order_id=fulfilled, by="cleo")
        store.release(order_id=released, by="order")
        levels = store.levels(skus=["TENT-2P"])
        copy_all(store)
        lose_everything(store)

        run("--replace")

        assert store.levels(skus=["TENT-2P"]) == levels
        assert store.fulfil(order_id=fulfilled, by="cleo").state == "fulfilled"
        with pytest.raises(ReservationReleased):
            store.reserve(order_id=released, lines=TENTS, by="order")
        receipt = {"sku": "TENT-2P", "quantity": 5, "reason": "delivery", "by": "cleo"}
        assert store.receive(**receipt, receipt_id=RECEIPT_ID)[1] is False  # type: ignore[arg-type]

    def test_counts_what_the_ledger_had_not_yet_copied(self, store: StockStore) -> None:
        levels = store.levels(skus=["TENT-2P"])

        run("--replace")

        assert store.levels(skus=["TENT-2P"]) == levels

    def test_leaves_a_complete_store_alone(self, store: StockStore) -> None:
        assert "is complete" in run()

    def test_moves_stock_to_another_store(
        self, store: StockStore, valkey_url: str, settings: Any
    ) -> None:
        copy_all(store)
        levels = store.levels(skus=["TENT-2P"])
        settings.STOCK_URL = "" if settings.STOCK_URL else valkey_url

        run("--replace")

        other = stock_store()
        assert type(other) is not type(store)
        assert other.levels(skus=["TENT-2P"]) == levels
        if isinstance(other, RedisStore):
            lose_everything(other)


@pytest.mark.parametrize("store", ["redis"], indirect=True)
class TestRedisThatLostItsData:
    def test_refuses_to_answer_zero(self, store: RedisStore, anyone: APIClient) -> None:
        lose_everything(store)

        answer = anyone.get("/api/v1/stock/")

        assert answer.status_code == 503
        assert "manage.py rebuild_stock" in answer.json()["detail"]

    def test_refuses_every_operation(self, store: RedisStore) -> None:
        lose_everything(store)
        order_id = uuid4()

        for operation in (
            lambda: store.levels(skus=["TENT-2P"]),
            lambda: store.reservation(order_id=order_id),
            lambda: store.reserve(order_id=order_id, lines=TENTS, by="order"),
            lambda: store.release(order_id=order_id, by="order"),
            lambda: store.fulfil(order_id=order_id, by="cleo"),
            lambda: store.receive(
                sku="TENT-2P", quantity=1, reason="delivery", by="cleo", receipt_id=uuid4()
            ),
        ):
            with pytest.raises(StockLost):
                operation()

        assert store.client.keys(f"{store.prefix}*") == []

    def test_serves_again_once_it_is_rebuilt(self, store: RedisStore, anyone: APIClient) -> None:
        copy_all(store)
        lose_everything(store)

        assert "says what the ledger says" in run()

        answer = anyone.get("/api/v1/stock/", {"sku": "TENT-2P"})
        assert answer.status_code == 200
        assert store.levels(skus=["TENT-2P"])["TENT-2P"].available == 3

    def test_is_rebuilt_by_one_of_two_rebuilds(self, store: RedisStore) -> None:
        copy_all(store)
        rebuild_stock()
        store.receive(sku="TENT-2P", quantity=1, reason="found", by="cleo", receipt_id=uuid4())

        store.restore(levels=[], reservations=[], receipts=[])  # by one who came late

        assert store.levels(skus=["TENT-2P"])["TENT-2P"].on_hand == 6
        assert len(store.client.keys(f"{store.prefix}*")) == 6  # nothing staged is left behind


class TestRedisThatIsAway:
    def test_is_told_apart_from_empty_shelves(
        self, order_service: APIClient, settings: Any
    ) -> None:
        settings.STOCK_URL = "redis://:secret@127.0.0.1:1"

        answer = order_service.delete(f"/api/v1/reservations/{uuid4()}/")

        assert answer.status_code == 503
        assert answer.json() == {
            "detail": "The stock store cannot be reached; repeat the request in a moment."
        }

    def test_is_not_rebuilt(self, settings: Any) -> None:
        settings.STOCK_URL = "redis://127.0.0.1:1"

        with pytest.raises(CommandError, match="cannot be reached"):
            run()
