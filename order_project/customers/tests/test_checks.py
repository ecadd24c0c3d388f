"""What stops a process at its start, and how it says so."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import connection, connections
from kombu import Connection, Producer
from redis import Redis

from order_project import checks
from order_project.celery import app

PROJECT = Path(__file__).parents[2]
DATABASE_AWAY = {"DATABASE_URL": "postgres://ann:secret@127.0.0.1:1/orders"}  # a closed port

GUNICORN = ["-m", "gunicorn", "order_project.wsgi"]
WORKER = ["-m", "celery", "-A", "order_project", "worker"]
BEAT = ["-m", "celery", "--quiet", "-A", "order_project", "beat"]


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


def here(folder: Path) -> dict[str, str]:
    """A database that is there, and no cache."""
    return {"DATABASE_URL": f"sqlite:///{folder}/db.sqlite3", "CACHE_URL": "locmemcache://"}


def said_in_one_sentence(started: "subprocess.CompletedProcess[str]") -> str:
    """What a process said when it refused to start; as root, Celery says before that it is."""
    assert started.returncode == 1
    assert started.stdout == ""
    *_, said = started.stderr.splitlines()
    assert said.startswith("order_project cannot start: ")
    assert "Traceback" not in started.stderr
    assert "secret" not in started.stderr
    return said


class TestStart:
    @pytest.mark.parametrize(
        "command",
        [
            GUNICORN,
            ["manage.py", "runserver", "0"],
            ["manage.py", "migrate"],
            ["manage.py", "resume_orders"],
            WORKER,
        ],
        ids=["gunicorn", "runserver", "migrate", "resume_orders", "worker"],
    )
    def test_is_refused_while_the_database_is_away_to(self, command):
        said = said_in_one_sentence(start(command, **DATABASE_AWAY))

        assert "DATABASE_URL names the database 'orders', which cannot be used" in said
        assert "start its server, or correct host, port" in said

    @pytest.mark.parametrize(
        "command", [GUNICORN, WORKER, BEAT], ids=["gunicorn", "worker", "beat"]
    )
    def test_is_refused_by_a_setting_to(self, command):
        said = said_in_one_sentence(start(command, BROKER_URL="kafka://ann:secret@127.0.0.1"))

        assert "BROKER_URL must start with amqp://" in said

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
            ["-c", "import order_project.wsgi"], DATABASE_URL=url, BROKER_URL=away, CACHE_URL=away
        )

        assert (loaded.returncode, loaded.stderr) == (0, "")


@pytest.fixture
def elsewhere(transactional_db: None) -> Iterator[Any]:
    """The settings of a connection like the one under test, to be changed."""
    connections["elsewhere"] = connection.copy("elsewhere")
    yield connections["elsewhere"].settings_dict
    del connections["elsewhere"]


class TestDatabase:
    def test_may_be_this_one(self, db):
        checks.require_database()

    @pytest.mark.skipif(connection.vendor == "mongodb", reason="MongoDB makes what is not there")
    def test_is_refused_where_there_is_none(self, elsewhere):
        elsewhere["NAME"] = "no/such"

        with pytest.raises(ImproperlyConfigured, match="'no/such', which cannot be used"):
            checks.require_database("elsewhere")

    @pytest.mark.skipif(connection.vendor != "postgresql", reason="the others here know no users")
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


RABBITMQCTL = shutil.which("rabbitmqctl") or ""
on_rabbitmq = pytest.mark.skipif(
    not settings.BROKER_DEAD_LETTERS, reason="BROKER_URL names no RabbitMQ virtual host"
)


def rabbitmqctl(*words: str) -> None:
    subprocess.run([RABBITMQCTL, "--quiet", *words], check=True, capture_output=True)


@pytest.fixture
def rabbitmq_user() -> Iterator[Callable[[str, str], str]]:
    """Makes a user that may write to some exchanges, and read some queues; returns the URL."""
    call_command("declare_queues")
    url, name = urlsplit(settings.BROKER_URL), f"ann_{uuid4().hex}"
    rabbitmqctl("add_user", name, "secret")

    def make(write: str, read: str) -> str:
        rabbitmqctl("set_permissions", "-p", url.path[1:] or "/", name, "^$", write, read)
        return url._replace(netloc=f"{name}:secret@{url.netloc.rpartition('@')[2]}").geturl()

    yield make
    rabbitmqctl("delete_user", name)


class TestBroker:
    @pytest.mark.parametrize("command", [WORKER, BEAT], ids=["worker", "beat"])
    @pytest.mark.parametrize(
        ("password", "rights", "reason"),
        [
            ("wrong", "+@all", "invalid username-password pair"),
            ("secret", "-@all", "no permissions"),
        ],
    )
    def test_stops_who_is_turned_away_by_redis(
        self, tmp_path, valkey_url, command, password, rights, reason
    ):
        with Redis.from_url(valkey_url) as client:
            client.acl_setuser("ann", enabled=True, passwords=["+secret"], categories=[rights])
            url = valkey_url.replace("://", f"://ann:{password}@")

            said = said_in_one_sentence(start(command, **here(tmp_path), BROKER_URL=url))

            client.acl_deluser("ann")
        assert "BROKER_URL names a broker that turns us away" in said
        assert reason in said

    @on_rabbitmq
    @pytest.mark.parametrize("command", [WORKER, BEAT], ids=["worker", "beat"])
    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"netloc": "guest:secret@{host}"}, "Login was refused"),
            ({"path": "/no-such-host"}, "vhost no-such-host not found"),
        ],
        ids=["password", "virtual host"],
    )
    def test_stops_who_is_not_let_in_by_rabbitmq(self, tmp_path, command, change, reason):
        url = urlsplit(settings.BROKER_URL)
        host = url.netloc.rpartition("@")[2]
        changed = url._replace(**{part: text.format(host=host) for part, text in change.items()})

        said = said_in_one_sentence(start(command, **here(tmp_path), BROKER_URL=changed.geturl()))

        assert "BROKER_URL names a broker that turns us away" in said
        assert reason in said

    @on_rabbitmq
    @pytest.mark.skipif(not RABBITMQCTL, reason="users of RabbitMQ are made by rabbitmqctl")
    @pytest.mark.parametrize(
        ("command", "write", "read", "reason"),
        [
            (WORKER, "^order$", "^order.tasks$", "access to queue 'order.user-events'"),
            (BEAT, "^events$", "^order.tasks$", "access to exchange 'order'"),
        ],
        ids=["worker", "beat"],
    )
    def test_stops_who_lacks_a_right_there(
        self, tmp_path, rabbitmq_user, command, write, read, reason
    ):
        url = rabbitmq_user(write, read)

        said = said_in_one_sentence(start(command, **here(tmp_path), BROKER_URL=url))

        assert "BROKER_URL names a broker that turns us away" in said
        assert reason in said

    @on_rabbitmq
    def test_stops_a_worker_where_its_queues_are_not(self):
        broker = app.connection_for_read()

        with pytest.raises(ImproperlyConfigured, match=r"the queue order\.none: .* declare_queues"):
            checks.require_queues(broker, ["order.none"])

    @on_rabbitmq
    def test_loses_no_message_to_who_asks(self):
        call_command("declare_queues")
        queue = settings.CELERY_TASK_QUEUES[1]
        with Connection(settings.BROKER_URL) as broker:
            bound = queue(broker.default_channel)
            bound.purge()
            Producer(broker).publish({}, exchange="order", routing_key=queue.routing_key)

            for _ in range(2):
                checks.require_queues(app.connection_for_read(), [queue.name])
                plain = app.connection_for_write(transport_options={"confirm_publish": False})
                checks.require_exchange(plain, "order", queue.routing_key)

            message = bound.get(accept=["json"])
            assert message is not None
            assert not message.delivery_info["redelivered"]
            message.ack()
            assert bound.get() is None

    @pytest.mark.parametrize("scheme", ["amqp", "redis"])
    def test_is_waited_for_while_it_is_away(self, scheme):
        checks.require_queues(Connection(f"{scheme}://ann:secret@127.0.0.1:1/"), ["order.tasks"])
