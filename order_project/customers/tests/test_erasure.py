"""Who is erased leaves nothing behind here: not in the copy, nor in what could not be applied."""

import json
from dataclasses import replace
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User as Staff
from django.contrib.contenttypes.models import ContentType
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import Model
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from kombu import Exchange, Producer, Queue

from contracts.users import User
from customers import projection
from customers.drift import find_suspects
from customers.models import Customer, RejectedEvent
from customers.operations import (
    apply_user_events,
    apply_users,
    dismiss_rejected,
    reject_message,
    retry_all_rejected,
    verify_customers,
)
from customers.tasks import verify_all_customers
from customers.tests.conftest import Owner
from customers.tests.events import event_of
from customers.tests.test_apply_user_events import writes
from customers.traces import count_messages, known
from order_project.celery import app


def apply(*payloads: object) -> None:
    apply_user_events(payloads=payloads, now=timezone.now())


def tombstone(user: User) -> User:
    return replace(user, version=9, email="", name="", deleted=True)


def database() -> str:
    """All that the tables of this service hold, as text."""
    models: list[type[Model]] = [LogEntry]
    for name in ("customers", "orders"):
        models += apps.get_app_config(name).get_models()
    return json.dumps([list(model._base_manager.values()) for model in models], default=str)


def is_known(user: User) -> bool:
    """Whether anything here still has their name or address."""
    text = database()
    return user.name in text or user.email in text


@pytest.mark.django_db
class TestErasure:
    def test_reaches_events_that_could_not_be_applied(self, ann: Any, bo: Any) -> None:
        apply(event_of(ann.user), event_of(ann.user, time="yesterday"), {"data": {"id": "a"}})
        apply(event_of(bo.user, time="yesterday"))
        assert is_known(ann.user)

        apply(event_of(tombstone(ann.user)))

        assert not is_known(ann.user)
        assert is_known(bo.user)
        [hers] = RejectedEvent.objects.filter(user_id=ann.id)
        assert (hers.payload, hers.resolved_by) == ("", "erasure")

    @pytest.mark.parametrize(
        "write",
        [
            lambda user: f'{{"id": "{user.id.upper()}", "name": "{user.name}", ',
            lambda user: f"{user.id.replace('-', '')} {user.name}",
            lambda user: f'{{"email": "{user.email}", "name": "{user.name}", ',
            lambda user: json.dumps([[], {"users": [event_of(user)]}]),
            lambda user: f'{"[" * 5000}"{user.id} {user.name}"{"]" * 5000}',
        ],
        ids=["broken JSON", "an id without dashes", "without an id", "unknown shape", "too deep"],
    )
    def test_reaches_what_nobody_could_read(self, ann: Any, write: Any) -> None:
        apply(event_of(ann.user))
        reject_message(body=write(ann.user), error="no JSON", now=timezone.now())

        apply(event_of(tombstone(ann.user)))

        assert not is_known(ann.user)

    def test_leaves_the_others_of_a_message_to_be_retried(self, ann: Any, bo: Any) -> None:
        body = json.dumps([[[event_of(ann.user), event_of(bo.user)]], {}, {}])
        reject_message(body=body, error="dead-lettered", now=timezone.now())

        apply(event_of(tombstone(ann.user)))

        assert not is_known(ann.user)
        retry_all_rejected(by="cleo", now=timezone.now())
        assert Customer.objects.get(id=bo.id).name == bo.user.name

    def test_reaches_what_is_rejected_after_it(self, ann: Any, bo: Any) -> None:
        apply(event_of(tombstone(ann.user)))

        apply(event_of(ann.user, time="yesterday"))
        body = json.dumps([[[event_of(ann.user), event_of(bo.user)]], {}, {}])
        reject_message(body=body, error="dead-lettered", now=timezone.now())

        assert not is_known(ann.user)
        assert is_known(bo.user)
        assert RejectedEvent.objects.unresolved().count() == 1

    def test_reaches_what_staff_noted(self, ann: Any) -> None:
        apply(event_of(ann.user, time="yesterday"))
        [rejected] = RejectedEvent.objects.all()
        reason = f"{ann.user.name} called."
        dismiss_rejected(rejected=rejected, reason=reason, by="cleo", now=timezone.now())
        LogEntry.objects.create(
            user=Staff.objects.create_user("cleo"),
            content_type=ContentType.objects.get_for_model(RejectedEvent),
            object_id=str(rejected.pk),
            object_repr=ann.user.name,
            action_flag=2,
            change_message=f"Dismissed: {reason}",
        )

        apply(event_of(tombstone(ann.user)))

        assert not is_known(ann.user)
        assert LogEntry.objects.get().get_change_message() == "Someone in it was erased."

    def test_reaches_in_the_end_what_was_rejected_in_its_very_moment(
        self, owner: Owner, ann: Any, bo: Any, caplog: Any
    ) -> None:
        apply(event_of(ann.user, time="yesterday"), event_of(bo.user, time="yesterday"))
        owner.add(tombstone(ann.user))
        projection.upsert_newer([projection.Row.of(tombstone(ann.user), now=timezone.now())])
        assert is_known(ann.user)

        verify_all_customers()

        assert not is_known(ann.user)
        assert is_known(bo.user)
        assert "1 rejected events were about people erased by now" in caplog.text

    def test_comes_by_the_snapshot_too(self, ann: Any) -> None:
        apply(event_of(ann.user, time="yesterday"))

        apply_users(users=[tombstone(ann.user)], now=timezone.now())

        assert not is_known(ann.user)

    def test_survives_late_events_a_rebuild_and_a_repair(self, owner: Owner, ann: Any) -> None:
        owner.add(ann.user)
        gone = owner.erase(ann.user)
        apply(event_of(gone), event_of(ann.user))

        call_command("rebuild_customers", stdout=StringIO())
        Customer._base_manager.filter(id=ann.id).update(name=ann.user.name)
        verify_customers(
            suspects=find_suspects(), scope="all", repair=True, lag=0, wait=lambda _: None
        )

        assert not is_known(ann.user)
        assert list(Customer.objects.as_users()) == [gone]

    @pytest.mark.skipif(connection.vendor == "mongodb", reason="Django does not see its writes")
    def test_costs_one_statement_a_message_where_nothing_was_rejected(
        self, many: list[User]
    ) -> None:
        apply(*[event_of(user) for user in many[:100]])

        with CaptureQueriesContext(connection) as queries:
            apply(*[event_of(tombstone(user)) for user in many[:100]])

        assert len([each for each in queries if "SAVEPOINT" not in each["sql"]]) == 1 + writes()

    def test_is_told_in_no_log(self, ann: Any, caplog: Any) -> None:
        apply(event_of(ann.user, time="yesterday"), event_of(ann.user, subject="x"))
        confused = event_of(ann.user, subject=ann.user.email)
        confused["data"]["id"] = ann.user.email
        apply(confused, event_of(ann.user, time=ann.user.name))

        errors = " ".join(RejectedEvent.objects.values_list("error", flat=True))
        for said in (caplog.text, errors):
            assert ann.user.email not in said
            assert ann.user.name not in said


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "sqlite", reason="a server's files are its own affair")
def test_of_the_erased_nothing_stays_in_the_files_of_sqlite(ann: Any) -> None:
    apply(event_of(ann.user), event_of(ann.user, time="yesterday"))

    apply(event_of(tombstone(ann.user)))

    path = connection.settings_dict["NAME"]
    for suffix in ("", "-wal"):
        content = Path(f"{path}{suffix}").read_bytes()
        assert ann.user.email.encode() not in content
        assert ann.user.name.encode() not in content


def report(user_id: str, **options: Any) -> tuple[int, str]:
    """Exit status and output of the command."""
    out = StringIO()
    try:
        call_command("erasure_report", user_id, stdout=out, **options)
    except CommandError as error:
        return error.returncode, out.getvalue()
    return 0, out.getvalue()


@pytest.mark.skipif(settings.BROKER_DEAD_LETTERS, reason="it has queues of its own to look at")
class TestCountMessages:
    def test_looks_into_the_queue(self, valkey_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(app.conf, "broker_url", valkey_url)
        queue = Queue("order.seen", Exchange("seen", "topic"), "seen")

        assert count_messages(queue) == 0
        with app.connection_for_write() as broker:
            producer = Producer(broker.channel(), queue.exchange)
            producer.publish({}, routing_key="seen", declare=[queue])
        assert count_messages(queue) == 1

    def test_cannot_where_the_broker_is_away(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(app.conf, "broker_url", "redis://127.0.0.1:1/0")

        assert known(partial(count_messages, settings.CELERY_TASK_QUEUES[0])) is None


@pytest.mark.django_db
class TestErasureReport:
    @pytest.fixture(autouse=True)
    def _empty_queues(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("customers.traces.count_messages", lambda _: 0)

    def test_finds_what_there_is_of_who_is_not_erased(self, ann: Any) -> None:
        apply(event_of(ann.user), event_of(ann.user, time="yesterday"))

        status, output = report(ann.id, json=True)

        found = {each["place"]: each["found"] for each in json.loads(output)["places"]}
        assert status == 1
        assert (found["copy of users"], found["rejected events"]) == (1, 1)

    def test_finds_nothing_of_who_is(self, ann: Any) -> None:
        apply(event_of(ann.user), event_of(ann.user, time="yesterday"))
        apply(event_of(tombstone(ann.user)))

        status, output = report(ann.id)

        assert status == 0
        assert "copy of users (e-mail and name): 0 found" in output
        assert "orders (stay, under the id alone): 0" in output

    def test_cannot_tell_while_messages_wait(
        self, ann: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("customers.traces.count_messages", lambda _: 1)

        status, output = report(ann.id)

        assert status == 2
        assert "queue order.user-events (messages that wait): cannot tell" in output

    def test_cannot_tell_while_the_broker_is_away(
        self, ann: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def away(queue: Any) -> int:
            raise OSError

        monkeypatch.setattr("customers.traces.count_messages", away)

        assert report(ann.id)[0] == 2
