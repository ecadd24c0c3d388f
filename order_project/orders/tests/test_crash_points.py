"""SIGKILL at every moment of every use case: resume_orders ends what is left, stock and all."""

from datetime import timedelta
from itertools import count

import pytest
from django.db import connection

from clients import inventory
from orders.models import Order
from orders.operations import cancel_order, resume_orders
from orders.tests.conftest import LATER, Killed, place

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("copied"),
    pytest.mark.skipif(connection.vendor == "mongodb", reason="statements pass no wrapper there"),
]


class Guillotine:
    """Falls at the n-th moment before or after a statement or a request; says whether it did."""

    def __init__(self, shop, moment):
        self.left = moment
        self.shop = shop

    def pass_by(self):
        self.left -= 1
        if self.left == -1:
            raise Killed

    def around_statement(self, execute, *args):
        self.pass_by()
        result = execute(*args)
        self.pass_by()
        return result

    def falls_in(self, act):
        self.shop.before = self.shop.after = self.pass_by
        try:
            with connection.execute_wrapper(self.around_statement):
                act()
        except Killed:
            return True
        finally:
            self.shop.recover()
        return False


def place_while_inventory_is_away(shop, person, **quantities):
    shop.before = shop.lose
    order = place(person, **quantities)
    shop.recover()
    inventory.remote.breaker.close()
    return order


# What is done to an order, and what was done before.
USE_CASES = {
    "placing": lambda _shop, ann: lambda: place(ann, "k", TENT_2P=2, MUG_ENAMEL=1),
    "placing what is short": lambda _shop, ann: lambda: place(ann, "k", MUG_ENAMEL=1, TENT_2P=6),
    "cancelling a confirmed one": lambda _shop, ann: cancelling(place(ann)),
    "cancelling a pending one": lambda shop, ann: cancelling(
        place_while_inventory_is_away(shop, ann)
    ),
    "resuming a pending one": lambda shop, ann: resuming(place_while_inventory_is_away(shop, ann)),
    "resuming one that is short": lambda shop, ann: resuming(
        place_while_inventory_is_away(shop, ann, TENT_2P=6)
    ),
    "releasing": lambda _shop, ann: resuming(place(ann, TENT_2P=6)),
}


def cancelling(order):
    return lambda: cancel_order(order=Order.objects.get(pk=order.pk), now=LATER)


def resuming(order):
    return lambda: resume_orders(now=LATER)


class TestACrash:
    @pytest.mark.parametrize("case", USE_CASES)
    def test_at_any_moment_leaves_nothing_that_does_not_end(self, shop, ann, case):
        on_the_shelf = dict(shop.stock.available)
        for moment in count():
            act = USE_CASES[case](shop, ann)

            was_killed = Guillotine(shop, moment).falls_in(act)

            later = LATER + timedelta(minutes=5)  # by when whatever was claimed is due again
            for run in range(2):  # what is rejected in the first is released in the second
                resume_orders(now=later + run * timedelta(minutes=5))
            assert not Order.objects.exclude(resume_at=None).exists(), moment
            assert not Order.objects.filter(status="pending").exists(), moment
            confirmed = Order.objects.filter(status="confirmed")
            assert shop.stock.reserved.keys() == {str(order.id) for order in confirmed}, moment
            Order.objects.all().delete()
            shop.stock.available, shop.stock.reservations = dict(on_the_shelf), {}
            if not was_killed:
                break

        assert moment >= 6, "nothing was killed"

    @pytest.mark.parametrize("case", ["placing", "placing what is short"])
    def test_of_a_request_is_healed_by_repeating_it(self, shop, ann, case):
        for moment in count():
            act = USE_CASES[case](shop, ann)
            was_killed = Guillotine(shop, moment).falls_in(act)

            act()

            resume_orders(now=LATER)
            assert Order.objects.count() == 1, moment
            Order.objects.all().delete()
            shop.stock.reservations = {}
            shop.stock.available = {"TENT-2P": 5, "MUG-ENAMEL": 40}
            if not was_killed:
                break
