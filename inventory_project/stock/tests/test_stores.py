"""What every stock store promises, kept by both: the conformance suite."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection
from pytest_django import DjangoAssertNumQueries

from contracts.inventory import Reservation, ReservationLine, Shortage, StockLevel
from stock.ledger import Kind
from stock.models import Movement
from stock.stores import protocol
from stock.stores.protocol import StockStore
from stock.stores.redis import RedisStore
from stock.tests.ledgers import copy_all

pytestmark = pytest.mark.django_db

TENT, MUG = "TENT-2P", "MUG-ENAMEL"


def lines(**quantities: int) -> tuple[ReservationLine, ...]:
    """`lines(TENT=1)`: in the order they are written."""
    skus = {"TENT": TENT, "MUG": MUG, "UNKNOWN": "UNKNOWN"}
    return tuple(
        ReservationLine(sku=skus[name], quantity=quantity) for name, quantity in quantities.items()
    )


def receive(store: StockStore, sku: str, quantity: int, receipt_id: UUID | None = None) -> None:
    store.receive(
        sku=sku, quantity=quantity, reason="delivery", by="cleo", receipt_id=receipt_id or uuid4()
    )


def level(store: StockStore, sku: str) -> tuple[int, int, int]:
    found = store.levels(skus=[sku])[sku]
    return found.on_hand, found.reserved, found.available


class TestLevels:
    def test_are_zero_for_what_never_moved(self, store: StockStore) -> None:
        receive(store, TENT, 3)

        levels = store.levels(skus=[TENT, MUG])

        assert levels == {
            TENT: StockLevel(sku=TENT, on_hand=3, reserved=0, available=3),
            MUG: StockLevel(sku=MUG, on_hand=0, reserved=0, available=0),
        }

    def test_of_nothing_are_nothing(self, store: StockStore) -> None:
        assert store.levels(skus=[]) == {}


class TestReceive:
    def test_adds_to_what_is_on_hand(self, store: StockStore) -> None:
        receive(store, TENT, 3)

        answer = store.receive(
            sku=TENT, quantity=2, reason="delivery", by="cleo", receipt_id=uuid4()
        )

        assert answer == (StockLevel(sku=TENT, on_hand=5, reserved=0, available=5), True)

    def test_corrects_down_to_what_is_reserved(self, store: StockStore) -> None:
        receive(store, TENT, 5)
        store.reserve(order_id=uuid4(), lines=lines(TENT=2), by="order")

        receive(store, TENT, -3)

        assert level(store, TENT) == (2, 2, 0)

    def test_refuses_to_correct_below_what_is_reserved(self, store: StockStore) -> None:
        receive(store, TENT, 5)
        store.reserve(order_id=uuid4(), lines=lines(TENT=2), by="order")

        with pytest.raises(protocol.BelowReserved) as refusal:
            receive(store, TENT, -4)

        assert "5 on hand, 2 of them reserved" in str(refusal.value)
        assert "largest correction possible is -3" in str(refusal.value)
        assert level(store, TENT) == (5, 2, 3)

    def test_refuses_to_correct_what_never_came(self, store: StockStore) -> None:
        with pytest.raises(protocol.BelowReserved):
            receive(store, TENT, -1)

        assert level(store, TENT) == (0, 0, 0)

    def test_counts_a_repeated_receipt_once(self, store: StockStore) -> None:
        receipt_id = uuid4()
        receive(store, TENT, 3, receipt_id)

        answer, is_new = store.receive(
            sku=TENT, quantity=3, reason="delivery", by="cleo", receipt_id=receipt_id
        )

        assert (answer.on_hand, is_new) == (3, False)

    @pytest.mark.parametrize(
        "other", [{"sku": MUG}, {"quantity": 4}, {"reason": "found"}], ids=lambda other: str(other)
    )
    def test_refuses_another_receipt_under_the_same_id(
        self, store: StockStore, other: dict[str, object]
    ) -> None:
        first = {"sku": TENT, "quantity": 3, "reason": "delivery"}
        once = {"by": "cleo", "receipt_id": uuid4()}
        store.receive(**first, **once)  # type: ignore[arg-type]

        with pytest.raises(protocol.ReceiptDiffers):
            store.receive(**(first | other), **once)  # type: ignore[arg-type]

        assert (level(store, TENT), level(store, MUG)) == ((3, 0, 3), (0, 0, 0))


class TestReserve:
    def test_holds_every_line(self, store: StockStore) -> None:
        receive(store, TENT, 3)
        receive(store, MUG, 9)
        order_id = uuid4()

        answer = store.reserve(order_id=order_id, lines=lines(TENT=1, MUG=2), by="order")

        held = Reservation(order_id=str(order_id), state="reserved", lines=lines(MUG=2, TENT=1))
        assert answer == (held, True)
        assert store.reservation(order_id=order_id) == held
        assert (level(store, TENT), level(store, MUG)) == ((3, 1, 2), (9, 2, 7))

    def test_gives_the_same_reservation_for_the_same_lines(self, store: StockStore) -> None:
        receive(store, TENT, 3)
        receive(store, MUG, 9)
        order_id = uuid4()
        first, _ = store.reserve(order_id=order_id, lines=lines(TENT=1, MUG=2), by="order")

        again = store.reserve(order_id=order_id, lines=lines(MUG=2, TENT=1), by="order")

        assert again == (first, False)
        assert level(store, TENT) == (3, 1, 2)

    def test_refuses_other_lines_for_the_same_order(self, store: StockStore) -> None:
        receive(store, TENT, 3)
        order_id = uuid4()
        store.reserve(order_id=order_id, lines=lines(TENT=1), by="order")

        with pytest.raises(protocol.ReservationDiffers) as refusal:
            store.reserve(order_id=order_id, lines=lines(TENT=2), by="order")

        assert "1 TENT-2P" in refusal.value.refusal.detail
        assert level(store, TENT) == (3, 1, 2)

    def test_names_every_line_that_is_short_and_holds_none(self, store: StockStore) -> None:
        receive(store, TENT, 3)
        receive(store, MUG, 9)

        with pytest.raises(protocol.OutOfStock) as refusal:
            store.reserve(order_id=uuid4(), lines=lines(TENT=4, MUG=9, UNKNOWN=1), by="order")

        assert refusal.value.refusal.short == (
            Shortage(sku=TENT, requested=4, available=3),
            Shortage(sku="UNKNOWN", requested=1, available=0),
        )
        assert level(store, MUG) == (9, 0, 9)

    def test_leaves_no_trace_where_a_later_line_is_short(self, store: StockStore) -> None:
        receive(store, MUG, 9)
        order_id = uuid4()

        with pytest.raises(protocol.OutOfStock):
            store.reserve(order_id=order_id, lines=lines(MUG=2, TENT=1), by="order")

        copy_all(store)
        assert level(store, MUG) == (9, 0, 9)
        assert store.reservation(order_id=order_id) is None
        assert not Movement.objects.filter(order_id=order_id).exists()

    def test_holds_after_having_been_short(self, store: StockStore) -> None:
        order_id = uuid4()
        with pytest.raises(protocol.OutOfStock):
            store.reserve(order_id=order_id, lines=lines(TENT=1), by="order")
        receive(store, TENT, 1)

        _, is_new = store.reserve(order_id=order_id, lines=lines(TENT=1), by="order")

        assert is_new

    def test_answers_with_what_was_fulfilled(self, store: StockStore) -> None:
        receive(store, TENT, 3)
        order_id = uuid4()
        store.reserve(order_id=order_id, lines=lines(TENT=1), by="order")
        fulfilled = store.fulfil(order_id=order_id, by="cleo")

        again = store.reserve(order_id=order_id, lines=lines(TENT=1), by="order")

        assert again == (fulfilled, False)


class TestRelease:
    def test_gives_back_once(self, store: StockStore) -> None:
        receive(store, TENT, 3)
        order_id = uuid4()
        store.reserve(order_id=order_id, lines=lines(TENT=2), by="order")

        first = store.release(order_id=order_id, by="order")
        again = store.release(order_id=order_id, by="order")

        assert first == again
        assert first.state == "released"
        assert first.lines == lines(TENT=2)
        assert level(store, TENT) == (3, 0, 3)

    def test_refuses_the_reservation_that_it_overtook(self, store: StockStore) -> None:
        receive(store, TENT, 3)
        order_id = uuid4()

        tombstone = store.release(order_id=order_id, by="order")

        assert tombstone == Reservation(order_id=str(order_id), state="released", lines=())
        with pytest.raises(protocol.ReservationReleased):
            store.reserve(order_id=order_id, lines=lines(TENT=2), by="order")
        assert store.release(order_id=order_id, by="order") == tombstone
        assert level(store, TENT) == (3, 0, 3)

    def test_refuses_its_order_for_good(self, store: StockStore) -> None:
        receive(store, TENT, 3)
        order_id = uuid4()
        store.reserve(order_id=order_id, lines=lines(TENT=2), by="order")
        store.release(order_id=order_id, by="order")

        with pytest.raises(protocol.ReservationReleased):
            store.reserve(order_id=order_id, lines=lines(TENT=2), by="order")
        with pytest.raises(protocol.ReservationReleased):
            store.fulfil(order_id=order_id, by="cleo")

        assert level(store, TENT) == (3, 0, 3)

    def test_is_refused_once_the_goods_have_left(self, store: StockStore) -> None:
        receive(store, TENT, 3)
        order_id = uuid4()
        store.reserve(order_id=order_id, lines=lines(TENT=2), by="order")
        store.fulfil(order_id=order_id, by="cleo")

        with pytest.raises(protocol.ReservationFulfilled):
            store.release(order_id=order_id, by="order")

        assert level(store, TENT) == (1, 0, 1)


class TestFulfil:
    def test_takes_the_goods_off_the_shelf_once(self, store: StockStore) -> None:
        receive(store, TENT, 3)
        order_id = uuid4()
        store.reserve(order_id=order_id, lines=lines(TENT=2), by="order")

        first = store.fulfil(order_id=order_id, by="cleo")
        again = store.fulfil(order_id=order_id, by="cleo")

        assert first == again
        assert first.state == "fulfilled"
        assert level(store, TENT) == (1, 0, 1)

    def test_refuses_what_nobody_reserved(self, store: StockStore) -> None:
        order_id = uuid4()

        with pytest.raises(protocol.ReservationUnknown):
            store.fulfil(order_id=order_id, by="cleo")

        assert store.reservation(order_id=order_id) is None


class TestLedger:
    def test_has_a_row_for_each_line_moved(self, store: StockStore) -> None:
        receive(store, MUG, 9)
        receive(store, TENT, 3)
        order_id = uuid4()
        store.reserve(order_id=order_id, lines=lines(TENT=1, MUG=2), by="order")
        store.fulfil(order_id=order_id, by="cleo")
        store.release(order_id=uuid4(), by="order")

        copy_all(store)

        deltas = ("kind", "sku", "on_hand_delta", "reserved_delta", "order_id", "reason", "by")
        assert list(Movement.objects.order_by("pk").values_list(*deltas)) == [
            (Kind.RECEIVED, MUG, 9, 0, None, "delivery", "cleo"),
            (Kind.RECEIVED, TENT, 3, 0, None, "delivery", "cleo"),
            (Kind.RESERVED, MUG, 0, 2, order_id, "", "order"),
            (Kind.RESERVED, TENT, 0, 1, order_id, "", "order"),
            (Kind.FULFILLED, MUG, -2, -2, order_id, "", "cleo"),
            (Kind.FULFILLED, TENT, -1, -1, order_id, "", "cleo"),
        ]

    def test_has_nothing_of_what_was_refused(self, store: StockStore) -> None:
        with pytest.raises(protocol.OutOfStock):
            store.reserve(order_id=uuid4(), lines=lines(TENT=1), by="order")
        with pytest.raises(protocol.BelowReserved):
            receive(store, TENT, -1)

        copy_all(store)

        assert not Movement.objects.exists()


@pytest.mark.parametrize("store", ["sql"], indirect=True)
class TestCostInSql:
    """Statements, without the two of the savepoint that a test's transaction makes of a commit."""

    def test_of_a_reservation_is_two_inserts_and_an_update_a_line_or_one_call(
        self, store: StockStore, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        receive(store, TENT, 3)
        receive(store, MUG, 9)

        with django_assert_num_queries(1 if connection.vendor == "postgresql" else 2 + 2 + 2):
            store.reserve(order_id=uuid4(), lines=lines(TENT=1, MUG=1), by="order")

    @pytest.mark.parametrize("end", ["fulfil", "release"])
    def test_of_its_end_is_a_read_two_writes_and_an_update_a_line(
        self, store: StockStore, django_assert_num_queries: DjangoAssertNumQueries, end: str
    ) -> None:
        receive(store, TENT, 3)
        order_id = uuid4()
        store.reserve(order_id=order_id, lines=lines(TENT=1), by="order")

        with django_assert_num_queries(2 + 3 + 1):
            getattr(store, end)(order_id=order_id, by="cleo")

    @pytest.mark.parametrize("number", [1, 100])
    def test_of_levels_is_one_statement_however_many(
        self, store: StockStore, django_assert_num_queries: DjangoAssertNumQueries, number: int
    ) -> None:
        with django_assert_num_queries(1):
            store.levels(skus=[f"SKU-{n}" for n in range(number)])


@pytest.mark.parametrize("store", ["redis"], indirect=True)
class TestCostInRedis:
    def test_of_each_operation_is_one_script(self, store: RedisStore) -> None:
        def scripts_run() -> int:
            stats: Any = store.client.info("commandstats")
            return int(stats["cmdstat_evalsha"]["calls"])

        receive(store, TENT, 3)
        order_id = uuid4()
        store.reserve(order_id=order_id, lines=lines(TENT=1), by="order")
        store.release(order_id=order_id, by="order")
        level(store, TENT)  # by now the server knows each script
        before = scripts_run()

        level(store, TENT)
        receive(store, TENT, 3)
        order_id = uuid4()
        store.reserve(order_id=order_id, lines=lines(TENT=1), by="order")
        store.release(order_id=order_id, by="order")

        assert scripts_run() - before == 4
