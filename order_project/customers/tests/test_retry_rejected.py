"""All that could not be applied is tried again by one command, which says how that went."""

import json
from io import StringIO
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.utils import timezone

from contracts.users import User
from customers.models import Customer, RejectedEvent
from customers.operations import apply_user_events, reject_message
from customers.tests.events import event_of


def retry(**options: Any) -> tuple[int, str]:
    """Exit status and output of the command."""
    out = StringIO()
    try:
        call_command("retry_rejected", stdout=out, **options)
    except CommandError as error:
        return error.returncode, out.getvalue()
    return 0, out.getvalue()


def reject(*payloads: object) -> None:
    """As a version of this service did that could not read them yet."""
    for payload in payloads:
        reject_message(body=json.dumps(payload), error="unknown", now=timezone.now())


@pytest.mark.django_db
@pytest.mark.skipif(settings.BROKER_DEAD_LETTERS, reason="it would collect what others left there")
class TestRetryRejected:
    def test_applies_events_and_whole_messages(self, many: list[User]) -> None:
        first, *others = many[:4]
        reject(event_of(first), [[[event_of(user) for user in others]], {}, {}])

        status, output = retry()

        assert (status, output) == (0, "2 applied\n")
        assert {user.id for user in Customer.objects.as_users()} == {user.id for user in many[:4]}
        assert not RejectedEvent.objects.unresolved().exists()
        assert {each.resolved_by for each in RejectedEvent.objects.all()} == {
            "manage.py retry_rejected"
        }

    def test_tells_what_is_in_vain_and_goes_on(self, ann: Any) -> None:
        apply_user_events(payloads=[{"bad": 1}, {"bad": 2}], now=timezone.now())
        reject_message(body="{", error="no JSON", now=timezone.now())
        reject(event_of(ann.user))

        status, output = retry(json=True)

        answer = json.loads(output)
        assert status == 1
        assert answer["applied"] == 1
        assert sorted(answer["in_vain"].values()) == [1, 2]
        assert RejectedEvent.objects.unresolved().count() == 3

    def test_has_nothing_to_do_where_all_is_resolved(self, db: None) -> None:
        reject({"bad": 1})
        RejectedEvent.objects.update(resolved_at=timezone.now())

        assert retry(json=True) == (0, '{"applied": 0, "in_vain": {}}\n')

    @pytest.mark.skipif(connection.vendor == "mongodb", reason="statements pass no wrapper there")
    def test_tells_that_the_database_is_away(self) -> None:
        def away(*statement: Any) -> None:
            raise OperationalError("away")

        with connection.execute_wrapper(away):
            assert retry() == (2, "")
