"""Whether a service's user can climb out of its own corner of RabbitMQ."""

import json
import secrets
import shutil
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import amqp
import pytest
from amqp.exceptions import (
    AccessRefused,
    NotAllowed,
    PreconditionFailed,
)
from docker.make_secrets import HERE, rabbitmq_hash
from tests.boundaries.absence import give_up
from tests.boundaries.projects import python
from tests.engines import engine_url

URL = engine_url("rabbitmq")
DEFINITIONS = json.loads((HERE / "rabbitmq/definitions.json").read_text())
USERS = [user["name"] for user in DEFINITIONS["users"]]
DECLARED = ("exchanges", "queues", "bindings")
QUEUES = [queue["name"] for queue in DEFINITIONS["queues"]]
STRANGER = "billing.user-events"  # the queue of a service that is to come
READABLE: dict[str, set[str]] = {
    "user_service": set(),
    "order_service": {"order.user-events", "order.tasks", "order.dead"},
    "order_owner": set(QUEUES),
}
PROCESSES = ["user_service", "order_service"]
EVERY_EXCHANGE = ["", "events", "order", "amq.topic", "amq.direct", "amq.fanout"]
EVERY_KEY = ["user.events", "users.events", "order.events", STRANGER, *QUEUES]
Act = Callable[[amqp.Channel], Any]


@dataclass(frozen=True)
class Broker:
    """The estate's corner of a broker, under names and with a password of this run alone."""

    run: str
    password: str

    @property
    def bare(self) -> str:
        """A second vhost with the same permissions, where nothing is declared yet."""
        return f"{self.run}-bare"

    def user(self, name: str) -> str:
        return f"{self.run}_{name}"

    def open(self, user: str, *, vhost: str | None = None, password: str | None = None) -> Any:
        connection = amqp.Connection(
            f"{URL.hostname}:{URL.port or 5672}",
            userid=self.user(user),
            password=password or self.password,
            virtual_host=vhost or self.run,
            confirm_publish=True,
            connect_timeout=5,
        )
        connection.connect()
        return connection

    def definitions(self) -> dict[str, list[dict[str, Any]]]:
        """The committed definitions under our names, with passwords and the stranger's queue."""
        text = json.dumps(DEFINITIONS)
        for user in USERS:
            text = text.replace(f'"{user}"', f'"{self.user(user)}"')
        ours = json.loads(text.replace('"freehold"', f'"{self.run}"'))
        bare = json.loads(text.replace('"freehold"', f'"{self.bare}"'))
        for user in ours["users"]:
            user["password_hash"] = rabbitmq_hash(self.password)
        ours["queues"].append(ours["queues"][0] | {"name": STRANGER})
        ours["bindings"].append(ours["bindings"][0] | {"destination": STRANGER})
        for kind in ("vhosts", "permissions", "topic_permissions"):
            # The topic exchange that a permission is about need not be there yet.
            ours[kind] += bare[kind]
        return dict(ours)

    def declare_queues(self, user: str, vhost: str) -> subprocess.CompletedProcess[str]:
        """Run order_project's own command as one of the users."""
        port = URL.port or 5672
        url = f"amqp://{self.user(user)}:{self.password}@{URL.hostname}:{port}/{vhost}"
        return python("order", "manage.py", "declare_queues", DEBUG="1", BROKER_URL=url)


def is_allowed(connection: Any, act: Act) -> bool:
    """Whether the broker lets somebody act, or answers that it refuses access."""
    try:
        act(connection.channel())
    except AccessRefused:
        return False
    return True


def call(method: str, *arguments: str) -> Act:
    return lambda channel: getattr(channel, method)(*arguments)


def publish(exchange: str, key: str, *, mandatory: bool = True, **properties: Any) -> Act:
    """Publishing, confirmed; `mandatory` makes it fail where no queue takes the message."""
    return lambda channel: channel.basic_publish_confirm(
        amqp.Message("{}", **properties), exchange, key, mandatory=mandatory
    )


# What only deployments do.
CHANGES = {
    "declare a queue": call("queue_declare", "mine"),
    "declare a nameless queue": call("queue_declare", ""),
    "declare an exchange": call("exchange_declare", "mine", "topic"),
    "delete a queue": call("queue_delete", "order.tasks"),
    "delete an exchange": call("exchange_delete", "events"),
    "bind": call("queue_bind", "order.tasks", "events", "#"),
    "unbind": call("queue_unbind", "order.user-events", "events", "user.#"),
    "bind exchanges": call("exchange_bind", "order", "events", "#"),
}


def rabbitmqctl(*arguments: str, stdin: str | None = None) -> str:
    done = subprocess.run(
        ["rabbitmqctl", "--quiet", *arguments],  # noqa: S607  # whichever the PATH has
        input=stdin,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    """The committed definitions, imported under other names; the broker is left as it was."""
    if shutil.which("rabbitmqctl") is None:
        give_up("rabbitmq", "rabbitmqctl, which imports its users, is not installed")
    broker = Broker(f"walls{secrets.token_hex(3)}", secrets.token_urlsafe())
    try:
        rabbitmqctl("import_definitions", stdin=json.dumps(broker.definitions()))
    except subprocess.CalledProcessError as error:
        give_up("rabbitmq", error.stderr.strip())
    yield broker
    removals = [("delete_vhost", broker.run), ("delete_vhost", broker.bare)]
    removals += [("delete_user", broker.user(user)) for user in USERS]
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda removal: rabbitmqctl(*removal), removals))


class TestWhatEachServiceMay:
    def test_lets_users_publish_their_events_and_orders_read_them(self, broker: Broker):
        with broker.open("user_service") as connection:
            publish("events", "user.events")(connection.channel())

        with broker.open("order_service") as connection:
            message = connection.channel().basic_get("order.user-events", no_ack=True)
        assert message.delivery_info["routing_key"] == "user.events"

    def test_lets_orders_write_and_read_their_own_tasks(self, broker: Broker):
        with broker.open("order_service") as connection:
            publish("order", "order.tasks")(connection.channel())
            message = connection.channel().basic_get("order.tasks", no_ack=True)

        assert message.delivery_info["exchange"] == "order"

    def test_keeps_what_orders_reject_for_whoever_looks_after_them(self, broker: Broker):
        with broker.open("order_service") as connection:
            channel = connection.channel()
            publish("order", "order.tasks")(channel)
            channel.basic_reject(channel.basic_get("order.tasks").delivery_tag, requeue=False)

        dead: list[amqp.Message] = []
        with broker.open("order_owner") as connection:
            connection.channel().basic_consume("order.dead", no_ack=True, callback=dead.append)
            while not dead:
                connection.drain_events(timeout=10)
        assert dead[0].headers["x-first-death-reason"] == "rejected"


class TestTheWalls:
    @pytest.mark.parametrize("user", USERS)
    @pytest.mark.parametrize("way", ["basic_get", "basic_consume", "queue_purge"])
    def test_let_each_user_read_its_own_queues_alone(self, broker: Broker, user: str, way: str):
        with broker.open(user) as connection:
            everyones = (*QUEUES, STRANGER)
            read = {queue for queue in everyones if is_allowed(connection, call(way, queue))}

        assert read == READABLE[user]

    @pytest.mark.parametrize("user", PROCESSES)
    def test_let_no_process_change_what_is_declared(self, broker: Broker, user: str):
        with broker.open(user) as connection:
            changed = [name for name, change in CHANGES.items() if is_allowed(connection, change)]

        assert changed == []

    @pytest.mark.parametrize(
        ("user", "own"),
        [
            ("user_service", {("events", "user.events")}),
            ("order_service", {("order", key) for key in EVERY_KEY}),
        ],
    )
    def test_let_nobody_publish_what_is_not_its_own(
        self, broker: Broker, user: str, own: set[tuple[str, str]]
    ):
        with broker.open(user) as connection:
            published = {
                (exchange, key)
                for exchange in EVERY_EXCHANGE
                for key in EVERY_KEY
                if is_allowed(connection, publish(exchange, key, mandatory=False))
            }

        assert published == own

    def test_let_nobody_publish_in_the_name_of_another(self, broker: Broker):
        named = publish("events", "user.events", user_id=broker.user("order_service"))

        with broker.open("user_service") as connection, pytest.raises(PreconditionFailed):
            named(connection.channel())

    @pytest.mark.parametrize("user", USERS)
    def test_let_nobody_into_another_vhost(self, broker: Broker, user: str):
        with pytest.raises(NotAllowed):
            broker.open(user, vhost="/")

    def test_let_nobody_in_with_a_guess(self, broker: Broker):
        with pytest.raises(AccessRefused):
            broker.open("user_service", password="guess")


class TestDeclareQueues:
    def test_makes_what_the_definitions_say(self, broker: Broker):
        done = broker.declare_queues("order_owner", broker.bare)

        assert done.returncode == 0, done.stderr
        made = json.loads(rabbitmqctl("export_definitions", "-"))
        for kind in DECLARED:
            expected = [entry | {"vhost": broker.bare} for entry in DEFINITIONS[kind]]
            found = [
                {member: entry.get(member) for member in expected[0]}
                for entry in made[kind]
                if entry["vhost"] == broker.bare
            ]
            assert sorted(found, key=json.dumps) == sorted(expected, key=json.dumps)

    def test_finds_nothing_to_change_where_they_were_imported(self, broker: Broker):
        done = broker.declare_queues("order_owner", broker.run)

        assert done.returncode == 0, done.stderr

    def test_is_not_for_a_process(self, broker: Broker):
        done = broker.declare_queues("order_service", broker.run)

        assert done.returncode == 1
        assert "ACCESS_REFUSED" in done.stderr
        assert broker.password not in done.stderr
