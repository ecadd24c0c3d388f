"""What an order costs, counted, so that it does not depend on the machine."""

import pytest
from celery.signals import before_task_publish
from django.db import connection
from django.test.utils import CaptureQueriesContext

from orders.models import joins_are_cheap
from orders.tests.conftest import place

BODY = {"lines": [{"sku": "TENT-2P", "quantity": 1}, {"sku": "MUG-ENAMEL", "quantity": 2}]}

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("copied")]


@pytest.fixture
def published():
    """The messages that are sent to the broker."""
    messages = []

    def note(sender=None, **kwargs):
        messages.append(sender)

    before_task_publish.connect(note)
    yield messages
    before_task_publish.disconnect(note)


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "k1"}], ids=["no key", "key"])
class TestCost:
    def test_of_an_order_is_four_statements_and_one_request(self, shop, ann, headers, published):
        client = ann.client
        client.post("/api/v1/orders/", BODY)  # both prices are cached by now
        shop.asked.clear()

        with CaptureQueriesContext(connection) as statements:
            response = client.post("/api/v1/orders/", BODY, headers=headers)

        assert response.status_code == 201
        assert len(statements) == (4 if headers else 3), statements.captured_queries
        assert shop.asked == ["PUT reservation"]
        assert published == []


class TestCostOfReading:
    """One statement, by a join with the copy; or two, where a join costs more than the second."""

    def test_a_page_does_not_grow_with_it(self, shop, ann, bo, cleo):
        for person in (ann, bo, ann, bo):
            place(person)

        with CaptureQueriesContext(connection) as statements:
            page = cleo.client.get("/api/v1/orders/").json()["results"]

        assert {order["customer_name"] for order in page} == {"Ann Example", "Bo Example"}
        assert len(statements) == (1 if joins_are_cheap() else 2), statements.captured_queries

    def test_one_order_is_no_more(self, shop, ann):
        order = place(ann)

        with CaptureQueriesContext(connection) as statements:
            shown = ann.client.get(f"/api/v1/orders/{order.id}/").json()

        assert shown["customer_name"] == "Ann Example"
        assert len(statements) == (1 if joins_are_cheap() else 2), statements.captured_queries
