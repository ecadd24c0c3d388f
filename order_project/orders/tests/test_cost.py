"""What an order costs, counted, so that it does not depend on the machine."""

import pytest
from celery.signals import before_task_publish
from django.db import connection
from django.test.utils import CaptureQueriesContext

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
