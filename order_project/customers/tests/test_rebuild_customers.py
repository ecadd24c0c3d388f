"""An empty or old copy is filled from the owner's snapshot, page by page, beside the events."""

import json
from dataclasses import replace
from io import StringIO
from typing import Any

import pytest
import requests
import responses
from django.core.management import CommandError, call_command
from django.utils import timezone

from contracts.users import User
from customers import operations
from customers.models import Customer
from customers.operations import apply_user_events, apply_users
from customers.tests.conftest import Owner
from customers.tests.events import event_of
from customers.tests.test_apply_user_events import writes


def rebuild(**options: Any) -> str:
    out = StringIO()
    call_command("rebuild_customers", stdout=out, **options)
    return out.getvalue()


@pytest.mark.django_db
class TestRebuildCustomers:
    def test_fills_an_empty_copy(self, owner: Owner, many: list[User]) -> None:
        owner.add(*many)
        owner.erase(many[0])

        output = rebuild()

        assert output == "1200 users, of which 1200 were news to the copy\n"
        assert {user.id: user for user in Customer.objects.as_users()} == owner.users

    def test_can_be_repeated_and_takes_only_what_is_news(
        self, owner: Owner, many: list[User]
    ) -> None:
        owner.add(*many)
        rebuild()
        owner.change(many[0], name="Changed")

        assert rebuild() == "1200 users, of which 1 were news to the copy\n"

    def test_does_not_undo_an_event_that_was_faster(self, owner: Owner, ann: Any) -> None:
        owner.add(ann.user)
        newer = replace(ann.user, version=2, name="Ann Other")

        def overtake() -> None:
            apply_users(users=[newer], now=timezone.now())

        owner.before_answer = overtake
        rebuild()

        assert list(Customer.objects.as_users()) == [newer]

    def test_fills_a_new_service_while_events_flow(
        self, owner: Owner, many: list[User], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Some before the page that has them, some after it; nothing else ever sends them again."""
        monkeypatch.setattr(operations, "REBUILD_PAGE", 100)
        owner.add(*many)
        changing = iter(many[::7])

        def go_on() -> None:
            erased, changed = owner.erase(next(changing)), next(changing)
            events = [event_of(erased), event_of(owner.change(changed, name="Changed"))]
            apply_user_events(payloads=events, now=timezone.now())

        owner.before_answer = go_on
        rebuild()

        assert {user.id: user for user in Customer.objects.as_users()} == owner.users

    def test_goes_on_where_it_was_stopped(
        self, owner: Owner, many: list[User], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(operations, "REBUILD_PAGE", 500)
        owner.add(*many)
        answers = 0

        def fail_at_the_third_page() -> None:
            nonlocal answers
            answers += 1
            if answers > 3:
                raise requests.ConnectionError

        owner.before_answer = fail_at_the_third_page
        with pytest.raises(CommandError, match="stopped after 1000 users") as stopped:
            rebuild()
        owner.before_answer = lambda: None
        after = str(stopped.value).split("--after ")[1]

        assert rebuild(after=after) == "200 users, of which 200 were news to the copy\n"
        assert Customer.objects.count() == len(many)

    def test_says_when_the_owner_does_not_answer(self, db: None) -> None:
        with responses.RequestsMock(), pytest.raises(CommandError) as error:
            rebuild()

        assert error.value.returncode == 2
        assert "user_project cannot answer" in str(error.value)
        assert "Go on with: manage.py rebuild_customers" in str(error.value)

    def test_names_the_user_that_does_not_fit(self, owner: Owner, ann: Any) -> None:
        owner.add(replace(ann.user, name="x" * 1001))

        with pytest.raises(CommandError, match=f"name of {ann.id} is longer than 1000"):
            rebuild()

    def test_tells_a_program_how_far_it_came(
        self, owner: Owner, many: list[User], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        owner.add(*many)

        assert json.loads(rebuild(json=True)) == {
            "complete": True,
            "users": 1200,
            "applied": 1200,
            "after": None,
            "error": None,
        }

    def test_tells_a_program_where_to_go_on(self, db: None, ann: Any) -> None:
        out = StringIO()

        with responses.RequestsMock(), pytest.raises(CommandError):
            call_command("rebuild_customers", after=ann.id, json=True, stdout=out)

        answer = json.loads(out.getvalue())
        assert (answer["complete"], answer["after"]) == (False, ann.id)
        assert "user_project cannot answer" in answer["error"]

    def test_costs_a_call_and_a_statement_for_each_page(
        self,
        owner: Owner,
        many: list[User],
        monkeypatch: pytest.MonkeyPatch,
        django_assert_num_queries: Any,
    ) -> None:
        monkeypatch.setattr(operations, "REBUILD_PAGE", 100)
        owner.add(*many)

        with django_assert_num_queries(12 * writes()):
            rebuild()

        assert owner.answers == 1 + 12  # how many there are, and the pages
