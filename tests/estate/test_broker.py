"""A broker that breaks off, or forgets all it knew: relay and worker come back by themselves."""

import json
from urllib.parse import urlsplit

import pytest
import redis
import requests
from tests.engines import rabbitmqctl
from tests.estate.estate import Estate
from tests.estate.story import Scene, ann_registers, copy_appears, staff_log_in
from tests.estate.test_outages import wait_until

PROCESSES = ("user-relay", "order-worker", "order-beat")


@pytest.fixture
def scene(estate: Estate):
    """Staff are logged in, and someone has registered before: relay and worker are connected."""
    scene, earlier = Scene(estate), Scene(estate)
    for each in (scene, earlier):
        staff_log_in(each)
    ann_registers(earlier)
    copy_appears(earlier)
    yield scene
    assert [name for name in PROCESSES if estate.processes[name].poll() is not None] == []
    for each in (scene, earlier):
        each.http.close()


class Broker:
    """The estate's broker, in the hands of its administrator."""

    def __init__(self, estate: Estate) -> None:
        self.estate = estate
        self.url = urlsplit(estate.environment("order")["BROKER_URL"])

    @property
    def vhost(self) -> str:
        return self.url.path.removeprefix("/")

    def break_off(self) -> None:
        """End all connections, as a restart does; on Valkey by one."""
        if self.url.scheme == "redis":
            with self.estate.without("valkey"):
                return
        rabbitmqctl("close_all_connections", "--vhost", self.vhost, "tried by a test")

    def forget(self) -> None:
        """Lose every message, queue, exchange and binding, but for who may do what."""
        if self.url.scheme == "redis":
            redis.Redis.from_url(self.url.geturl()).flushdb()
            return
        lists = ("list_permissions", "list_topic_permissions")
        rights = [
            json.loads(rabbitmqctl(each, "--vhost", self.vhost, "--formatter", "json"))
            for each in lists
        ]
        rabbitmqctl("delete_vhost", self.vhost)
        rabbitmqctl("add_vhost", self.vhost)
        for words, of_users in zip(
            ("set_permissions", "set_topic_permissions"), rights, strict=True
        ):
            for right in of_users:
                named = ("user", "exchange", "configure", "write", "read")
                arguments = [right[name] for name in named if name in right]
                rabbitmqctl(words, "--vhost", self.vhost, *arguments)

    def declare_queues(self) -> None:
        """As at deployment."""
        owner = self.estate.engines.brokers.get("order_owner", self.url.geturl())
        self.estate.manage("order", "declare_queues", BROKER_URL=owner)


@pytest.fixture
def broker(estate: Estate) -> Broker:
    return Broker(estate)


def pending(estate: Estate) -> float:
    """How many events wait in the outbox."""
    metrics = requests.get(f"{estate.url('user')}/metrics", timeout=10).text
    (line,) = (
        line for line in metrics.splitlines() if line.startswith("freehold_outbox_pending_events ")
    )
    return float(line.split()[1])


class TestABrokerThatBreaksOff:
    def test_is_found_again(self, scene: Scene, broker: Broker):
        broker.break_off()

        ann_registers(scene)
        copy_appears(scene)


class TestABrokerThatForgets:
    def test_is_found_again_once_its_queues_are_declared(self, scene: Scene, broker: Broker):
        broker.forget()
        ann_registers(scene)

        broker.declare_queues()

        copy_appears(scene)

    def test_loses_nothing_that_resend_would_not_bring(self, scene: Scene, broker: Broker):
        with scene.estate.without("order-worker"):
            ann_registers(scene)
            wait_until(lambda: pending(scene.estate) == 0, "the broker has the event")
            broker.forget()
            broker.declare_queues()

        scene.estate.manage("user", "resend", "--since", "PT1H")

        copy_appears(scene)
