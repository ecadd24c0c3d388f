"""/health/live and /health/ready: who is away, and whether that matters."""

from typing import Any

import pytest
from django.core.cache import cache
from django.db import OperationalError, connection
from django.test import Client

from conftest import send_to

pytestmark = pytest.mark.django_db


class TestReady:
    def test_is_ok_while_all_are_there(self, client: Client, broker: str):
        answer = client.get("/health/ready")

        assert answer.status_code == 200
        assert answer.json() == {"status": "ok", "database": "ok", "broker": "ok", "cache": "ok"}

    def test_is_degraded_but_serves_while_the_broker_is_away(self, client: Client, broker: str):
        send_to("redis://127.0.0.1:1/0")  # nothing listens there

        answer = client.get("/health/ready")

        assert answer.status_code == 200
        assert (answer.json()["status"], answer.json()["broker"]) == ("degraded", "away")

    def test_is_degraded_but_serves_while_the_cache_is_away(
        self, client: Client, broker: str, settings: Any
    ):
        settings.CACHES = {
            "default": {
                "BACKEND": "django_redis.cache.RedisCache",
                "LOCATION": "redis://127.0.0.1:1/0",
                "OPTIONS": {"IGNORE_EXCEPTIONS": True},
            }
        }
        cache.clear()

        answer = client.get("/health/ready")

        assert answer.status_code == 200
        assert (answer.json()["status"], answer.json()["cache"]) == ("degraded", "away")

    def test_is_unavailable_while_the_database_is_away(self, client: Client, broker: str):
        def away(*args: Any) -> None:
            raise OperationalError("the database is away")

        with connection.execute_wrapper(away):
            answer = client.get("/health/ready")
            alive = client.get("/health/live")

        assert answer.status_code == 503
        assert (answer.json()["status"], answer.json()["database"]) == ("unavailable", "away")
        assert alive.status_code == 200

    def test_is_asked_by_plain_http_from_the_inner_network(
        self, client: Client, broker: str, settings: Any
    ):
        settings.SECURE_SSL_REDIRECT = True

        for path in ("/health/live", "/health/ready", "/metrics"):
            assert client.get(path).status_code == 200
        assert client.get("/admin/").status_code == 301
