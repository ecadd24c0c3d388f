"""Drift is found wherever it is, traffic is never taken for it, and repair leaves none."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
import responses
from django.core.management import CommandError, call_command
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.users import User
from customers import drift, projection
from customers.digests import checksum, digest_customers, digest_in_python
from customers.drift import find_recent_suspects, find_suspects
from customers.models import Customer
from customers.operations import apply_user_events, apply_users, verify_customers
from customers.tests.conftest import Owner
from customers.tests.events import event_of


def corrupt(user: User, **fields: Any) -> None:
    """Change the copy behind everyone's back, as a hand in the database does."""
    Customer._base_manager.filter(id=user.id).update(**fields)


def at_once(seconds: float) -> None:
    """Time that passes without a test waiting for it."""


def verify(*, wait: Callable[[float], None] = at_once, **options: Any) -> Any:
    """Exit status and output of the command."""
    out = StringIO()
    try:
        call_command("verify_customers", stdout=out, wait=wait, **options)
    except CommandError as error:
        return error.returncode, out.getvalue()
    return 0, out.getvalue()


@pytest.fixture
def drifted(owner: Owner, many: list[User]) -> dict[str, User]:
    """A copy that is wrong in each way there is."""
    owner.add(*many)
    apply_users(users=many, now=timezone.now())
    missing, stale, ahead, extra, different = many[::250]
    projection.remove([missing.id])
    owner.change(stale, name="Changed")
    corrupt(ahead, version=99)
    del owner.users[extra.id]
    corrupt(different, name="Forged")
    return {
        "missing": missing,
        "stale": stale,
        "ahead": ahead,
        "extra": extra,
        "different": different,
    }


@pytest.mark.django_db
class TestVerifyCustomers:
    def test_finds_a_copy_equal(self, owner: Owner, many: list[User]) -> None:
        owner.add(*many)
        apply_users(users=many, now=timezone.now())

        assert verify() == (0, "the copy equals its owner\n")

    def test_names_each_kind_of_drift(self, drifted: dict[str, User]) -> None:
        status, output = verify(json=True)

        assert status == 1
        answer = json.loads(output)
        assert answer["drift"] == dict.fromkeys(drifted, 1)
        assert {each["kind"]: each["id"] for each in answer["examples"]} == {
            kind: user.id for kind, user in drifted.items()
        }
        assert not answer["equal"]

    def test_makes_the_copy_equal_by_repair(self, owner: Owner, drifted: dict[str, User]) -> None:
        status, output = verify(repair=True)

        assert status == 0
        assert "5 repaired" in output
        assert {user.id: user for user in Customer.objects.as_users()} == owner.users
        assert verify() == (0, "the copy equals its owner\n")

    def test_tells_when_the_owner_does_not_answer(self, db: None) -> None:
        with responses.RequestsMock():
            status, output = verify()

        assert (status, output) == (2, "")

    def test_tells_a_program_that_nobody_can_tell(self, db: None) -> None:
        with responses.RequestsMock():
            status, output = verify(json=True)

        answer = json.loads(output)
        assert (status, answer["equal"]) == (2, None)
        assert "user_project cannot answer" in answer["error"]

    @pytest.mark.parametrize("since", ["PT1H", "2026-01-31T12:00:00+00:00"])
    def test_looks_only_at_what_changed_since_a_moment(
        self, owner: Owner, ann: Any, bo: Any, since: str
    ) -> None:
        owner.add(ann.user)
        owner.add(bo.user, at=timezone.now() - timedelta(days=9999))

        status, output = verify(since=since, json=True)

        assert status == 1
        assert [each["id"] for each in json.loads(output)["examples"]] == [ann.id]

    @pytest.mark.parametrize("since", ["yesterday", "2026-02-31T12:00:00+00:00", "P", "2026-01-31"])
    def test_refuses_a_moment_that_is_none(self, db: None, since: str) -> None:
        assert verify(since=since) == (2, "")

    @pytest.mark.parametrize("since", [None, "PT1H"], ids=["all", "recent"])
    def test_costs_one_call_and_few_statements_where_nothing_differs(
        self, owner: Owner, many: list[User], since: str | None, django_assert_num_queries: Any
    ) -> None:
        long_ago = timezone.now() - timedelta(days=1)
        owner.add(*many, at=long_ago)
        apply_users(users=many, now=long_ago)

        with django_assert_num_queries(2 if since else 1):
            assert verify(since=since)[0] == 0

        assert owner.answers == 1

    def test_asks_for_the_users_only_where_digests_differ(
        self, owner: Owner, many: list[User], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        owner.add(*many)
        apply_users(users=many, now=timezone.now())
        corrupt(many[0], name="Forged")
        monkeypatch.setattr(drift, "PAGE", 3)
        asked = 0

        def count() -> None:
            nonlocal asked
            asked += 1

        owner.before_answer = count
        suspects = list(find_suspects())

        assert [suspect.id for suspect in suspects] == [many[0].id]
        assert asked < 8

    @settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(data=st.data(), page=st.sampled_from([1, 2, 7, 500]))
    def test_finds_and_repairs_any_drift(
        self, owner: Owner, data: st.DataObject, page: int
    ) -> None:
        ids = st.integers(0, 15).map(lambda n: f"{n:x}0000000-0000-0000-0000-00000000000{n % 3}")
        states = st.builds(
            User,
            id=ids,
            version=st.integers(1, 3),
            email=st.just(""),
            name=st.sampled_from(["Ann", "Bo"]),
            deleted=st.just(False),
        )
        either = st.lists(states, unique_by=lambda user: user.id)
        projection.remove(user.id for user in Customer.objects.as_users())
        owner.users.clear()
        owner.add(*data.draw(either))
        apply_users(users=data.draw(either), now=timezone.now())
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(drift, "PAGE", page)
            before = {user.id: user for user in Customer.objects.as_users()}
            wrong = {
                user_id
                for user_id in before.keys() | owner.users.keys()
                if before.get(user_id) != owner.users.get(user_id)
            }

            assert [each.id for each in find_suspects()] == sorted(wrong)
            verify(repair=True)

            assert {user.id: user for user in Customer.objects.as_users()} == owner.users


@pytest.mark.django_db
class TestTraffic:
    def test_does_not_take_an_event_on_its_way_for_drift(
        self, owner: Owner, ann: Any, bo: Any
    ) -> None:
        owner.add(ann.user, bo.user)
        changed = owner.change(ann.user, name="Ann Other")

        def arrive(seconds: float) -> None:
            apply_users(users=[changed, bo.user], now=timezone.now())

        assert verify(wait=arrive)[0] == 0

    def test_does_not_take_a_user_who_changes_all_the_time_for_drift(
        self, owner: Owner, ann: Any
    ) -> None:
        owner.add(ann.user)
        latest = ann.user

        def change(*args: Any) -> None:
            """As time goes by, the owner is always one version ahead."""
            nonlocal latest
            apply_users(users=[latest], now=timezone.now())
            latest = owner.change(latest, name=latest.name + "!")

        owner.before_answer = change

        assert verify(wait=change)[0] == 0

    def test_takes_what_the_owner_did_while_the_copy_was_ahead(
        self, owner: Owner, ann: Any
    ) -> None:
        owner.add(ann.user)
        apply_users(users=[replace(ann.user, version=9)], now=timezone.now())
        answers = 0

        def change_after_the_second_look() -> None:
            nonlocal answers
            answers += 1
            if answers == 4:  # digest, page, second look; now the repair asks once more
                event = event_of(owner.change(ann.user, name="Ann Other"))
                apply_user_events(payloads=[event], now=timezone.now())

        owner.before_answer = change_after_the_second_look
        status, _ = verify(repair=True)

        assert status == 0
        assert list(Customer.objects.as_users()) == list(owner.users.values())

    def test_leaves_alone_what_an_event_mended_first(self, owner: Owner, ann: Any) -> None:
        owner.add(ann.user)
        apply_users(users=[ann.user], now=timezone.now())
        corrupt(ann.user, name="Forged")
        [suspect] = find_suspects()
        newer = owner.change(ann.user, name="Ann Other")
        apply_users(users=[newer], now=timezone.now())

        verdict = verify_customers(
            suspects=[suspect], scope="all", repair=True, lag=0, wait=at_once
        )

        assert verdict.drifted == 0
        assert list(Customer.objects.as_users()) == [newer]


@pytest.mark.django_db
class TestFindRecentSuspects:
    def test_finds_what_changed_lately_on_either_side(
        self, owner: Owner, many: list[User], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(drift, "RECENT_PAGE", 2)
        now, before = timezone.now(), timezone.now() - timedelta(hours=1)
        missing, stale, late, forged, extra, old = many[:6]
        owner.add(*many[:6], at=before)
        apply_users(users=[stale, late, old], now=before)
        owner.change(stale, name="Changed")
        owner.add(missing, at=now)
        apply_users(users=[owner.change(late, name="Changed")], now=now)
        apply_users(users=[forged, extra], now=now)
        corrupt(forged, name="Forged")
        corrupt(old, name="Forged")
        del owner.users[extra.id]

        suspects = {suspect.id: suspect.kind for suspect in find_recent_suspects(now)}

        assert suspects == {
            missing.id: "missing",
            stale.id: "stale",
            forged.id: "different",
            extra.id: "extra",
        }

    def test_compares_all_where_very_many_are_recent(
        self, owner: Owner, many: list[User], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now = timezone.now()
        owner.add(*many)
        apply_users(users=many[1:], now=now)
        monkeypatch.setattr(drift, "MANY", 100)

        assert [suspect.id for suspect in find_recent_suspects(now)] == [many[0].id]


@pytest.mark.django_db
class TestDigestCustomers:
    def test_is_what_the_contract_says(self, ann: Any) -> None:
        # printf 'a0000001000000000000000000000000\x1f1\x1f0\x1fann@example.com\x1fAnn Example'
        # | md5sum
        assert checksum(ann.user) == 0x1141092773CD73A

    def test_is_the_same_in_the_database_and_in_python(self, many: list[User]) -> None:
        apply_users(users=many, now=timezone.now())
        apply_users(
            users=[replace(user, version=9, deleted=True) for user in many[:5]], now=timezone.now()
        )

        for prefix in ("", "00", many[0].id[:2]):
            digests = [
                (digest.prefix, digest.count, int(digest.digest, 16))
                for digest in digest_customers(prefix)
            ]
            assert digests == list(digest_in_python(prefix))
        assert sum(digest.count for digest in digest_customers("")) == len(many)
