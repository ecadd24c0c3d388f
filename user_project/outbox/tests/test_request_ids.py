"""The id of a request follows what it changed: into the outbox, the message and the log."""

import logging
import uuid
from collections.abc import Iterator
from io import StringIO

import pytest

from conftest import PASSWORD, Subscriber, client_of
from outbox.models import PendingEvent
from outbox.publisher import Publisher
from outbox.relay import drain
from users.models import User

UPDATED = PendingEvent.Type.UPDATED

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def log() -> Iterator[StringIO]:
    """What the service writes into its log."""
    (handler,) = (each for each in logging.getLogger().handlers if each.name == "stderr")
    assert isinstance(handler, logging.StreamHandler)
    before = handler.setStream(written := StringIO())
    yield written
    handler.setStream(before)


class TestTheRequestsId:
    def test_follows_a_change_into_the_outbox_the_message_and_the_log(
        self, publisher: Publisher, subscriber: Subscriber, log: StringIO
    ):
        request_id = uuid.uuid4().hex
        dee = {"email": "dee@example.com", "name": "Dee", "password": PASSWORD}

        answer = client_of().post("/api/v1/users/", dee, HTTP_X_REQUEST_ID=request_id)
        pending = PendingEvent.objects.get()
        drain(publisher)

        assert answer["X-Request-ID"] == request_id
        assert pending.request_id == request_id
        (message,) = subscriber.messages()
        assert message.headers["X-Request-ID"] == request_id
        assert message.payload[0][0][0]["requestid"] == request_id
        line = f"INFO [{request_id}] outbox.relay: published 1 events for 1 changes"
        assert line in log.getvalue()

    def test_of_several_in_one_batch_are_all_in_the_log(
        self,
        publisher: Publisher,
        subscriber: Subscriber,
        ann: User,
        log: StringIO,
    ):
        ids = [uuid.uuid4().hex for _ in range(3)]
        for number, request_id in enumerate(ids):
            client_of(ann).patch(
                "/api/v1/users/me/", {"name": f"Ann {number}"}, HTTP_X_REQUEST_ID=request_id
            )

        drain(publisher)

        (message,) = subscriber.messages()
        stands_for = message.headers["X-Request-ID"]
        assert stands_for not in ids
        assert message.payload[0][0][0]["requestid"] == ids[-1]
        line = f"[{stands_for}] outbox.relay: a batch for the requests {', '.join(sorted(ids))}"
        assert line in log.getvalue()

    def test_is_kept_to_its_column_however_it_is_written(self):
        request_id = "-" * 100 + uuid.uuid4().hex
        dee = {"email": "dee@example.com", "name": "Dee", "password": PASSWORD}

        answer = client_of().post("/api/v1/users/", dee, HTTP_X_REQUEST_ID=request_id)

        assert answer.status_code == 201
        assert PendingEvent.objects.get().request_id == request_id[:64]

    def test_is_made_up_where_a_request_has_none_or_no_honest_one(self):
        made_up = [
            client_of().get("/health/live", headers=headers)["X-Request-ID"]
            for headers in ({}, {"X-Request-ID": "'; DROP TABLE"})
        ]

        assert all(uuid.UUID(request_id) for request_id in made_up)
        assert len(set(made_up)) == 2
