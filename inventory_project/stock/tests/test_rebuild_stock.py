"""A store that lost its data says so, and is filled again from the ledger."""

from collections.abc import Iterator
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from rest_framework.test import APIClient

from contracts.inventory import ReservationLine, StockLevel
from stock.ledger import Entry, Kind
from stock.models import Movement, Reservation, stock_level
from stock.operations import rebuild_stock
from stock.stores import stock_store
from stock.stores.protocol import (
    BelowReserved,
    GoodsMissing,
    OutOfStock,
    ReservationReleased,
    StockLost,
    StockStore,
)
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

    def test_takes_along_what_a_redis_has_yet_to_tell_the_ledger(
        self, store: StockStore, valkey_url: str, settings: Any
    ) -> None:
        levels = store.levels(skus=["TENT-2P"])
        before, settings.STOCK_URL = settings.STOCK_URL, "" if settings.STOCK_URL else valkey_url

        run(*(["--from", before] if before else ["--replace"]))

        assert stock_store().levels(skus=["TENT-2P"]) == levels
        if isinstance(store, RedisStore):
            assert not store.is_open(), "nobody is to find the old levels there"
        elif isinstance(other := stock_store(), RedisStore):
            lose_everything(other)


@pytest.fixture
def promised_twice(store: StockStore) -> None:
    """As a failover leaves it that lost a reservation of which the ledger knows."""
    copy_all(store)
    tents = (ReservationLine(sku="TENT-2P", quantity=4),)
    entry = Entry(kind=Kind.RESERVED, lines=tents, by="order", order_id=uuid4())
    Movement.objects.record(entry)
    Reservation.objects.follow([entry])


@pytest.mark.usefixtures("promised_twice")
class TestMorePromisedThanThereIs:
    @pytest.mark.parametrize("store", ["redis"], indirect=True)
    def test_is_told_and_sold_no_more_until_it_is_received(self, store: RedisStore) -> None:
        told = StringIO()

        call_command("rebuild_stock", "--replace", stdout=StringIO(), stderr=told)

        assert "More is promised than there is of TENT-2P (6 of 5)" in told.getvalue()
        assert store.levels(skus=["TENT-2P"])["TENT-2P"].available == -1
        with pytest.raises(OutOfStock):
            store.reserve(order_id=uuid4(), lines=TENTS, by="order")
        receipt: dict[str, Any] = {"sku": "TENT-2P", "reason": "found", "by": "cleo"}
        with pytest.raises(BelowReserved):
            store.receive(**receipt, quantity=-1, receipt_id=uuid4())
        level, _ = store.receive(**receipt, quantity=1, receipt_id=uuid4())
        assert level.available == 0

    @pytest.mark.parametrize("store", ["sql"], indirect=True)
    def test_is_refused_where_levels_are_constrained(self, store: StockStore) -> None:
        with pytest.raises(CommandError, match=r"as they were.*TENT-2P \(6 of 5\)"):
            run("--replace")

        assert store.levels(skus=["TENT-2P"])["TENT-2P"].reserved == 2

    @pytest.mark.parametrize("store", ["redis"], indirect=True)
    def test_sends_whoever_moves_back_to_the_redis_that_can_hold_it(
        self, store: RedisStore, settings: Any
    ) -> None:
        before, settings.STOCK_URL = settings.STOCK_URL, ""
        with pytest.raises(CommandError, match="The Redis is closed: rebuild_stock with it in"):
            run("--from", before)
        assert not store.is_open()

        settings.STOCK_URL = before
        run()

        assert store.levels(skus=["TENT-2P"])["TENT-2P"].available == -1

    @pytest.mark.parametrize("store", ["redis"], indirect=True)
    def test_is_not_fulfilled_before_it_is_there(self, store: RedisStore) -> None:
        run("--replace")
        first, second = Reservation.objects.order_by("created_at")
        store.fulfil(order_id=first.order_id, by="cleo")

        with pytest.raises(GoodsMissing, match=r"TENT-2P \(asked 4, on hand 3\); receive it first"):
            store.fulfil(order_id=second.order_id, by="cleo")

        assert store.levels(skus=["TENT-2P"])["TENT-2P"].on_hand == 3


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

    def test_keeps_no_part_of_a_rebuild_that_broke_off(self, store: RedisStore) -> None:
        def levels() -> Iterator[StockLevel]:
            for number in range(1500):
                yield stock_level(f"SKU-{number}", 1, 0)
            assert len(store.client.keys(f"{store.prefix}on_hand:*")) == 1
            raise InterruptedError

        before = set(store.client.keys(f"{store.prefix}*"))
        with pytest.raises(InterruptedError):
            store.restore(levels=levels(), reservations=[], receipts=[])

        assert set(store.client.keys(f"{store.prefix}*")) == before

    def test_holds_for_good_what_was_staged_for_an_hour(self, store: RedisStore) -> None:
        copy_all(store)
        run("--replace")

        assert {store.client.ttl(key) for key in store.client.keys(f"{store.prefix}*")} == {-1}


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
