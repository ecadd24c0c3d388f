"""Events reach the copy in any order, any number of times, and a bad one stops no other."""

import json
import random
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from django.db.models import Q, UniqueConstraint
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.users import User
from customers import projection
from customers.drift import batches
from customers.models import Customer, RejectedEvent
from customers.operations import Applied, apply_user_events, apply_users
from customers.tests.events import event_of

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def copy_of(user: User) -> User | None:
    return next(Customer.objects.filter(id=user.id).as_users(), None)


def writes() -> int:
    """The statements that one write of the copy takes; Django does not see MongoDB's."""
    return 0 if connection.vendor == "mongodb" else 1


@st.composite
def histories(draw: st.DrawFn) -> tuple[dict[str, User], list[list[User]]]:
    """What some users went through, and its events: repeated, shuffled and cut into batches."""
    last: dict[str, User] = {}
    events: list[User] = []
    names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5)
    for number in range(draw(st.integers(1, 4))):
        user_id = str(uuid.UUID(int=number))
        versions = draw(st.integers(1, 5))
        for version in range(1, versions + 1):
            user = User(id=user_id, version=version, email="", name=draw(names), deleted=False)
            if version == versions and draw(st.booleans()):
                user = replace(user, name="", deleted=True)
            events += [user] * draw(st.integers(1, 3))
            last[user_id] = user
    shuffled = draw(st.permutations(events))
    batches: list[list[User]] = [[]]
    for user in shuffled:
        if draw(st.booleans()):
            batches.append([])
        batches[-1].append(user)
    return last, batches


@pytest.mark.django_db
class TestApplyUserEvents:
    @settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(history=histories())
    def test_ends_where_the_owner_did_in_whatever_order_events_come(
        self, history: tuple[dict[str, User], list[list[User]]]
    ) -> None:
        projection.remove(user.id for user in Customer.objects.as_users())
        last, batches = history

        outcomes = [
            apply_user_events(payloads=[event_of(user) for user in batch], now=NOW)
            for batch in batches
        ]

        assert {user.id: user for user in Customer.objects.as_users()} == last
        total = sum(outcomes, Applied())
        assert total.applied + total.stale == sum(map(len, batches))

    @pytest.mark.skipif(connection.vendor == "mongodb", reason="Django logs no bulk write")
    def test_writes_a_batch_of_500_by_one_statement(self, many: list[User]) -> None:
        payloads = [event_of(user) for user in many[:500]]

        with CaptureQueriesContext(connection) as queries:
            applied = apply_user_events(payloads=payloads, now=NOW)

        writes = [each for each in queries if Customer._meta.db_table in each["sql"]]
        assert len(writes) == 1
        assert applied == Applied(applied=500)
        assert Customer.objects.count() == 500

    @pytest.mark.parametrize("size", [1, 500])
    def test_costs_as_many_statements_whatever_the_size_of_the_message(
        self, many: list[User], size: int, django_assert_num_queries: Any
    ) -> None:
        payloads = [event_of(user) for user in many[:size]]
        savepoints = 0 if connection.vendor == "mongodb" else 2  # the test's own transaction

        with django_assert_num_queries(savepoints + writes()):
            apply_user_events(payloads=payloads, now=NOW)

    def test_tells_what_was_news_and_what_was_stale(self, ann: Any, bo: Any) -> None:
        renamed = replace(ann.user, version=2, name="Ann Other")
        payloads = [event_of(ann.user), event_of(renamed), event_of(bo.user, requestid="r1")]
        apply_user_events(payloads=payloads, now=NOW)

        again = apply_user_events(payloads=payloads, now=NOW)

        assert again == Applied(applied=0, stale=3, request_ids=frozenset({"r1"}))
        assert copy_of(ann.user) == renamed

    def test_notes_when_the_owner_changed_it_and_when_it_came(self, ann: Any) -> None:
        apply_user_events(payloads=[event_of(ann.user)], now=NOW)

        customer = Customer.objects.get(id=ann.id)
        assert customer.changed_at == datetime(2026, 3, 1, 11, tzinfo=UTC)
        assert customer.synced_at == NOW

    def test_keeps_an_erased_user_erased_when_an_old_event_comes_late(self, ann: Any) -> None:
        erased = replace(ann.user, version=3, email="", name="", deleted=True)

        apply_user_events(payloads=[event_of(erased)], now=NOW)
        apply_user_events(payloads=[event_of(replace(ann.user, version=2))], now=NOW)

        assert copy_of(ann.user) == erased

    def test_keeps_no_personal_data_in_a_tombstone(self, ann: Any) -> None:
        careless = replace(ann.user, version=2, deleted=True)

        apply_user_events(payloads=[event_of(careless)], now=NOW)

        assert copy_of(ann.user) == replace(careless, email="", name="")

    def test_lets_two_users_swap_addresses(self, ann: Any, bo: Any) -> None:
        apply_users(users=[ann.user, bo.user], now=NOW)

        with_bos = replace(ann.user, version=2, email=bo.user.email)
        apply_user_events(payloads=[event_of(with_bos)], now=NOW)

        assert Customer.objects.filter(email=bo.user.email).count() == 2

    def test_ignores_fields_it_does_not_know(self, ann: Any) -> None:
        event = event_of(ann.user, datacontenttype="application/json")
        event["data"]["nickname"] = "Annie"

        applied = apply_user_events(payloads=[event], now=NOW)

        assert applied.applied == 1

    @pytest.mark.parametrize(
        ("spoil", "error"),
        [
            (lambda e: e.pop("data"), "missing required field `data`"),
            (lambda e: e["data"].pop("version"), "missing required field `version`"),
            (lambda e: e["data"].update(version="2"), "Expected `int`, got `str`"),
            (lambda e: e["data"].update(version=True), "Expected `int`, got `bool`"),
            (lambda e: e["data"].update(version=0), "not a positive bigint"),
            (lambda e: e["data"].update(version=2**63), "not a positive bigint"),
            (lambda e: e["data"].update(deleted=None), "Expected `bool`, got `null`"),
            (lambda e: e["data"].update(name="a\0b"), "no database can store"),
            (lambda e: e["data"].update(name="a\ud800b"), "no database can store"),
            (lambda e: e["data"].update(name="x" * 1001), "longer than 1000"),
            (lambda e: e["data"].update(email="x" * 321), "longer than 320"),
            (lambda e: e["data"].update(id="ann"), "is not the id of the data"),
            (lambda e: e.update(subject="ann") or e["data"].update(id="ann"), "not a UUID"),
            (lambda e: e.update(type="user_promoted"), "Invalid enum value"),
            (lambda e: e.update(specversion="2.0"), "Invalid enum value"),
            (lambda e: e.update(time="yesterday"), "not ISO 8601"),
            (lambda e: e.update(time="2026-03-01T12:00:00"), "with an offset"),
        ],
    )
    def test_rejects_what_it_cannot_read_and_applies_the_rest(
        self, ann: Any, bo: Any, spoil: Any, error: str
    ) -> None:
        bad = event_of(ann.user)
        spoil(bad)

        applied = apply_user_events(payloads=[bad, event_of(bo.user)], now=NOW)

        assert (applied.applied, applied.rejected) == (1, 1)
        rejected = RejectedEvent.objects.get()
        assert error in rejected.error
        assert json.loads(rejected.payload) == bad
        assert copy_of(bo.user) == bo.user

    @pytest.mark.parametrize("payload", [None, 7, "text", [], {}, [{"data": 1}]])
    def test_rejects_what_is_no_event_at_all(self, payload: object) -> None:
        applied = apply_user_events(payloads=[payload], now=NOW)

        assert applied.rejected == 1
        assert json.loads(RejectedEvent.objects.get().payload) == payload

    def test_rejects_what_is_nested_too_deeply_and_applies_the_rest(self, ann: Any) -> None:
        deep: Any = {}
        for _ in range(5000):
            deep = {"data": deep}

        applied = apply_user_events(payloads=[deep, event_of(ann.user)], now=NOW)

        assert (applied.applied, applied.rejected) == (1, 1)
        assert "too deep" in RejectedEvent.objects.get().payload

    def test_rejects_once_what_is_delivered_twice(self) -> None:
        for _ in range(2):
            apply_user_events(payloads=[{"bad": 1}, {"bad": 1}, {"bad": 2}], now=NOW)

        assert RejectedEvent.objects.count() == 2

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.skipif(connection.vendor == "mongodb", reason="it fails by document there")
    def test_rejects_what_only_the_database_refuses_and_applies_the_rest(
        self, ann: Any, bo: Any
    ) -> None:
        unforeseen = UniqueConstraint(fields=["name"], condition=~Q(name=""), name="no_namesakes")
        with connection.schema_editor() as editor:
            editor.add_constraint(Customer, unforeseen)

        try:
            payloads = [event_of(ann.user), event_of(replace(bo.user, name=ann.user.name))]
            applied = apply_user_events(payloads=payloads, now=NOW)
        finally:
            with connection.schema_editor() as editor:
                editor.remove_constraint(Customer, unforeseen)

        assert (applied.applied, applied.rejected) == (1, 1)
        assert "IntegrityError" in RejectedEvent.objects.get().error
        assert copy_of(ann.user) == ann.user

    @pytest.mark.django_db(transaction=True)
    def test_ends_alike_where_workers_are_side_by_side(self, many: list[User]) -> None:
        events = [
            event_of(replace(user, version=version)) for user in many[:60] for version in (1, 2, 3)
        ]

        def work(seed: int) -> None:
            shuffled = random.Random(seed).sample(events, len(events))  # noqa: S311 - a shuffle
            for batch in batches(shuffled, 30):
                apply_user_events(payloads=batch, now=NOW)
            connection.close()

        with ThreadPoolExecutor(4) as workers:
            list(workers.map(work, range(4)))

        assert {user.id: user.version for user in Customer.objects.as_users()} == {
            user.id: 3 for user in many[:60]
        }


@pytest.mark.django_db
class TestApplyUsers:
    def test_applies_nothing_where_one_user_does_not_fit(self, ann: Any, bo: Any) -> None:
        too_long = replace(bo.user, name="x" * 1001)

        with pytest.raises(projection.UnfitUser, match=f"name of {bo.id} is longer than 1000"):
            apply_users(users=[ann.user, too_long], now=timezone.now())

        assert not Customer.objects.exists()
