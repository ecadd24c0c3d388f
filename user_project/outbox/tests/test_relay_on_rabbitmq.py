"""The relay against RabbitMQ, whose confirms and returns say what became of a message.

BROKER_TEST_URL=amqp://user:password@host/vhost names a virtual host that these tests may use up.
"""

import os
from collections.abc import Iterator

import pytest
from kombu import Connection, Queue
from kombu.exceptions import ChannelError

from conftest import Manage
from outbox.models import PendingEvent
from outbox.publisher import EXCHANGE
from users.models import User

URL = os.environ.get("BROKER_TEST_URL", "")

pytestmark = pytest.mark.skipif(
    not URL.startswith("amqp"),
    reason="BROKER_TEST_URL names no RabbitMQ virtual host that may be used up",
)


@pytest.fixture
def queue() -> Iterator[Queue]:
    """A quorum queue, not bound to anything; the exchange is there."""
    with Connection(URL) as connection:
        channel = connection.default_channel
        queue = Queue("tests.user-events", queue_arguments={"x-queue-type": "quorum"})(channel)
        EXCHANGE(channel).declare()
        queue.declare()
        yield queue
        queue.delete()
        EXCHANGE(channel).delete()


def test_rows_stay_while_no_queue_is_bound(start: Manage, queue: Queue, ann: User):
    _, said = (relay := start("relay", "--once", BROKER_URL=URL)).communicate()

    assert relay.returncode == 1
    assert "Basic.return: (312) NO_ROUTE" in said
    assert PendingEvent.objects.count() == 1


def test_a_bound_queue_gets_the_events_and_the_rows_go(
    start: Manage, queue: Queue, ann: User, bo: User
):
    queue.bind_to(EXCHANGE.name, "user.#")

    said, _ = (relay := start("relay", "--once", BROKER_URL=URL)).communicate()

    assert (relay.returncode, said) == (0, "2 pending events relayed\n")
    message = queue.get(no_ack=True, accept=["json"])
    assert message is not None
    assert {event["subject"] for event in message.payload[0][0]} == {str(ann.pk), str(bo.pk)}
    assert str(message.properties.get("delivery_mode")) == "2"  # it survives the broker
    assert not PendingEvent.objects.exists()


def test_the_relay_declares_nothing(start: Manage, queue: Queue, ann: User):
    queue.bind_to(EXCHANGE.name, "user.#")

    start("relay", "--once", BROKER_URL=URL).communicate()

    with Connection(URL) as another, pytest.raises(ChannelError, match="no queue 'celery'"):
        Queue("celery")(another.default_channel).queue_declare(passive=True)
