"""A worker copies what Redis has moved to the ledger in SQL."""

import signal
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError
from django.utils import timezone

from contracts.inventory import ReservationLine
from stock.management.commands.copy_ledger import AWAY_SECONDS, IDLE_SECONDS, Command
from stock.models import Movement, Reservation
from stock.operations import copy_ledger
from stock.stores import redis_store
from stock.stores.redis import RedisStore

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.parametrize("store", ["redis"], indirect=True),
]

TENTS = (ReservationLine(sku="TENT-2P", quantity=2),)


def receive(store: RedisStore, quantity: int = 5) -> None:
    store.receive(
        sku="TENT-2P", quantity=quantity, reason="delivery", by="cleo", receipt_id=uuid4()
    )


def waiting(store: RedisStore) -> int:
    return len(store.movements(limit=1000))


class TestCopyLedger:
    def test_copies_the_oldest_first_and_drops_them_from_redis(self, store: RedisStore) -> None:
        for quantity in (1, 2, 3):
            receive(store, quantity)

        copied = copy_ledger(store=store, limit=2)

        assert copied == 2
        assert list(Movement.objects.values_list("on_hand_delta", flat=True)) == [1, 2]
        assert waiting(store) == 1

    def test_tells_when_redis_moved_them(self, store: RedisStore) -> None:
        receive(store)

        copy_ledger(store=store)

        assert timezone.now() - Movement.objects.get().at < timedelta(seconds=10)

    def test_copies_nothing_twice_after_a_crash_before_redis_forgot(
        self, store: RedisStore
    ) -> None:
        order_id = uuid4()
        receive(store)
        store.reserve(order_id=order_id, lines=TENTS, by="order")
        store.fulfil(order_id=order_id, by="cleo")
        entries = store.movements(limit=2)
        Movement.objects.record(*entries.values())  # as if the crash came after the commit
        Reservation.objects.follow(entries.values())

        copy_ledger(store=store)

        assert Movement.objects.count() == 3
        assert Reservation.objects.get().state == "fulfilled"

    def test_keeps_the_end_of_a_reservation_when_its_beginning_is_copied_late(
        self, store: RedisStore
    ) -> None:
        order_id = uuid4()
        receive(store)
        store.reserve(order_id=order_id, lines=TENTS, by="order")
        beginning = store.movements(limit=2)
        store.release(order_id=order_id, by="order")
        copy_ledger(store=store)

        Reservation.objects.follow(beginning.values())  # by a worker that fell asleep

        assert Reservation.objects.get().as_contract() == store.reservation(order_id=order_id)
        assert Reservation.objects.get().state == "released"

    def test_copies_tombstones(self, store: RedisStore) -> None:
        order_id = uuid4()
        store.release(order_id=order_id, by="order")

        copy_ledger(store=store)

        assert Reservation.objects.get().as_contract() == store.reservation(order_id=order_id)
        assert not Movement.objects.exists()

    def test_leaves_in_redis_what_the_ledger_did_not_take(self, store: RedisStore) -> None:
        receive(store)
        entry = next(iter(store.movements(limit=1).values()))

        with pytest.raises(IntegrityError):
            Movement.objects.record(entry, entry)

        assert waiting(store) == 1


@pytest.fixture
def _usual_signals() -> Iterator[None]:
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGALRM)
    usual = [(number, signal.getsignal(number)) for number in numbers]
    yield
    for number, action in usual:
        signal.signal(number, action)


@pytest.mark.django_db(transaction=True)  # it looks after its connection
class TestWorker:
    def test_rests_only_when_there_is_nothing_to_copy(self, store: RedisStore) -> None:
        receive(store)
        worker = Command()

        assert [worker.copy_some(store) for _ in "ab"] == [0, IDLE_SECONDS]

    def test_waits_for_a_redis_that_is_away(self, store: RedisStore) -> None:
        away = redis_store("redis://127.0.0.1:1", store.prefix)

        assert Command().copy_some(away) == AWAY_SECONDS

    def test_copies_what_there_is_and_ends(self, store: RedisStore) -> None:
        for _ in range(3):
            receive(store)

        call_command("copy_ledger", "--once")

        assert Movement.objects.count() == 3

    @pytest.mark.usefixtures("_usual_signals")
    def test_works_until_it_is_told_to_end(self, store: RedisStore) -> None:
        receive(store)
        signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGTERM))
        signal.setitimer(signal.ITIMER_REAL, 0.1)

        call_command("copy_ledger")

        assert Movement.objects.count() == 1

    def test_has_nothing_to_do_for_the_sql_store(self, store: RedisStore, settings: Any) -> None:
        settings.STOCK_URL = ""

        with pytest.raises(CommandError, match="STOCK_URL is empty"):
            call_command("copy_ledger")
