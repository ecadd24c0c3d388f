"""What lies in databases and on the broker: laid and watched from outside, by bare drivers."""

import sqlite3
from collections.abc import Sequence
from typing import Any, Protocol
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import amqp
import psycopg
import pymongo
import redis
from tests.bench.stage import Stage, wait_until

QUEUE, EXCHANGE = "order.user-events", "events"
WINDOW = 50  # messages that may await their confirm at once, where we publish by bare py-amqp


class Sql:
    """A database by its URL, in autocommit: `?` stands for a value on each engine."""

    def __init__(self, url: str) -> None:
        self.is_postgresql = url.startswith("postgres")
        self.connection: Any
        if self.is_postgresql:
            self.connection = psycopg.connect(url, autocommit=True)
        else:
            path = url.removeprefix("sqlite:///")
            self.connection = sqlite3.connect(path, isolation_level=None, timeout=60)

    def run(self, statement: str, *values: Any) -> list[Any]:
        if self.is_postgresql:
            statement = statement.replace("%", "%%").replace("?", "%s")
        cursor = self.connection.execute(statement, values)
        return list(cursor.fetchall()) if cursor.description else []

    def one(self, statement: str, *values: Any) -> Any:
        return self.run(statement, *values)[0][0]

    def is_there(self, statement: str, *values: Any) -> bool:
        return bool(self.run(statement, *values))

    def key(self, value: UUID) -> Any:
        return value if self.is_postgresql else value.hex


class Owner(Sql):
    """user_project's database: people who are there only to be measured, and their outbox."""

    OURS = "email LIKE '%@bench.example'"

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage.environment("user")["DATABASE_URL"])

    def fill(self, count: int) -> None:
        """Exactly so many people of ours, and nothing pending."""
        columns = "id, password, is_superuser, email, name, phone, is_staff, is_active, version"
        rest = "'!', false, 'person-' || n || '@bench.example', 'Person number ' || n, '', false"
        self.run("DELETE FROM outbox_pendingevent")
        if self.one(f"SELECT count(*) FROM users_user WHERE {self.OURS}") == count:  # noqa: S608
            return
        self.run(f"DELETE FROM users_user WHERE {self.OURS}")  # noqa: S608
        if self.is_postgresql:
            self.run(
                f"INSERT INTO users_user ({columns}, created_at, changed_at) "  # noqa: S608
                f"SELECT gen_random_uuid(), {rest}, true, 1, now(), now() - interval '1 day' "
                f"FROM generate_series(1, {count}) AS n"
            )
        else:
            self.run("BEGIN")
            self.connection.executemany(
                f"INSERT INTO users_user ({columns}, created_at, changed_at) "  # noqa: S608
                f"SELECT ?, {rest}, true, 1, datetime('now'), datetime('now', '-1 day') "
                "FROM (SELECT ? AS n)",
                ((uuid4().hex, number) for number in range(count)),
            )
            self.run("COMMIT")
        self.run("ANALYZE users_user" if self.is_postgresql else "ANALYZE")

    def ids(self) -> list[UUID]:
        return [
            key if isinstance(key, UUID) else UUID(key)
            for (key,) in self.run(f"SELECT id FROM users_user WHERE {self.OURS}")  # noqa: S608
        ]

    def announce(self, count: int | None = None) -> int:
        """Put our people, or so many of them, into the outbox in one commit; the last row's id."""
        limit = f"LIMIT {count}" if count else ""
        self.run(
            "INSERT INTO outbox_pendingevent (type, user_id, request_id, created_at) "  # noqa: S608
            f"SELECT 'user_created', id, '', CURRENT_TIMESTAMP FROM users_user WHERE {self.OURS} "
            f"{limit}"
        )
        return int(self.one("SELECT max(id) FROM outbox_pendingevent"))

    def change(self, user_id: UUID, *, announce: bool = True) -> int:
        """Commit what a save of one of our people commits; the version that they have then."""
        self.run("BEGIN")
        ((version,),) = self.run(
            "UPDATE users_user SET version = version + 1, changed_at = CURRENT_TIMESTAMP "
            "WHERE id = ? RETURNING version",
            self.key(user_id),
        )
        if announce:
            self.run(
                "INSERT INTO outbox_pendingevent (type, user_id, request_id, created_at) "
                "VALUES ('user_updated', ?, '', CURRENT_TIMESTAMP)",
                self.key(user_id),
            )
        self.run("COMMIT")
        return int(version)

    def is_pending(self, row: int) -> bool:
        return self.is_there("SELECT 1 FROM outbox_pendingevent WHERE id = ?", row)

    def pending(self) -> int:
        return int(self.one("SELECT count(*) FROM outbox_pendingevent"))

    def forget_pending(self) -> None:
        truncate = "TRUNCATE" if self.is_postgresql else "DELETE FROM"
        self.run(f"{truncate} outbox_pendingevent")

    def wait_until_gone(self, row: int) -> float:
        """Return once a pending row is relayed, with the moment."""
        return wait_until(lambda: not self.is_pending(row), "a row relayed")

    def wait_until_relayed(self, last: int) -> float:
        """Return once nothing is pending, with the moment at which the last row was gone."""
        ended = self.wait_until_gone(last)
        wait_until(lambda: self.pending() == 0, "an empty outbox")
        return ended


class Copies(Protocol):
    """order_project's copy of users, as whoever waits for it sees it."""

    def clear(self) -> None: ...
    def count(self) -> int: ...
    def has(self, user_id: UUID) -> bool: ...
    def version(self, user_id: UUID) -> int: ...


class SqlCopies(Sql):
    def __init__(self, stage: Stage) -> None:
        super().__init__(stage.environment("order")["DATABASE_URL"])

    def clear(self) -> None:
        truncate = "TRUNCATE" if self.is_postgresql else "DELETE FROM"
        self.run(f"{truncate} customers_customer")

    def count(self) -> int:
        return int(self.one("SELECT count(*) FROM customers_customer"))

    def has(self, user_id: UUID) -> bool:
        statement = "SELECT 1 FROM customers_customer WHERE _id = ?"
        return self.is_there(statement, self.key(user_id))

    def version(self, user_id: UUID) -> int:
        statement = "SELECT version FROM customers_customer WHERE _id = ?"
        return sum(version for (version,) in self.run(statement, self.key(user_id)))


class MongoCopies:
    def __init__(self, stage: Stage) -> None:
        url = stage.environment("order")["DATABASE_URL"]
        client: pymongo.MongoClient[Any] = pymongo.MongoClient(url)
        self.rows = client[urlsplit(url).path.strip("/")]["customers_customer"]

    def clear(self) -> None:
        self.rows.delete_many({})

    def count(self) -> int:
        return self.rows.count_documents({})

    def has(self, user_id: UUID) -> bool:
        return self.version(user_id) > 0

    def version(self, user_id: UUID) -> int:
        found = self.rows.find_one({"_id": user_id.hex}, {"version": 1})
        return int(found["version"]) if found else 0


def copies_of(stage: Stage) -> Copies:
    is_mongodb = stage.environment("order")["DATABASE_URL"].startswith("mongodb")
    return MongoCopies(stage) if is_mongodb else SqlCopies(stage)


class Broker(Protocol):
    """The queue of orders' worker: its messages can be taken out, and put in again as they were."""

    def record(self) -> Sequence[Any]: ...
    def replay(self, messages: Sequence[Any]) -> None: ...
    def purge(self) -> None: ...


class RabbitMq:
    def __init__(self, stage: Stage) -> None:
        url = urlsplit(stage.environment("user")["BROKER_URL"])
        self.connection = amqp.Connection(
            f"{url.hostname}:{url.port or 5672}",
            userid=url.username,
            password=url.password,
            virtual_host=url.path.removeprefix("/") or "/",
        )
        self.connection.connect()
        self.channel = self.connection.channel()
        self.channel.confirm_select()
        self.channel.events["basic_ack"].add(self._confirm)
        self._published = 0
        self._awaited: set[int] = set()

    def _confirm(self, tag: int, multiple: bool) -> None:
        self._awaited -= {each for each in self._awaited if each <= tag} if multiple else {tag}

    def record(self) -> list[amqp.Message]:
        """Take all messages out."""
        taken = []
        while message := self.channel.basic_get(QUEUE, no_ack=True):
            taken.append(amqp.Message(message.body, **message.properties))
        return taken

    def replay(self, messages: Sequence[amqp.Message]) -> None:
        """Publish, as fast as py-amqp can, and return once all are confirmed."""
        for message in messages:
            self.channel.basic_publish(message, EXCHANGE, "user.events", mandatory=True)
            self._published += 1
            self._awaited.add(self._published)
            while len(self._awaited) >= WINDOW:
                self.connection.drain_events(timeout=30)
        while self._awaited:
            self.connection.drain_events(timeout=30)

    def purge(self) -> None:
        self.channel.queue_purge(QUEUE)


class Valkey:
    def __init__(self, stage: Stage) -> None:
        self.client = redis.Redis.from_url(stage.environment("user")["BROKER_URL"])

    def record(self) -> list[bytes]:
        messages: Any = self.client.lrange(QUEUE, 0, -1)
        self.purge()
        return list(messages)

    def replay(self, messages: Sequence[bytes]) -> None:
        for message in messages:
            self.client.lpush(QUEUE, message)

    def purge(self) -> None:
        self.client.delete(QUEUE)


def broker_of(stage: Stage) -> Broker:
    is_redis = stage.environment("user")["BROKER_URL"].startswith("redis")
    return Valkey(stage) if is_redis else RabbitMq(stage)
