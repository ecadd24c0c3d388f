"""Many clients at once: nothing is oversold, nothing is done twice, and nobody waits for ever."""

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from random import Random
from threading import Barrier
from typing import TypeVar
from uuid import uuid4

import pytest
from django.db import connection

from contracts.inventory import ReservationLine
from stock.ledger import by_sku
from stock.models import Movement
from stock.operations import copy_ledger
from stock.stores.protocol import (
    OutOfStock,
    ReservationFulfilled,
    ReservationRefused,
    ReservationReleased,
    ReservationUnknown,
    StockStore,
)
from stock.stores.redis import RedisStore
from stock.tests.ledgers import copy_all

pytestmark = pytest.mark.django_db(transaction=True)

CLIENTS = 16
Answer = TypeVar("Answer")
SKUS = ("BAG", "LAMP", "MUG", "TENT")


def at_once(calls: Sequence[Callable[[], Answer]]) -> Counter[Answer]:
    """Makes each call in a thread of its own, all at the same moment; counts their answers."""
    start = Barrier(len(calls))

    def client(call: Callable[[], Answer]) -> Answer:
        try:
            start.wait(timeout=10)
            return call()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as threads:
        return Counter(threads.map(client, calls))


def receive(store: StockStore, sku: str, quantity: int) -> None:
    store.receive(sku=sku, quantity=quantity, reason="delivery", by="cleo", receipt_id=uuid4())


def one(sku: str) -> tuple[ReservationLine, ...]:
    return (ReservationLine(sku=sku, quantity=1),)


class TestManyClients:
    def test_reserve_exactly_the_last_fifty(self, store: StockStore) -> None:
        receive(store, "TENT", 50)

        def order_five() -> int:
            reserved = 0
            for _ in range(5):
                with suppress(OutOfStock):
                    store.reserve(order_id=uuid4(), lines=one("TENT"), by="order")
                    reserved += 1
            return reserved

        reserved = at_once([order_five] * CLIENTS)

        assert sum(number * clients for number, clients in reserved.items()) == 50
        assert (store.levels(skus=["TENT"])["TENT"].reserved) == 50

    def test_do_not_lock_each_other_out_over_several_lines(self, store: StockStore) -> None:
        for sku in SKUS:
            receive(store, sku, 30)

        def order_in_any_order(seed: int) -> int:
            random, units = Random(seed), 0  # noqa: S311  # not a secret
            for _ in range(6):
                skus = random.sample(SKUS, 3)
                order_id = uuid4()
                lines = tuple(ReservationLine(sku=sku, quantity=1) for sku in skus)
                try:
                    store.reserve(order_id=order_id, lines=lines, by="order")
                except OutOfStock:
                    continue
                if random.random() < 0.5:
                    store.release(order_id=order_id, by="order")
                else:
                    units += 3
            return units

        kept = at_once([partial(order_in_any_order, seed) for seed in range(CLIENTS)])

        levels = store.levels(skus=SKUS)
        copy_all(store)
        assert sum(n * clients for n, clients in kept.items()) == sum(
            level.reserved for level in levels.values()
        )
        assert Movement.objects.levels() == list(levels.values())

    def test_who_repeat_one_order_reserve_it_once(self, store: StockStore) -> None:
        receive(store, "TENT", 50)
        order_id = uuid4()

        answers = at_once(
            [lambda: store.reserve(order_id=order_id, lines=one("TENT"), by="order")[1]] * CLIENTS
        )

        assert answers == {True: 1, False: CLIENTS - 1}
        assert store.levels(skus=["TENT"])["TENT"].reserved == 1

    def test_who_repeat_one_order_that_is_short_are_all_refused(self, store: StockStore) -> None:
        order_id = uuid4()

        def reserve() -> object:
            with pytest.raises(OutOfStock):
                store.reserve(order_id=order_id, lines=one("TENT"), by="order")
            return "short"

        assert at_once([reserve] * CLIENTS) == {"short": CLIENTS}

    def test_who_repeat_one_receipt_are_counted_once(self, store: StockStore) -> None:
        receipt_id = uuid4()

        answers = at_once(
            [
                lambda: store.receive(
                    sku="TENT", quantity=5, reason="delivery", by="cleo", receipt_id=receipt_id
                )[1]
            ]
            * CLIENTS
        )

        assert answers == {True: 1, False: CLIENTS - 1}
        assert store.levels(skus=["TENT"])["TENT"].on_hand == 5

    def test_who_receive_a_new_sku_all_count(self, store: StockStore) -> None:
        at_once([lambda: receive(store, "TENT", 5)] * CLIENTS)

        assert store.levels(skus=["TENT"])["TENT"].on_hand == 5 * CLIENTS

    def test_who_reserve_release_and_fulfil_one_order_agree_on_its_end(
        self, store: StockStore
    ) -> None:
        receive(store, "TENT", 50)
        orders = [uuid4() for _ in range(8)]

        def each(act: Callable[..., object], **arguments: object) -> object:
            for order_id in orders:
                try:
                    act(order_id=order_id, by="order", **arguments)
                except (ReservationReleased, ReservationFulfilled, ReservationUnknown):
                    continue
            return None

        at_once(
            [
                lambda: each(store.reserve, lines=one("TENT")),
                lambda: each(store.release),
                lambda: each(store.fulfil),
            ]
            * 3
        )

        found = [store.reservation(order_id=order_id) for order_id in orders]
        ends = Counter(reservation.state for reservation in found if reservation)
        level = store.levels(skus=["TENT"])["TENT"]
        copy_all(store)
        assert level.on_hand == 50 - ends["fulfilled"]
        assert level.reserved == ends["reserved"] == 0
        assert Movement.objects.levels() == [level]

    @pytest.mark.parametrize("seed", range(3))
    def test_who_do_anything_to_orders_of_several_lines_leave_all_of_each_or_none(
        self, store: StockStore, seed: int
    ) -> None:
        """Reserve, release and fulfil come in any order, release before reserve among them."""
        for sku in SKUS:
            receive(store, sku, 20)
        random = Random(seed)  # noqa: S311  # not a secret
        orders = {
            uuid4(): tuple(
                ReservationLine(sku=sku, quantity=random.randint(1, 3))
                for sku in random.sample(SKUS, random.randint(1, len(SKUS)))
            )
            for _ in range(12)
        }
        acts = [(act, order_id) for order_id in orders for act in ("reserve", "release", "fulfil")]

        def act_on_all(seed: float) -> object:
            for act, order_id in Random(seed).sample(acts, len(acts)):  # noqa: S311
                lines = {"lines": orders[order_id]} if act == "reserve" else {}
                with suppress(ReservationRefused, ReservationUnknown):
                    getattr(store, act)(order_id=order_id, by="order", **lines)
            return None

        at_once([partial(act_on_all, random.random()) for _ in range(6)])

        levels = store.levels(skus=SKUS)
        held, left = Counter[str](), Counter[str]()
        for order_id, lines in orders.items():
            reservation = store.reservation(order_id=order_id)
            assert reservation is not None  # each was released at least, perhaps as a tombstone
            assert reservation.lines in (by_sku(lines), ())
            counted = {"reserved": held, "fulfilled": left}.get(reservation.state, Counter())
            counted.update({line.sku: line.quantity for line in reservation.lines})
        copy_all(store)
        for sku, level in levels.items():
            assert (level.on_hand, level.reserved) == (20 - left[sku], held[sku])
        assert Movement.objects.levels() == list(levels.values())


class TestManyWorkers:
    @pytest.mark.parametrize("store", ["redis"], indirect=True)
    def test_copy_each_movement_once(self, store: RedisStore) -> None:
        for _ in range(20):
            order_id = uuid4()
            receive(store, "TENT", 1)
            store.reserve(order_id=order_id, lines=one("TENT"), by="order")
            store.fulfil(order_id=order_id, by="cleo")

        def copy() -> None:
            while copy_ledger(store=store, limit=7):
                pass

        at_once([copy] * 4)

        assert Movement.objects.count() == 60
        assert Movement.objects.levels() == [store.levels(skus=["TENT"])["TENT"]]
