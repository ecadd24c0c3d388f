"""What stops a process at its start, and how it says so."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection, connections

from conftest import PROJECT, manage
from product_project.checks import require_database
from product_project.settings import database_at

AWAY = "postgres://ann:secret@127.0.0.1:1/catalogue"  # nothing listens on port 1


def said_in_one_sentence(started: "subprocess.CompletedProcess[str]") -> str:
    """What a process said when it refused to start."""
    assert started.returncode == 1
    assert started.stdout == ""
    assert started.stderr.startswith("product_project cannot start: ")
    assert started.stderr.count("\n") == 1
    assert "secret" not in started.stderr
    return started.stderr


class TestStart:
    @pytest.mark.parametrize(
        "command",
        [
            ["-m", "gunicorn", "product_project.wsgi"],
            ["manage.py", "runserver", "0"],
            ["manage.py", "migrate"],
            ["manage.py", "seed"],
        ],
        ids=lambda command: command[1],
    )
    def test_is_refused_while_the_database_is_away_to(self, command):
        started = subprocess.run(
            [sys.executable, *command],
            cwd=PROJECT,
            env={"DEBUG": "1", "DATABASE_URL": AWAY},
            capture_output=True,
            text=True,
        )

        said = said_in_one_sentence(started)
        assert "DATABASE_URL names the database 'catalogue', which cannot be used" in said
        assert "start its server, or correct host, port" in said

    def test_is_refused_by_a_driver_that_is_not_installed(self, tmp_path):
        (tmp_path / "MySQLdb.py").write_text("raise ImportError('no such module')")
        url = "mysql://ann:secret@127.0.0.1/catalogue"

        started = manage(
            "check", env={"DEBUG": "1", "DATABASE_URL": url, "PYTHONPATH": str(tmp_path)}
        )

        said = said_in_one_sentence(started)
        assert "DATABASE_URL asks for an engine without its driver" in said
        assert "pip install mysqlclient" in said

    def test_is_refused_by_a_secret_that_is_in_no_file(self):
        started = manage("check", env={"DEBUG": "1", "DATABASE_URL_FILE": "/nowhere/url"})

        assert "DATABASE_URL_FILE names /nowhere/url, which cannot" in said_in_one_sentence(started)

    @pytest.mark.parametrize("command", [["check"], ["migrate", "--help"]], ids=" ".join)
    def test_needs_no_database_to(self, command):
        assert manage(*command, env={"DEBUG": "1", "DATABASE_URL": AWAY}).returncode == 0


class TestDatabaseUrl:
    @pytest.mark.parametrize(
        ("url", "reason"),
        [
            ("oracle://ann:secret@127.0.0.1/catalogue", "must start with sqlite://"),
            ("//ann:secret@127.0.0.1/catalogue", "must start with sqlite://"),
            ("sqlite://ann:secret@127.0.0.1/catalogue", "cannot be read"),
            ("mysql://ann:secret@127.0.0.1", "names no database"),
            ("postgres://ann:secret/x@127.0.0.1/catalogue", "cannot be read"),
            ("postgres://ann:secret@127.0.0.1:port/catalogue", "cannot be read"),
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
        require_database()

    def test_is_refused_where_there_is_none(self, elsewhere):
        elsewhere["NAME"] = "no/such"

        with pytest.raises(ImproperlyConfigured, match="'no/such', which cannot be used"):
            require_database("elsewhere")

    @pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite knows no users")
    def test_is_refused_to_who_may_not_use_it(self, elsewhere):
        elsewhere |= {"USER": "nobody_here", "PASSWORD": "secret"}

        with pytest.raises(ImproperlyConfigured, match="nobody_here") as refusal:
            require_database("elsewhere")

        assert "correct host, port, user, password" in str(refusal.value)
        assert "secret" not in str(refusal.value)

    def test_is_refused_on_a_server_that_is_too_old(self, elsewhere, monkeypatch):
        monkeypatch.setattr(type(connection.features), "minimum_database_version", (99,))

        with pytest.raises(ImproperlyConfigured, match=r"too old: .* 99 or later .* Upgrade it"):
            require_database("elsewhere")

    @pytest.mark.skipif(connection.vendor != "mysql", reason="only MySQL's servers differ in this")
    def test_is_refused_where_it_cannot_keep_any_character(self, elsewhere):
        elsewhere["NAME"] += "_latin"
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {elsewhere['NAME']} CHARACTER SET latin1")

        with pytest.raises(
            ImproperlyConfigured, match=r"keeps latin1 alone.*CHARACTER SET utf8mb4"
        ):
            require_database("elsewhere")

        with connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE {elsewhere['NAME']}")
