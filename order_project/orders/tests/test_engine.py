"""What the engine must do for orders and customers, whichever it is."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier

import pytest
from django.db import IntegrityError, connection, transaction

from customers.models import Customer, RejectedEvent
from customers.operations import apply_users
from orders.models import Order

MOMENT = datetime(2026, 3, 1, 12, 0, 0, 123_456, tzinfo=UTC)
KEPT = datetime(2026, 3, 1, 12, 0, 0, 123_000, tzinfo=UTC)

pytestmark = pytest.mark.django_db


def store(customer_id, key, moment=MOMENT):
    """An order, without anything that would look for its like before."""
    return Order.objects.create(
        customer_id=customer_id,
        idempotency_key=key,
        lines=[],
        total_amount=0,
        total_currency="EUR",
        placed_at=moment,
        priced_at=moment,
    )


class TestSchema:
    @pytest.mark.parametrize("model", [Order, Customer, RejectedEvent])
    def test_has_each_index_and_constraint_that_the_model_names(self, model):
        with connection.cursor() as cursor:
            there = connection.introspection.get_constraints(cursor, model._meta.db_table)

        for index in model._meta.indexes:
            columns = [model._meta.get_field(name).column for name, _ in index.fields_orders]
            orders = [order or "ASC" for _, order in index.fields_orders]
            assert there[index.name]["columns"] == columns
            assert there[index.name]["orders"] == orders
        for constraint in model._meta.constraints:
            assert there[constraint.name]["columns"] == list(constraint.fields)
            assert there[constraint.name]["unique"]

    @pytest.mark.parametrize("model", [Order, Customer, RejectedEvent])
    def test_has_one_key_and_no_second_one(self, model):
        with connection.cursor() as cursor:
            there = connection.introspection.get_constraints(cursor, model._meta.db_table)

        of_id = [each for each in there.values() if each["columns"] in (["_id"], ["id"])]
        assert all(each["primary_key"] for each in of_id)
        assert len(of_id) == 1


class TestOrderOnce:
    def test_refuses_a_customers_second_order_of_a_key(self, ann, bo):
        store(ann.id, "k1")
        store(bo.id, "k1")
        store(ann.id, "k2")

        with pytest.raises(IntegrityError), transaction.atomic():
            store(ann.id, "k1")

        assert Order.objects.count() == 3

    def test_refuses_no_order_without_a_key(self, ann):
        for _ in range(3):
            store(ann.id, None)

        assert Order.objects.filter(idempotency_key=None).count() == 3

    @pytest.mark.django_db(transaction=True)
    def test_lets_one_of_many_at_once_store_it(self, ann):
        everyone = Barrier(8)

        def race(key):
            try:
                everyone.wait(30)
                store(ann.id, key)
            except IntegrityError:
                return "refused"
            else:
                return "stored"
            finally:
                connection.close()

        with ThreadPoolExecutor(8) as pool:
            outcomes = list(pool.map(race, ["k1", None] * 4))

        assert sorted(outcomes) == ["refused"] * 3 + ["stored"] * 5


class TestMoments:
    """MongoDB keeps milliseconds, so every engine does: an order looks the same on each."""

    def test_are_kept_to_the_millisecond(self, ann):
        order = store(ann.id, None)
        Order.objects.update(resume_at=MOMENT)
        apply_users(users=[ann.user], now=MOMENT)

        stored = Order.objects.get()
        assert order.placed_at == stored.placed_at == stored.resume_at == KEPT
        assert Customer.objects.get().synced_at == KEPT

    def test_are_found_by_the_moment_they_were_stored_with(self, ann):
        store(ann.id, None)

        assert Order.objects.filter(placed_at=MOMENT).exists()


@pytest.mark.skipif(connection.vendor != "postgresql", reason="the suite is not on PostgreSQL")
class TestPostgresql:
    def test_connections_come_from_a_pool_that_says_so_when_it_has_none(self):
        pool = connection.pool  # type: ignore[attr-defined]  # PostgreSQL's alone

        assert (pool.min_size, pool.max_size, pool.timeout) == (1, 8, 5)
