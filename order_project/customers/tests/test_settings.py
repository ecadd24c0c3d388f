"""What the environment must say before the service starts, as a deployment would see it."""

import json
import re
import secrets
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command

from order_project.celery import app
from order_project.engines import database_at
from order_project.keys import generate_key_set, public_key_set

PROJECT = Path(__file__).parents[2]
KEYS = generate_key_set()
FILLED_IN = {
    "SECRET_KEY": secrets.token_urlsafe(50),
    "SIGNING_KEYS": json.dumps(KEYS),
    "USER_PUBLIC_KEYS": json.dumps(public_key_set(KEYS)),
    "ALLOWED_HOSTS": "orders.example.com",
}


def example() -> dict[str, str]:
    lines = (PROJECT / ".env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if re.match("[A-Z]", line))


def manage(*arguments: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(command, cwd=PROJECT, env=env, capture_output=True, text=True)


class TestSettings:
    def test_refuse_an_empty_environment_and_name_what_is_missing(self):
        started = manage("check", env={})

        assert started.returncode != 0
        assert started.stderr == (
            "order_project cannot start: set SECRET_KEY, ALLOWED_HOSTS, BROKER_URL, CACHE_URL, "
            "SIGNING_KEYS, USER_PUBLIC_KEYS, USER_URL, PRODUCT_URL, INVENTORY_URL in the "
            "environment (.env.example explains each), or DEBUG=1 to try the service out\n"
        )

    def test_are_fit_for_production_with_the_example_filled_in(self):
        env = example()
        assert {name for name, value in env.items() if not value} == set(FILLED_IN)

        checked = manage("check", "--deploy", "--fail-level", "WARNING", env=env | FILLED_IN)

        assert checked.returncode == 0, checked.stderr
        assert "no issues" in checked.stdout

    @pytest.mark.parametrize(
        ("name", "value", "reason"),
        [
            ("SIGNING_KEYS", "nonsense", "malformed"),
            ("SIGNING_KEYS", json.dumps(public_key_set(KEYS)), "missing required field `d`"),
            ("USER_PUBLIC_KEYS", '{"keys": []}', "it has no keys"),
            ("DATABASE_URL", "mysql://user:secret@127.0.0.1/name", "must start with sqlite://"),
        ],
    )
    def test_refuse_a_wrong_value_by_its_name(self, name, value, reason):
        started = manage("check", env=example() | FILLED_IN | {name: value})

        assert started.returncode != 0
        assert name in started.stderr
        assert reason in started.stderr
        assert "Traceback" not in started.stderr
        assert "secret" not in started.stderr


class TestDatabaseAt:
    @pytest.mark.parametrize(
        "url",
        [
            "mongodb://ann:p%40ss@one:27017,two:27018/orders?replicaSet=rs0&authSource=admin",
            "mongodb+srv://ann:p%40ss@cluster.example.com/orders?retryWrites=true",
        ],
    )
    def test_leaves_a_url_of_several_servers_to_the_driver(self, url):
        database = database_at(url)

        assert (database["HOST"], database["NAME"]) == (url, "orders")

    @pytest.mark.parametrize(
        ("url", "reason"),
        [
            ("mongodb://ann:se@cret@127.0.0.1/orders", "cannot be read"),
            ("mongodb://ann:secret@127.0.0.1/orders?nonsense=1", "cannot be read"),
            ("mongodb://ann:secret@127.0.0.1", "names no database"),
            ("postgres://ann:sec/ret@127.0.0.1:5432/orders", "cannot be read"),
        ],
    )
    def test_refuses_what_it_cannot_read_without_repeating_it(self, url, reason):
        with pytest.raises(ImproperlyConfigured, match=f"DATABASE_URL {reason}") as refusal:
            database_at(url)

        assert "cret" not in str(refusal.value)

    def test_keeps_what_the_url_says_of_its_options(self):
        assert database_at("mongodb://h/n")["OPTIONS"] == {"serverSelectionTimeoutMS": 5000}
        assert database_at("mongodb://h/n?serverSelectionTimeoutMS=9")["OPTIONS"] == {}


class TestBeat:
    def test_starts_tasks_that_exist(self):
        app.loader.import_default_modules()

        tasks = {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}

        assert tasks <= set(app.tasks)
        assert len(tasks) == 3 + settings.BROKER_DEAD_LETTERS  # which are to be collected


@pytest.mark.django_db
def test_migrations_say_all_that_models_say():
    call_command("makemigrations", "--check", "--dry-run")
