"""The broker is killed, frozen, full, robbed of a queue, and wiped; registering never notices."""

import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

import redis
import requests
from tests.faults.books import count, read_books, read_users, rest
from tests.faults.deployment import Deployment, deploy
from tests.faults.drift import DRIFT, EQUAL, change, verify
from tests.faults.judge import judge
from tests.faults.kills import YOUNG_BROKER_SECONDS, conclude, wait
from tests.faults.load import Load
from tests.faults.run import Run, wait_until
from tests.faults.servers import rabbitmqctl

QUEUE, EXCHANGE, KEY = "order.user-events", "events", "user.#"
REGISTERING_SECONDS = 10  # on a busy machine; it is 0.4 s where nothing else runs
EVENTS_A_SECOND = 200


class Broker:
    """The deployment's broker in the hands of its administrator: Valkey, or RabbitMQ."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.name = "rabbitmq" if "rabbitmq" in deployment.servers else "valkey"
        self.begun = time.monotonic()

    @property
    def is_rabbitmq(self) -> bool:
        return self.name == "rabbitmq"

    @contextmanager
    def killed(self, seconds: float) -> Iterator[None]:
        self.deployment.kill(self.name)
        wait(seconds, self.deployment, but=self.name)
        yield
        self.deployment.restart(self.name)

    @contextmanager
    def stopped(self, seconds: float) -> Iterator[None]:
        if self.is_rabbitmq:
            rabbitmqctl(self.deployment.servers[self.name], "stop_app")
            wait(seconds, self.deployment, but=self.name)
            yield
            rabbitmqctl(self.deployment.servers[self.name], "start_app")
            return
        with self.deployment.estate.without(self.name):
            time.sleep(seconds)
            yield

    @contextmanager
    def frozen(self, seconds: float) -> Iterator[None]:
        self.deployment.freeze(self.name)
        try:
            wait(seconds, self.deployment)
            yield
        finally:
            self.deployment.thaw(self.name)

    @contextmanager
    def alarmed(self, seconds: float) -> Iterator[None]:
        """It has no memory left: RabbitMQ blocks who publishes, Redis refuses to write."""
        if self.is_rabbitmq:
            server = self.deployment.servers[self.name]
            rabbitmqctl(server, "set_vm_memory_high_watermark", "0.000001")
            alarms = rabbitmqctl(server, "eval", "rabbit_alarm:get_alarms().")
            assert "memory" in alarms, alarms
            wait(seconds, self.deployment)
            yield
            rabbitmqctl(server, "set_vm_memory_high_watermark", "0.4")
            return
        with self.client() as client:
            client.config_set("maxmemory", "1")
            wait(seconds, self.deployment)
            yield
            client.config_set("maxmemory", "0")

    def forget_queue(self) -> None:
        """Delete the worker's queue with its binding."""
        if self.is_rabbitmq:
            rabbitmqctl(self.deployment.servers[self.name], "delete_queue", QUEUE)
            return
        with self.client() as client:
            client.delete(f"_kombu.binding.{EXCHANGE}", QUEUE)

    def wipe(self) -> None:
        """Kill it, and start it with an empty data directory."""
        self.deployment.kill(self.name)
        if self.is_rabbitmq:
            shutil.rmtree(self.deployment.servers[self.name].folder / "mnesia")
        else:
            shutil.rmtree(self.deployment.estate.folder / "valkey")
        self.deployment.restart(self.name)

    def declare_queues(self) -> None:
        """As at deployment."""
        self.deployment.estate.manage("order", "declare_queues")

    def client(self) -> redis.Redis:
        return redis.Redis.from_url(self.deployment.estate.environment("order")["BROKER_URL"])


def broker_embedded(run: Run) -> None:
    with deploy(run, "embedded") as deployment:
        trouble(run, deployment)


def broker_rabbitmq(run: Run) -> None:
    with deploy(run, "postgresql") as deployment:
        trouble(run, deployment)


def trouble(run: Run, deployment: Deployment) -> None:
    """Under load it goes away in each way; then it loses what it had, and is healed."""
    broker = Broker(deployment)
    freezes = (5, 45) if run.is_long else (5,)
    ways: list[tuple[str, Callable[[], AbstractContextManager[None]]]] = [
        ("killed", lambda: broker.killed(run.random.uniform(0, 2))),
        ("restarted", lambda: broker.stopped(run.random.uniform(0, 2))),
        *((f"frozen for {each} s", lambda each=each: broker.frozen(each)) for each in freezes),
    ]
    if broker.is_rabbitmq:
        ways.append(("out of memory", lambda: broker.alarmed(7)))
    run.random.shuffle(ways)
    seconds = 20 + sum(freezes)
    with Load(run, deployment, EVENTS_A_SECOND * seconds, seconds, writers=1, buyers=1) as load:
        load.begin()
        if broker.is_rabbitmq:  # one that is killed too young may forget its queues
            wait(broker.begun + YOUNG_BROKER_SECONDS - time.monotonic(), deployment)
        for number, (name, way) in enumerate(ways):
            run.say(f"the broker is {name}")
            with way():
                register(run, deployment, f"amid.{number}@example.com", name)
            run.count("broker faults")
            wait(1, deployment)
        load.end()
        conclude(run, deployment, load)
    if not broker.is_rabbitmq:
        overflow(run, deployment, broker)
    lose_queue(run, deployment, broker)
    lose_all(run, deployment, broker)


def register(run: Run, deployment: Deployment, email: str, amid: str) -> None:
    """Somebody registers while the broker is away, and does not notice."""
    begun = time.monotonic()
    answer = requests.post(
        f"{deployment.estate.url('user')}/api/v1/users/",
        json={"email": email, "name": "Amid", "password": uuid.uuid4().hex},
        timeout=60,
    )
    seconds = time.monotonic() - begun
    told = f"{answer.status_code} after {seconds:.1f} s while the broker is {amid}"
    run.expect(answer.status_code == 201, f"people register: {told}")
    run.expect(seconds < REGISTERING_SECONDS, f"registering does not wait for the broker: {told}")


def overflow(run: Run, deployment: Deployment, broker: Broker) -> None:
    """A Redis without memory loses what it handed to a worker: that is found, and mended."""
    people = present(deployment)
    with broker.alarmed(1):
        change(deployment, run.random.sample(people, 10), "changed amid no memory", erased=2)
        wait(2, deployment)
    rest(deployment, 5)
    report = verify(deployment, "--repair")
    run.expect(report.status == EQUAL, f"what a full Redis lost is mended: {report}")
    run.say(f"lost by a full Redis, found and mended: {report.kinds or 'none'}")
    run.count("broker faults")
    conclude_quietly(run, deployment, "a broker without memory")


def lose_queue(run: Run, deployment: Deployment, broker: Broker) -> None:
    """While no queue is bound events stay in the outbox, and all arrive once one is again."""
    people = present(deployment)
    with ExitStack() as stack:
        if not broker.is_rabbitmq:  # a worker that connects makes its queue anew
            stack.enter_context(deployment.estate.without("order-worker"))
        broker.forget_queue()
        change(deployment, run.random.sample(people, 10), "changed without a queue", erased=2)
        wait(2, deployment, but="order-worker")
        pending = count(deployment, "user", "outbox_pendingevent")
        run.expect(pending >= 10, f"events for which there is no queue stay: {pending} of 10 do")
        broker.declare_queues()
    run.count("broker faults")
    conclude_quietly(run, deployment, "a queue that was deleted and declared again")


def lose_all(run: Run, deployment: Deployment, broker: Broker) -> None:
    """A wiped broker takes confirmed messages with it: they are missed, and sent again."""
    people = run.random.sample(present(deployment), 10)
    with deployment.estate.without("order-worker"):
        change(deployment, people, "lost with the broker", erased=2)
        wait_until(
            lambda: count(deployment, "user", "outbox_pendingevent") == 0, "the broker has all", 30
        )
        broker.wipe()
        broker.declare_queues()
    report = verify(deployment)
    run.expect(report.status == DRIFT, f"what a wiped broker lost is missed: {report}")
    run.expect(report.kinds == {"stale": 10}, f"all ten are: {report.kinds}")
    deployment.estate.manage("user", "resend", "--since", "PT1H")
    rest(deployment)
    report = verify(deployment)
    run.expect(report.status == EQUAL, f"resend heals what a wiped broker lost: {report}")
    run.count("broker faults")
    conclude_quietly(run, deployment, "a wiped broker")


def present(deployment: Deployment) -> list[str]:
    return sorted(key for key, user in read_users(deployment).items() if not user.is_deleted)


def conclude_quietly(run: Run, deployment: Deployment, after: str) -> None:
    seconds = rest(deployment)
    run.say(f"at rest {seconds:.1f} s after {after}")
    for broken in judge(read_books(deployment)).broken():
        run.expect(False, broken)
