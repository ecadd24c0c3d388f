"""The copy over HTTP: for staff alone, and to look at alone."""

import uuid
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from contracts.users import User
from customers.operations import apply_users

URL = "/api/v1/customers/"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def copied(db: None, ann: Any, bo: Any) -> None:
    erased = replace(bo.user, id=str(uuid.uuid4()), deleted=True)
    apply_users(users=[ann.user, bo.user, erased], now=NOW)


class TestListCustomers:
    def test_shows_the_copy_to_staff(self, copied: None, cleo: Any, ann: Any) -> None:
        answer = cleo.client.get(URL).json()

        assert answer["count"] == 3
        assert [each["email"] for each in answer["results"]] == [
            "ann@example.com",
            "bo@example.com",
            "",
        ]
        assert answer["results"][0] == {
            "id": ann.id,
            "version": 1,
            "email": "ann@example.com",
            "name": "Ann Example",
            "is_deleted": False,
            "changed_at": None,
            "synced_at": "2026-03-01T12:00:00Z",
        }

    @pytest.mark.parametrize("term", ["ANN@", "ann exam"])
    def test_searches_e_mails_and_names(self, copied: None, cleo: Any, ann: Any, term: str) -> None:
        found = cleo.client.get(URL, {"search": term}).json()["results"]

        assert [each["id"] for each in found] == [ann.id]

    def test_takes_two_queries_for_a_page(
        self, many: list[User], cleo: Any, django_assert_num_queries: Any
    ) -> None:
        apply_users(users=many, now=timezone.now())

        with django_assert_num_queries(2):
            answer = cleo.client.get(URL, {"page": 2})

        assert len(answer.json()["results"]) == 50

    def test_is_closed_to_everyone_else(self, copied: None, ann: Any) -> None:
        assert ann.client.get(URL).status_code == 403
        assert APIClient().get(URL).status_code == 401

    @pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
    def test_has_no_way_to_write(self, copied: None, cleo: Any, ann: Any, method: str) -> None:
        for url in (URL, f"{URL}{ann.id}/"):
            assert getattr(cleo.client, method)(url, {}).status_code == 405


class TestRetrieveCustomer:
    def test_shows_one_of_the_copy(self, copied: None, cleo: Any, bo: Any) -> None:
        answer = cleo.client.get(f"{URL}{bo.id}/")

        assert answer.status_code == 200
        assert answer.json()["name"] == bo.user.name

    @pytest.mark.parametrize("user_id", [str(uuid.uuid4()), "ann"])
    def test_knows_nobody_else(self, copied: None, cleo: Any, user_id: str) -> None:
        answer = cleo.client.get(f"{URL}{user_id}/")

        assert answer.status_code == 404
        assert f"no user {user_id}: look again" in answer.json()["detail"]
