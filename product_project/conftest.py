"""What every test may ask for: people with tokens, products, processes, and other databases."""

import json
import os
import re
import secrets
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from jwt.algorithms import RSAAlgorithm
from rest_framework.test import APIClient

from product_project.keys import KeySet, parse_key_set
from product_project.moving import connected
from products import operations
from products.models import Product

PROJECT = Path(__file__).parent


def make_key_set(kid: str) -> dict[str, Any]:
    """A private key set, as user_project has one."""
    key = RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, 2048), as_dict=True)
    return {"keys": [key | {"kid": kid}]}


def public_part(key_set: dict[str, Any]) -> KeySet:
    return parse_key_set(json.dumps(key_set))


USER_KEYS = make_key_set("user-1")  # user_project's, as far as these tests are concerned


def make_token(
    *, key_set: dict[str, Any] = USER_KEYS, kid: str | None = None, **claims: Any
) -> str:
    """A token as user_project gives it to Ann; `claims` replace its own."""
    now = int(time.time())
    key = key_set["keys"][0]
    honest = {
        "token_type": "access",
        "jti": uuid.uuid4().hex,
        "iss": "user",
        "sub": "a0000001-0000-4000-8000-000000000000",
        "is_staff": False,
        "iat": now,
        "exp": now + 900,
    }
    headers = {"kid": kid or key["kid"]}
    return jwt.encode(honest | claims, jwt.PyJWK(key).key, "RS256", headers=headers)


def client_with(token: str) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    return client


@dataclass(frozen=True)
class Person:
    """Someone whom only user_project knows."""

    id: str
    is_staff: bool

    @property
    def client(self) -> APIClient:
        return client_with(make_token(sub=self.id, is_staff=self.is_staff))


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings: None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """SQLite in a file, as everywhere but in tests: in memory, writers do not wait for another.

    In MySQL a database that keeps any character, whatever the server's are.
    """
    if connection.vendor == "sqlite":
        file = tmp_path_factory.mktemp("database") / "test.sqlite3"
        connection.settings_dict["TEST"]["NAME"] = str(file)
    elif connection.vendor == "mysql":
        connection.settings_dict["TEST"]["CHARSET"] = "utf8mb4"


@pytest.fixture(autouse=True)
def _keys_of_user_project(settings: Any) -> None:
    settings.USER_PUBLIC_KEYS = public_part(USER_KEYS)


@pytest.fixture
def ann() -> Person:
    """Buys; may change nothing here."""
    return Person("a0000001-0000-4000-8000-000000000000", is_staff=False)


@pytest.fixture
def cleo() -> Person:
    """Is staff, with a token of user_project."""
    return Person("c0000001-0000-4000-8000-000000000000", is_staff=True)


@pytest.fixture
def clerk(db: None) -> User:
    """Is staff of this service alone, and logs in to its admin."""
    return User.objects.create_superuser("clerk")


@pytest.fixture
def put_on_sale(db: None) -> Callable[..., Product]:
    """Puts a product into the catalogue; what is not said is as of the tent."""

    def put(sku: str = "TENT-2P", **details: Any) -> Product:
        tent: dict[str, Any] = {
            "name": "Ridge tent",
            "category": "shelter",
            "price": Decimal("249.00"),
        }
        return operations.create_product(sku=sku, changed_by="seed", **(tent | details))

    return put


@pytest.fixture
def tent(put_on_sale: Callable[..., Product]) -> Product:
    return put_on_sale()


def manage(*arguments: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """`manage.py` in a process of its own, with nothing but this in its environment."""
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(  # noqa: S603  # our own command
        command, cwd=PROJECT, env=env, capture_output=True, text=True, check=False
    )


def database_url() -> str:
    """The test database, as another process finds it."""
    name = connection.settings_dict["NAME"]
    if connection.vendor == "sqlite":
        return f"sqlite:///{name}"
    return re.sub(r"(?<=[^/])/[^/]*$", f"/{name}", os.environ["DATABASE_URL"])


# Where each server usually is, with its administrator; and a database in which to ask for another.
SERVERS = {
    "postgresql": ("POSTGRESQL_URL", "postgres://postgres@127.0.0.1:5432", "postgres"),
    "mysql": ("MYSQL_URL", "mysql://root@127.0.0.1:3306", "mysql"),
}


@pytest.fixture(scope="module", params=["sqlite", *SERVERS])
def another_database(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    django_db_blocker: Any,
) -> Iterator[str]:
    """The URL of an empty database, on each engine in turn; skips where there is no such server."""
    engine = request.param
    if engine == "sqlite":
        yield f"sqlite:///{tmp_path_factory.mktemp('another')}/database.sqlite3"
        return
    variable, usual, maintenance = SERVERS[engine]
    server = os.environ.get(variable, usual).rstrip("/")
    name = f"product_{secrets.token_hex(4)}"
    with django_db_blocker.unblock(), ExitStack() as stack:
        try:
            connection = stack.enter_context(connected(f"{server}/{maintenance}", variable, engine))
        except ImproperlyConfigured as reason:
            if engine in os.environ.get("REQUIRE_ENGINES", "").split(","):
                raise
            pytest.skip(f"{engine} cannot be used: {reason}")
        execute = stack.enter_context(connection.cursor()).execute
        execute(f"CREATE DATABASE {name}")
        stack.callback(execute, f"DROP DATABASE {name}")
        yield f"{server}/{name}"
