"""What stops a process at its start, and how it says so."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection, connections
from redis import Redis

from inventory_project import checks
from inventory_project.settings import database_at

PROJECT = Path(__file__).parents[2]
DATABASE_AWAY = {"DATABASE_URL": "postgres://ann:secret@127.0.0.1:1/warehouse"}  # a closed port
STOCK_AWAY = {"STOCK_URL": "redis://ann:secret@127.0.0.1:1/3"}

GUNICORN = ["-m", "gunicorn", "inventory_project.wsgi"]


def start(command: list[str], **environment: str) -> "subprocess.CompletedProcess[str]":
    """A process that has ended; nothing else is in its environment."""
    return subprocess.run(
        [sys.executable, *command],
        cwd=PROJECT,
        env={"DEBUG": "1"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def said_in_one_sentence(started: "subprocess.CompletedProcess[str]") -> str:
    """What a process said when it refused to start."""
    assert started.returncode == 1
    assert started.stdout == ""
    assert started.stderr.startswith("inventory_project cannot start: ")
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
            ["manage.py", "copy_ledger"],
        ],
        ids=lambda command: command[1],
    )
    def test_is_refused_while_the_database_is_away_to(self, command):
        said = said_in_one_sentence(start(command, **DATABASE_AWAY))

        assert "DATABASE_URL names the database 'warehouse', which cannot be used" in said
        assert "start its server, or correct host, port" in said

    @pytest.mark.parametrize(
        "command",
        [GUNICORN, ["manage.py", "runserver", "0"], ["manage.py", "copy_ledger"]],
        ids=lambda command: command[1],
    )
    def test_is_refused_while_the_stock_is_away_to(self, command):
        said = said_in_one_sentence(start(command, **STOCK_AWAY))

        assert "STOCK_URL names a Redis that cannot be used" in said
        assert "start it, or correct host, port" in said

    def test_is_refused_by_a_driver_that_is_not_installed(self, tmp_path):
        (tmp_path / "MySQLdb.py").write_text("raise ImportError('no such module')")
        url = "mysql://ann:secret@127.0.0.1/warehouse"

        started = start(["manage.py", "check"], DATABASE_URL=url, PYTHONPATH=str(tmp_path))

        said = said_in_one_sentence(started)
        assert "DATABASE_URL asks for an engine without its driver" in said
        assert "pip install mysqlclient" in said

    def test_is_refused_by_a_secret_that_is_in_no_file(self):
        said = said_in_one_sentence(start(["manage.py", "check"], STOCK_URL_FILE="/nowhere/url"))

        assert "STOCK_URL_FILE names /nowhere/url, which cannot be read" in said

    @pytest.mark.parametrize("url", ["memcached://ann:secret@127.0.0.1", "redis://ann:secret/@x"])
    def test_is_refused_by_an_address_that_is_none(self, url):
        said = said_in_one_sentence(start(["manage.py", "check"], STOCK_URL=url))

        assert "STOCK_URL must start with redis:// or rediss://" in said

    def test_needs_neither_database_nor_stock_to_check(self):
        assert start(["manage.py", "check"], **DATABASE_AWAY, **STOCK_AWAY).returncode == 0

    def test_needs_no_stock_to_migrate(self, tmp_path):
        url = f"sqlite:///{tmp_path}/db.sqlite3"

        migrated = start(["manage.py", "migrate", "--plan"], DATABASE_URL=url, **STOCK_AWAY)

        assert migrated.returncode == 0


class TestDatabaseUrl:
    @pytest.mark.parametrize(
        ("url", "reason"),
        [
            ("oracle://ann:secret@127.0.0.1/warehouse", "must start with sqlite://"),
            ("//ann:secret@127.0.0.1/warehouse", "must start with sqlite://"),
            ("sqlite://ann:secret@127.0.0.1/warehouse", "cannot be read"),
            ("mysql://ann:secret@127.0.0.1", "names no database"),
            ("postgres://ann:secret/x@127.0.0.1/warehouse", "cannot be read"),
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


@pytest.fixture
def redis(valkey_url: str, settings: Any) -> Iterator[Redis]:
    """The Redis that STOCK_URL names; its users and its configuration are as before in the end."""
    settings.STOCK_URL = valkey_url
    with Redis.from_url(valkey_url, decode_responses=True) as client:
        before = client.config_get("appendonly", "maxmemory-policy")
        yield client
        for name, value in before.items():
            client.config_set(name, value)
        client.acl_deluser("ann")


class TestStock:
    def test_may_be_in_the_database(self, settings):
        settings.STOCK_URL = ""

        checks.require_stock()

    def test_may_be_in_a_redis_that_keeps_it(self, redis):
        checks.require_stock()

    def test_is_refused_by_one_that_forgets_it(self, redis):
        redis.config_set("appendonly", "no")

        with pytest.raises(
            ImproperlyConfigured, match=r"^STOCK_URL names a Redis that would forget"
        ):
            checks.require_stock()

    @pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
    def test_is_refused_by_one_that_may_drop_it(self, redis, policy):
        redis.config_set("maxmemory-policy", policy)

        with pytest.raises(ImproperlyConfigured, match=f"may drop stock .*{policy}.* noeviction"):
            checks.require_stock()

    def test_is_refused_by_one_that_is_too_old(self, redis, monkeypatch):
        monkeypatch.setattr(checks, "OLDEST_REDIS", (99, 0))

        with pytest.raises(ImproperlyConfigured, match=r"names a Redis \d.*, which is too old"):
            checks.require_stock()

    @pytest.mark.parametrize(
        ("rights", "password", "reason"),
        [("+@all", "wrong", "invalid username-password pair"), ("+@read", "secret", "'info'")],
    )
    def test_is_refused_to_who_may_not_use_it(self, redis, settings, rights, password, reason):
        redis.acl_setuser("ann", enabled=True, passwords=["+secret"], categories=[rights])
        settings.STOCK_URL = settings.STOCK_URL.replace("://", f"://ann:{password}@")

        with pytest.raises(ImproperlyConfigured, match=r"^STOCK_URL .*\+info") as refusal:
            checks.require_stock()

        assert reason in str(refusal.value)
        assert "secret" not in str(refusal.value)

    def test_may_be_where_configuration_is_not_ours_to_read(self, redis, settings):
        redis.acl_setuser("ann", enabled=True, passwords=["+secret"], commands=["+info", "+hello"])
        settings.STOCK_URL = settings.STOCK_URL.replace("://", "://ann:secret@")

        checks.require_stock()
