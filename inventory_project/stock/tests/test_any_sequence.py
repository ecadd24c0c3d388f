"""Any sequence of operations leaves a store like a small model of it, and its ledger in balance."""

from collections import Counter
from collections.abc import Callable
from typing import Any, ClassVar
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)
from rest_framework.exceptions import APIException

from contracts.inventory import Reservation, ReservationLine, Shortage
from stock.models import Movement, stock_level
from stock.operations import rebuild_stock
from stock.stores import protocol
from stock.stores.protocol import StockStore
from stock.tests.ledgers import copy_all, lose_everything, start_over

SKUS = ("BAG", "MUG", "TENT")
Lines = tuple[ReservationLine, ...]
skus = st.sampled_from(SKUS)
orders = st.integers(1, 4).map(lambda number: UUID(int=number))
receipts = st.integers(1, 6).map(lambda number: UUID(int=number << 64))
some_lines = st.dictionaries(skus, st.integers(1, 5), min_size=1).map(
    lambda wanted: tuple(ReservationLine(sku=sku, quantity=n) for sku, n in wanted.items())
)


class Model:
    """Stock for one caller at a time; each method gives the answer, or the refusal, to expect."""

    def __init__(self) -> None:
        self.on_hand: Counter[str] = Counter()
        self.reserved: Counter[str] = Counter()
        self.orders: dict[UUID, Reservation] = {}
        self.receipts: dict[UUID, tuple[str, int]] = {}

    def available(self, sku: str) -> int:
        return self.on_hand[sku] - self.reserved[sku]

    def receive(self, sku: str, quantity: int, receipt_id: UUID) -> object:
        is_new = receipt_id not in self.receipts
        if is_new and self.available(sku) + quantity < 0:
            return protocol.BelowReserved
        if self.receipts.setdefault(receipt_id, (sku, quantity)) != (sku, quantity):
            return protocol.ReceiptDiffers
        self.on_hand[sku] += quantity * is_new
        return stock_level(sku, self.on_hand[sku], self.reserved[sku]), is_new

    def reserve(self, order_id: UUID, lines: Lines) -> object:
        lines = tuple(sorted(lines, key=lambda line: line.sku))
        if known := self.orders.get(order_id):
            if known.state == "released":
                return protocol.ReservationReleased
            return (known, False) if known.lines == lines else protocol.ReservationDiffers
        short = tuple(
            Shortage(sku=line.sku, requested=line.quantity, available=self.available(line.sku))
            for line in lines
            if self.available(line.sku) < line.quantity
        )
        if short:
            return short
        self.reserved.update({line.sku: line.quantity for line in lines})
        self.orders[order_id] = Reservation(order_id=str(order_id), state="reserved", lines=lines)
        return self.orders[order_id], True

    def release(self, order_id: UUID) -> object:
        known = self.orders.get(order_id)
        if known and known.state == "fulfilled":
            return protocol.ReservationFulfilled
        lines = known.lines if known else ()
        if known and known.state == "reserved":
            self.reserved.subtract({line.sku: line.quantity for line in lines})
        self.orders[order_id] = Reservation(order_id=str(order_id), state="released", lines=lines)
        return self.orders[order_id]

    def fulfil(self, order_id: UUID) -> object:
        known = self.orders.get(order_id)
        if known is None:
            return protocol.ReservationUnknown
        if known.state == "released":
            return protocol.ReservationReleased
        if known.state == "reserved":
            self.on_hand.subtract({line.sku: line.quantity for line in known.lines})
            self.reserved.subtract({line.sku: line.quantity for line in known.lines})
        self.orders[order_id] = Reservation(
            order_id=str(order_id), state="fulfilled", lines=known.lines
        )
        return self.orders[order_id]


def answer_or_refusal(call: Callable[..., object], **arguments: Any) -> object:
    try:
        return call(**arguments)
    except protocol.OutOfStock as refusal:
        return refusal.refusal.short
    except APIException as refusal:
        return type(refusal)


class StockMachine(RuleBasedStateMachine):
    store: ClassVar[StockStore]

    def __init__(self) -> None:
        super().__init__()
        start_over(self.store)
        self.model = Model()

    @rule(sku=skus, quantity=st.integers(-4, 9).filter(bool), receipt_id=receipts)
    def receive(self, sku: str, quantity: int, receipt_id: UUID) -> None:
        assert answer_or_refusal(
            self.store.receive,
            sku=sku,
            quantity=quantity,
            receipt_id=receipt_id,
            reason="any",
            by="cleo",
        ) == self.model.receive(sku, quantity, receipt_id)

    @rule(order_id=orders, lines=some_lines)
    def reserve(self, order_id: UUID, lines: Lines) -> None:
        assert answer_or_refusal(
            self.store.reserve, order_id=order_id, lines=lines, by="order"
        ) == self.model.reserve(order_id, lines)

    @rule(order_id=orders)
    def release(self, order_id: UUID) -> None:
        assert answer_or_refusal(
            self.store.release, order_id=order_id, by="order"
        ) == self.model.release(order_id)

    @rule(order_id=orders)
    def fulfil(self, order_id: UUID) -> None:
        assert answer_or_refusal(
            self.store.fulfil, order_id=order_id, by="cleo"
        ) == self.model.fulfil(order_id)

    @rule()
    def lose_all_but_the_ledger(self) -> None:
        copy_all(self.store)
        lose_everything(self.store)
        rebuild_stock()

    @invariant()
    def has_the_levels_of_the_model(self) -> None:
        levels = self.store.levels(skus=SKUS)
        for sku, level in levels.items():
            assert level == stock_level(sku, self.model.on_hand[sku], self.model.reserved[sku])
            assert level.on_hand >= level.reserved >= 0

    @invariant()
    def has_the_reservations_of_the_model(self) -> None:
        for order_id, reservation in self.model.orders.items():
            assert self.store.reservation(order_id=order_id) == reservation

    @invariant()
    def has_a_ledger_whose_sums_are_the_levels(self) -> None:
        copy_all(self.store)
        sums = {level.sku: level for level in Movement.objects.levels()}
        assert {sku: sums.get(sku) or stock_level(sku) for sku in SKUS} == self.store.levels(
            skus=SKUS
        )


@pytest.mark.django_db
class TestAnySequence:
    def test_leaves_the_store_like_the_model(self, store: StockStore) -> None:
        machine = type("Machine", (StockMachine,), {"store": store})

        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=25,
                stateful_step_count=20,
                deadline=None,  # machines differ
                suppress_health_check=[HealthCheck.too_slow],
            ),
        )
