from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from io import StringIO
from threading import Barrier

import pytest
from django.core.management import call_command
from django.db import connection

from clients import inventory
from orders.models import Order
from orders.operations import claim_due_order, next_attempt_at, resume_orders
from orders.tasks import resume_orders as resume_orders_task
from orders.tests.conftest import LATER, NOW, Killed, lines_of, place

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("copied")]


def place_while_inventory_is_away(shop, *people, **quantities):
    shop.before = shop.lose
    orders = [place(person, **quantities) for person in people]
    shop.recover()
    inventory.remote.breaker.close()
    return orders


class TestResumeOrders:
    def test_confirms_what_waited(self, shop, ann, bo):
        place_while_inventory_is_away(shop, ann, bo)

        assert resume_orders(now=LATER) == 2

        assert set(Order.objects.values_list("status", "resume_at")) == {("confirmed", None)}
        assert len(shop.stock.reserved) == 2

    def test_confirms_what_was_reserved_though_the_answer_was_lost(self, shop, ann):
        shop.after = shop.lose
        order = place(ann)
        assert order.status == "pending"

        shop.recover()
        resume_orders(now=LATER)

        assert Order.objects.get().status == "confirmed"
        assert shop.stock.reserved == {str(order.id): {"TENT-2P": 1}}

    def test_leaves_to_the_next_reminder_what_it_has_no_time_for(self, shop, ann, bo, settings):
        place_while_inventory_is_away(shop, ann, bo)
        settings.RESUME_SECONDS = 0
        Order.objects.update(resume_at=NOW)

        resume_orders_task()
        assert Order.objects.filter(status="pending").count() == 2

        assert resume_orders(now=LATER) == 2

    def test_rejects_what_is_short_by_now(self, shop, ann):
        place_while_inventory_is_away(shop, ann)
        shop.stock.available["TENT-2P"] = 0

        resume_orders(now=LATER)

        order = Order.objects.get()
        assert order.status == "rejected"
        assert order.short == [{"sku": "TENT-2P", "requested": 1, "available": 0}]

    def test_keeps_to_the_price_of_the_day(self, shop, ann):
        (order,) = place_while_inventory_is_away(shop, ann)
        shop.prices["TENT-2P"] = ("999.00", "EUR")

        resume_orders(now=LATER)

        assert Order.objects.get().total_amount == order.total_amount

    def test_waits_for_no_time_that_the_clock_had_before_it_was_set_back(self, shop, ann):
        place_while_inventory_is_away(shop, ann)
        Order.objects.update(resume_at=LATER + timedelta(hours=1))

        assert resume_orders(now=LATER) == 1

        assert Order.objects.get().status == "confirmed"

    def test_leaves_a_request_that_still_runs_alone(self, shop, ann):
        place_while_inventory_is_away(shop, ann)

        assert resume_orders(now=NOW + timedelta(seconds=14)) == 0

        assert shop.asked.count("PUT reservation") == 1

    def test_does_nothing_where_nothing_waits(self, shop, ann):
        place(ann)

        assert resume_orders(now=LATER) == 0

    def test_tries_each_once_while_inventory_is_away(self, shop, ann, bo):
        place_while_inventory_is_away(shop, ann, bo)
        shop.before = shop.lose

        assert resume_orders(now=LATER) == 0

        assert shop.asked.count("PUT reservation") == 4
        assert set(Order.objects.values_list("status", "attempts")) == {("pending", 1)}

    def test_stops_where_the_circuit_is_open(self, shop, ann, settings):
        place_while_inventory_is_away(shop, *[ann] * (settings.BREAKER_FAILURES + 5))
        shop.before = shop.lose

        resume_orders(now=LATER)

        assert Order.objects.filter(attempts=1).count() == settings.BREAKER_FAILURES + 1

    def test_is_what_beat_and_the_command_do(self, shop, ann, settings):
        settings.RETRY_SECONDS = 0
        place_while_inventory_is_away(shop, ann)
        resume_orders_task()
        assert Order.objects.get().status == "confirmed"

        place_while_inventory_is_away(shop, ann)
        out = StringIO()
        call_command("resume_orders", stdout=out)

        assert "1 orders settled, 0 still wait" in out.getvalue()


class TestClaim:
    def test_is_for_one_caller(self, shop, ann):
        place_while_inventory_is_away(shop, ann)

        assert claim_due_order(now=LATER)
        assert claim_due_order(now=LATER) is None

    @pytest.mark.django_db(transaction=True)
    def test_is_for_one_of_many_workers(self, shop, ann):
        orders = place_while_inventory_is_away(shop, *[ann] * 10)
        everyone = Barrier(4)

        def work(number):
            try:
                everyone.wait(30)
                return list(iter(lambda: claim_due_order(now=LATER), None))
            finally:
                connection.close()

        with ThreadPoolExecutor(4) as pool:
            claimed = [order.id for orders in pool.map(work, range(4)) for order in orders]

        assert sorted(claimed) == sorted(order.id for order in orders)

    def test_takes_the_longest_due_first(self, shop, ann, bo):
        first, second = place_while_inventory_is_away(shop, ann, bo)
        Order.objects.filter(pk=second.pk).update(resume_at=NOW)

        assert [claim_due_order(now=LATER), claim_due_order(now=LATER)] == [second, first]

    def test_backs_off_up_to_a_limit(self, settings):
        waits = [
            (next_attempt_at(now=NOW, attempts=attempts) - NOW).total_seconds()
            for attempts in (0, 1, 2, 3, 4, 5, 6, 1_000_000)
        ]

        assert waits == [15, 30, 60, 120, 240, 300, 300, 300]


class TestCrash:
    """SIGKILL on the way: nothing of ours runs after it, until resume_orders comes by."""

    @pytest.mark.parametrize("quantity", [1, 6], ids=["enough", "short"])
    @pytest.mark.parametrize("moment", ["before", "after"])
    def test_of_a_placing_request_strands_no_stock(self, shop, ann, moment, quantity):
        setattr(shop, moment, shop.die)
        with pytest.raises(Killed):
            place(ann, TENT_2P=quantity)
        assert Order.objects.get().status == "pending"

        shop.recover()
        resume_orders(now=LATER)

        order = Order.objects.get()
        assert order.status == ("confirmed" if quantity == 1 else "rejected")
        assert order.resume_at is None
        assert shop.stock.reserved == ({str(order.id): {"TENT-2P": 1}} if quantity == 1 else {})

    @pytest.mark.parametrize("moment", ["before", "after"])
    def test_of_a_worker_strands_no_stock(self, shop, ann, moment):
        place_while_inventory_is_away(shop, ann)
        setattr(shop, moment, shop.die)
        with pytest.raises(Killed):
            resume_orders(now=LATER)

        shop.recover()
        resume_orders(now=LATER + timedelta(minutes=5))

        assert Order.objects.get().status == "confirmed"
        assert len(shop.stock.reserved) == 1


class TestLateReservation:
    """A process that stalled sends its reservation when another has long ended the order."""

    def reject(self, shop, ann):
        (order,) = place_while_inventory_is_away(shop, ann, TENT_2P=6)
        resume_orders(now=LATER)
        assert Order.objects.get().status == "rejected"
        shop.stock.available["TENT-2P"] = 10
        return order

    def test_is_refused_once_the_release_is_paid(self, shop, ann):
        order = self.reject(shop, ann)

        with pytest.raises(inventory.OutOfStock):
            inventory.reserve(str(order.id), lines_of(TENT_2P=6))

        assert shop.stock.reserved == {}

    def test_is_released_where_it_came_before(self, shop, ann):
        def come_late():
            shop.recover()
            shop.stock.available["TENT-2P"] = 10
            inventory.reserve(str(order.id), lines_of(TENT_2P=6))

        (order,) = place_while_inventory_is_away(shop, ann, TENT_2P=6)
        shop.after = come_late
        resume_orders(now=LATER)

        assert Order.objects.get().status == "rejected"
        assert shop.stock.reserved == {}
