import uuid
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlparse

import msgspec
import pytest
from responses.matchers import query_param_matcher

from clients.users import UsersUnavailable, fetch_digests, fetch_user_page, fetch_users
from contracts.users import User, UserDigest, UserDigests, UserPage

USERS = "http://127.0.0.1:8001/api/v1/internal/users/"
ANN = User(id="a0", version=3, email="ann@example.com", name="Ann", deleted=False)
ANN_JSON = msgspec.to_builtins(ANN)


class TestFetchUsers:
    def test_asks_for_many_at_once(self, border):
        border.get(
            USERS,
            json={"users": [ANN_JSON], "next": None},
            match=[query_param_matcher({"ids": "a0,b0"})],
        )

        assert fetch_users(["a0", "b0"]) == (ANN,)

    def test_asks_in_lines_no_server_refuses(self, border):
        border.get(USERS, json={"users": [ANN_JSON], "next": None})
        ids = [str(uuid.uuid4()) for _ in range(250)]

        assert len(fetch_users(ids)) == 3
        asked = [parse_qs(urlparse(call.request.url).query)["ids"][0] for call in border.calls]
        assert ",".join(asked).split(",") == ids
        assert all(len(call.request.path_url) < 4000 for call in border.calls)

    def test_asks_nobody_for_nothing(self, border):
        assert fetch_users([]) == ()

    def test_shows_a_service_token(self, border):
        border.get(USERS, json={"users": [], "next": None})

        fetch_users(["a0"])

        assert border.calls[0].request.headers["Authorization"].startswith("Bearer ")

    def test_says_that_the_owner_is_away(self, border):
        border.get(USERS, status=500)

        with pytest.raises(UsersUnavailable, match="user_project"):
            fetch_users(["a0"])


class TestFetchUserPage:
    def test_begins_at_the_beginning(self, border):
        border.get(
            USERS,
            json={"users": [ANN_JSON], "next": "a0"},
            match=[query_param_matcher({"limit": "500"})],
        )

        assert fetch_user_page(None, 500) == UserPage(users=(ANN,), next="a0")

    def test_goes_on_after_an_id(self, border):
        border.get(
            USERS,
            json={"users": [], "next": None},
            match=[query_param_matcher({"after": "a0", "limit": "500"})],
        )

        assert fetch_user_page("a0", 500) == UserPage(users=(), next=None)

    def test_asks_for_those_that_changed_lately(self, border):
        border.get(
            USERS,
            json={"users": [ANN_JSON], "next": None},
            match=[
                query_param_matcher({"changed_since": "2026-03-01T12:00:00+00:00", "limit": "9"})
            ],
        )

        page = fetch_user_page(None, 9, changed_since=datetime(2026, 3, 1, 12, tzinfo=UTC))

        assert page.users == (ANN,)


class TestFetchDigests:
    def test_asks_for_what_is_below_a_prefix(self, border):
        found = UserDigests(digests=(UserDigest(prefix="a0ff", count=2, digest="0123456789abcde"),))
        border.get(
            f"{USERS}digest/",
            json=msgspec.to_builtins(found),
            match=[query_param_matcher({"prefix": "a0"})],
        )

        assert fetch_digests("a0") == found

    def test_asks_for_all(self, border):
        border.get(
            f"{USERS}digest/", json={"digests": []}, match=[query_param_matcher({"prefix": ""})]
        )

        assert fetch_digests("") == UserDigests(digests=())
