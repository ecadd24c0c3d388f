"""An operation that a deadlock ended is repeated."""

from collections import Counter
from threading import Barrier

import pytest
from django.db import OperationalError, connection, transaction

from stock.deadlocks import repeated_on_deadlock
from stock.models import Level
from stock.tests.test_concurrency import at_once

pytestmark = pytest.mark.django_db(transaction=True)


class TestRepeatedOnDeadlock:
    def test_lets_both_of_two_that_lock_crosswise_succeed(self) -> None:
        if connection.vendor == "sqlite":
            pytest.skip("SQLite has one writer at a time, and so no deadlocks")
        Level.objects.bulk_create([Level(sku="MUG"), Level(sku="TENT")])
        both_hold_one = Barrier(2)
        tries: Counter[str] = Counter()

        @repeated_on_deadlock
        @transaction.atomic
        def receive_one_each(first: str, second: str) -> None:
            Level.objects.move(sku=first, on_hand=1)
            tries[first] += 1
            if tries[first] == 1:
                both_hold_one.wait(timeout=10)
            Level.objects.move(sku=second, on_hand=1)

        at_once([lambda: receive_one_each("MUG", "TENT"), lambda: receive_one_each("TENT", "MUG")])

        assert sum(tries.values()) == 3
        assert set(Level.objects.values_list("on_hand", flat=True)) == {2}

    def test_repeats_nothing_else(self) -> None:
        tries = []

        @repeated_on_deadlock
        def fail() -> None:
            tries.append("once")
            raise OperationalError(1205, "Lock wait timeout exceeded")

        with pytest.raises(OperationalError):
            fail()

        assert tries == ["once"]
