"""What RabbitMQ put aside becomes a rejected event, once, and leaves the queue only then."""

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from kombu import Connection, Exchange, Producer

from customers import deadletters, tasks
from customers.models import Customer, RejectedEvent
from customers.operations import reject_message
from customers.tests.events import event_of

pytestmark = [
    pytest.mark.skipif(
        not settings.BROKER_DEAD_LETTERS, reason="BROKER_URL names no RabbitMQ virtual host"
    ),
    pytest.mark.django_db(transaction=True),
]

Die = Callable[[object], None]


@pytest.fixture
def broker() -> Iterator[Connection]:
    call_command("declare_queues")
    with Connection(settings.BROKER_URL) as broker:
        for queue in (settings.DEAD_LETTERS, *settings.CELERY_TASK_QUEUES):
            queue(broker.default_channel).purge()
        yield broker


@pytest.fixture
def die(broker: Connection) -> Die:
    """Has a message put aside by the broker: it is published, and rejected by whoever reads it."""
    producer = Producer(broker.channel(), Exchange("events", "topic"))
    queue = settings.CELERY_TASK_QUEUES[0](broker.default_channel)

    def die(body: object) -> None:
        producer.publish(body, routing_key="user.events", serializer="json")
        while (message := queue.get()) is None:
            """It is on its way."""
        message.reject()
        while not waiting(broker):
            """So is it again."""

    return die


def waiting(broker: Connection) -> int:
    """How many dead letters there are."""
    declared = settings.DEAD_LETTERS(broker.default_channel).queue_declare(passive=True)
    return int(declared.message_count)


class TestCollectDeadLetters:
    def test_shows_reason_and_payload(self, broker: Connection, die: Die) -> None:
        die({"whole": "message"})

        tasks.collect_dead_letters()

        [rejected] = RejectedEvent.objects.all()
        assert json.loads(rejected.payload) == {"whole": "message"}
        assert rejected.error == (
            "dead-lettered (rejected) from queue order.user-events, sent as user.events"
        )
        assert waiting(broker) == 0

    def test_takes_all_that_wait(self, broker: Connection, die: Die) -> None:
        for number in range(3):
            die({"number": number})

        assert deadletters.collect_dead_letters() == 3
        assert deadletters.collect_dead_letters() == 0
        assert RejectedEvent.objects.count() == 3

    def test_keeps_in_the_queue_what_could_not_be_stored_and_stores_it_once(
        self, broker: Connection, die: Die, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        die({"whole": "message"})

        def store_and_die(**kept: Any) -> None:
            reject_message(**kept)
            raise InterruptedError

        with monkeypatch.context() as patch, suppress(InterruptedError):
            patch.setattr(deadletters, "reject_message", store_and_die)
            deadletters.collect_dead_letters()
        while not waiting(broker):
            """The broker takes it back."""
        deadletters.collect_dead_letters()

        assert RejectedEvent.objects.count() == 1
        assert waiting(broker) == 0

    def test_lets_all_be_applied_by_one_command(self, die: Die, ann: Any, bo: Any) -> None:
        die([[[event_of(ann.user), event_of(bo.user)]], {}, {}])

        call_command("retry_rejected")

        assert list(Customer.objects.order_by("id").as_users()) == [ann.user, bo.user]
