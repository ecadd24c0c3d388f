"""What /metrics tells of the orders that wait."""

from datetime import timedelta

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from clients import inventory
from orders.metrics import OrdersCollector
from orders.models import Order
from orders.operations import cancel_order, resume_orders
from orders.tests.conftest import LATER, place

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("copied")]

NAMES = (
    "freehold_orders_pending",
    "freehold_orders_oldest_pending_seconds",
    "freehold_orders_releases_owed",
)


@pytest.fixture
def scrape(client):
    """The samples of orders that /metrics shows."""

    def scrape():
        lines = (line.split() for line in client.get("/metrics").text.splitlines())
        return {name: float(value) for name, value, *_ in lines if name in NAMES}

    return scrape


class TestOrdersThatWait:
    def test_are_none_where_all_have_ended(self, shop, ann, scrape):
        place(ann)
        place(ann, TENT_2P=6)
        cancel_order(order=place(ann), now=LATER)
        resume_orders(now=LATER)  # which releases what was rejected

        assert scrape() == dict.fromkeys(NAMES, 0)

    def test_are_counted_and_timed(self, shop, ann, bo, scrape):
        shop.before = shop.lose
        older, _ = place(ann), place(bo)
        Order.objects.update(placed_at=timezone.now())  # not when this run of tests began
        Order.objects.filter(pk=older.pk).update(placed_at=timezone.now() - timedelta(seconds=90))

        samples = scrape()

        assert samples["freehold_orders_pending"] == 2
        assert 90 <= samples["freehold_orders_oldest_pending_seconds"] < 120
        assert samples["freehold_orders_releases_owed"] == 0

    def test_for_their_release_are_counted_until_it_is_paid(self, shop, ann, scrape):
        order = place(ann)
        shop.before = shop.lose
        cancel_order(order=order, now=LATER)
        inventory.remote.breaker.close()
        assert scrape()["freehold_orders_releases_owed"] == 1

        shop.recover()
        resume_orders(now=LATER)

        assert scrape()["freehold_orders_releases_owed"] == 0

    def test_cost_two_statements(self, shop, ann, django_assert_num_queries):
        place(ann)

        with django_assert_num_queries(2):
            list(OrdersCollector().collect())

    @pytest.mark.skipif(connection.vendor == "mongodb", reason="statements pass no wrapper there")
    def test_are_left_out_while_the_database_is_away(self, scrape, client):
        def away(*args):
            raise OperationalError("the database is away")

        with connection.execute_wrapper(away):
            assert scrape() == {}
            assert client.get("/metrics").status_code == 200
