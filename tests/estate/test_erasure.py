"""Who is erased leaves no byte behind: in no file, table, queue, cache or log of the estate.

What is searched is what a backup or a thief would have: all files below the estate's folder, all
rows of each database, all keys of the embedded Valkey, all messages of RabbitMQ. A server's own
pages and logs are its administrator's: PostgreSQL forgets at its next vacuum, its log and its
write-ahead log as it is told to rotate them.
"""

import base64
import json
import secrets
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import amqp
import psycopg
import pymongo
import pymysql
import pytest
import redis
from psycopg import sql
from tests.engines import engine_url, rabbitmqctl
from tests.estate.estate import Estate
from tests.estate.settings import SERVICES
from tests.estate.story import Scene, product_goes_on_sale, staff_log_in
from tests.estate.test_broker import pending
from tests.estate.test_outages import wait_until

# An event that cannot be applied, and one that cannot even be read.
STRANGE = """
import os
from django.conf import settings
from outbox.publisher import EXCHANGE, ROUTING_KEY
from user_project.celery import app
event = os.environ["EVENT"]
with app.connection_for_write() as broker:
    declare = [] if settings.BROKER_CONFIRMS else [EXCHANGE]
    to = {"exchange": EXCHANGE.name, "routing_key": ROUTING_KEY, "declare": declare}
    headers = {"task": "user.events", "id": "strange"}
    kind = {"content_type": "application/json", "content_encoding": "utf-8"}
    for body in ('[[[%s]], {}, {}]' % event, '[[[%s' % event):
        broker.Producer().publish(body, headers=headers, **kind, **to)
"""


class Person:
    """Somebody whose name, addresses and phone numbers occur nowhere else."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        mark = secrets.token_hex(5)
        self.names = [f"Quendolin{mark}", f"Ragnhilde{mark}"]
        self.emails = [f"zora{mark}@erasure.example", f"yolanda{mark}@erasure.example"]
        self.phones = [f"+49{secrets.randbelow(10**11):011}" for _ in range(2)]
        self.password = secrets.token_urlsafe(16)

    @property
    def words(self) -> list[str]:
        return [*self.names, *self.emails, *self.phones, f"{self.names[0]}".lower()]

    def live(self) -> None:
        """Register, order, change everything, be searched for, and be in events gone wrong."""
        scene = self.scene
        first = {"name": self.names[0], "email": self.emails[0], "phone": self.phones[0]}
        body = first | {"password": self.password}
        made = scene.ask("POST", "user", "users/", expect=201, json=body)
        self.id = made["id"]
        scene.ask("POST", "user", "users/", expect=400, json=body)  # the address is taken
        wrong = {"email": self.emails[0], "password": "wrong"}
        scene.ask("POST", "user", "token/", expect=401, json=wrong)
        scene.log_in("ann", self.emails[0], self.password)
        self.await_copy(self.emails[0])
        scene.order(2, expect=201)
        scene.order(30, expect=409)
        then = {"name": self.names[1], "email": self.emails[1], "phone": self.phones[1]}
        scene.ask("PATCH", "user", "users/me/", who="ann", expect=200, json=then)
        found = scene.ask("GET", "user", f"users/?search={self.emails[1]}", who="staff", expect=200)
        assert found["count"] == 1
        self.await_copy(self.emails[1])
        self.be_misunderstood()

    def be_misunderstood(self) -> None:
        data = {"id": self.id, "version": 9, "email": self.emails[0], "name": self.names[0]}
        event = {
            "specversion": "1.0",
            "id": "1",
            "source": "/tests",
            "type": "user_updated",
            "subject": self.id,
            "time": "yesterday",
            "data": data | {"deleted": False},
        }
        script = ("shell", "--verbosity", "0", "--command", STRANGE)
        self.scene.estate.manage("user", *script, EVENT=json.dumps(event))

    def await_copy(self, email: str) -> None:
        path = f"customers/?search={email}"

        def copied() -> bool:
            found = self.scene.ask("GET", "order", path, who="staff", expect=200)
            return bool(found["count"] == 1)

        wait_until(copied, "the copy has them", 60)

    def be_erased(self) -> None:
        self.scene.ask("DELETE", "user", "users/me/", who="ann", expect=204)

        def forgotten() -> bool:
            copy = self.scene.ask("GET", "order", f"customers/{self.id}/", who="staff", expect=200)
            return not copy["name"] and pending(self.scene.estate) == 0

        wait_until(forgotten, "the copy forgets them", 60)


def needles(words: Iterable[str]) -> set[bytes]:
    """The words as bytes, in lower case, and as base64 has them wherever they begin."""
    found = {word.lower().encode() for word in words}
    for word in words:
        for shift in range(3):  # base64 knows three places; what its ends share with others goes
            coded = base64.b64encode(b"\0" * shift + word.encode()).rstrip(b"=")
            found.add(coded[[0, 2, 3][shift] : -1].lower())
    return found


class Haystack:
    """All that the estate keeps, place by place."""

    def __init__(self, estate: Estate) -> None:
        self.estate = estate

    def places(self) -> Iterator[tuple[str, bytes]]:
        """Each place, and its bytes in lower case."""
        for name, content in (*self.tables(), *self.messages(), *self.keys(), *self.files()):
            yield name, content.lower()

    def where(self, words: Iterable[str]) -> list[str]:
        """The places that have one of the words."""
        wanted = needles(words)
        return sorted(
            {name for name, content in self.places() if any(each in content for each in wanted)}
        )

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Databases, their logs, the broker's file, and what the processes said."""
        for path in sorted(self.estate.folder.rglob("*")):
            if path.suffix == ".sqlite3":
                with closing(sqlite3.connect(path, timeout=20)) as session:
                    session.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        for path in sorted(self.estate.folder.rglob("*")):
            if path.is_file():
                yield str(path.relative_to(self.estate.folder)), path.read_bytes()

    def tables(self) -> Iterator[tuple[str, bytes]]:
        """Each table or collection of the databases that are kept by a server."""
        for service in SERVICES:
            url = urlsplit(self.estate.environment(service)["DATABASE_URL"])
            read = {"postgres": postgresql, "mysql": mysql, "mongodb": mongodb}.get(url.scheme)
            for table, content in read(url.geturl()) if read else ():
                yield f"{service}: {table}", content

    def keys(self) -> Iterator[tuple[str, bytes]]:
        """Each key of each database of the embedded Valkey, once its file forgot the past."""
        if self.estate.valkey_port is None:
            return
        for number in range(4):
            url = f"redis://127.0.0.1:{self.estate.valkey_port}/{number}"
            with redis.Redis.from_url(url) as valkey:
                for key in valkey.scan_iter():
                    yield f"key of database {number}", key + b" " + value_of(valkey, key)
        with redis.Redis(port=self.estate.valkey_port) as valkey:
            valkey.bgrewriteaof()
            wait_until(lambda: is_rewritten(valkey), "the append-only file is written anew")

    def messages(self) -> Iterator[tuple[str, bytes]]:
        """Each message of each queue of RabbitMQ, given back unread."""
        url = urlsplit(self.estate.environment("order")["BROKER_URL"])
        if url.scheme != "amqp":
            return
        server, vhost = engine_url("rabbitmq"), url.path.removeprefix("/")
        reader = server.username or "guest"
        rabbitmqctl("set_permissions", "-p", vhost, reader, ".*", ".*", ".*")
        queues = json.loads(rabbitmqctl("list_queues", "-p", vhost, "name", "--formatter", "json"))
        with amqp.Connection(
            f"{server.hostname}:{server.port or 5672}",
            userid=reader,
            password=server.password or "guest",
            virtual_host=vhost,
        ) as broker:
            channel = broker.channel()
            for queue in queues:
                while message := channel.basic_get(queue["name"]):
                    content = repr((message.body, message.headers)).encode()
                    yield f"queue {queue['name']}", content


def is_rewritten(valkey: Any) -> bool:
    about = valkey.info("persistence")
    return not (about["aof_rewrite_in_progress"] or about["aof_rewrite_scheduled"])


def value_of(valkey: Any, key: bytes) -> bytes:
    """A value of any type, as text; empty if it is gone by now."""
    read: Any = {
        b"none": lambda _: None,
        b"string": valkey.get,
        b"list": lambda name: valkey.lrange(name, 0, -1),
        b"hash": valkey.hgetall,
        b"set": valkey.smembers,
        b"zset": lambda name: valkey.zrange(name, 0, -1),
        b"stream": valkey.xrange,
    }[valkey.type(key)]
    return repr(read(key)).encode()


def postgresql(url: str) -> Iterator[tuple[str, bytes]]:
    with psycopg.connect(url) as session:
        tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        for (table,) in session.execute(tables).fetchall():
            copy = sql.SQL("COPY {} TO STDOUT").format(sql.Identifier(table))
            with session.cursor().copy(copy) as rows:
                yield table, b"".join(bytes(row) for row in rows)


def mysql(url: str) -> Iterator[tuple[str, bytes]]:
    parts = urlsplit(url)
    with closing(
        pymysql.connect(
            host=parts.hostname or "",
            port=parts.port or 3306,
            user=parts.username,
            password=parts.password or "",
            database=parts.path.removeprefix("/"),
        )
    ) as session:
        cursor = session.cursor()
        cursor.execute("SHOW TABLES")
        for (table,) in cursor.fetchall():
            cursor.execute(f"SELECT * FROM `{table}`")  # noqa: S608  # the server's own name
            yield table, repr(cursor.fetchall()).encode()


def mongodb(url: str) -> Iterator[tuple[str, bytes]]:
    client: pymongo.MongoClient[Any]
    with pymongo.MongoClient(url) as client:
        database: Any = client[urlsplit(url).path.removeprefix("/")]
        for name in database.list_collection_names():
            yield name, repr(list(database[name].find())).encode()


@pytest.fixture
def person(estate: Estate) -> Iterator[Person]:
    scene = Scene(estate)
    staff_log_in(scene)
    product_goes_on_sale(scene)
    yield Person(scene)
    scene.http.close()


class TestWhoIsErased:
    def test_is_nowhere_any_more_whatever_is_said_again(
        self, estate: Estate, person: Person
    ) -> None:
        haystack = Haystack(estate)
        person.live()
        wait_until(lambda: rejected(person) >= 1, "an event of theirs is rejected", 60)
        before = haystack.where(person.words)
        assert len(before) >= 2, f"the search finds nobody: {before}"

        person.be_erased()
        estate.manage("order", "verify_customers", "--repair")
        wait_until_clean(estate, person)
        assert haystack.where(person.words) == []

        estate.manage("user", "resend", "--since", "PT1H")
        estate.manage("order", "rebuild_customers")
        estate.manage("order", "verify_customers", "--repair")
        wait_until(lambda: pending(estate) == 0, "what was said again is sent")
        wait_until_clean(estate, person)
        assert haystack.where(person.words) == []


def wait_until_clean(estate: Estate, person: Person) -> None:
    """Until both services report that nothing is left, dead letters that wait for beat included."""
    for service in ("user", "order"):
        wait_until(partial(is_clean, estate, service, person), f"{service} is clean", 60)


def rejected(person: Person) -> int:
    """How many events about them orders could not apply."""
    places = report(person.scene.estate, "order", person)
    return int(places["rejected events"] or 0)


def report(estate: Estate, service: str, person: Person) -> dict[str, int | None]:
    """What the service's own report finds, place by place."""
    code = (
        "import json, os, io\\n"
        "from django.core.management import call_command, CommandError\\n"
        "out = io.StringIO()\\n"
        "try: call_command('erasure_report', os.environ['PERSON'], json=True, stdout=out)\\n"
        "except CommandError: pass\\n"
        "print(out.getvalue())"
    ).replace("\\n", "\n")
    said = estate.manage(service, "shell", "--verbosity", "0", "--command", code, PERSON=person.id)
    return {each["place"]: each["found"] for each in json.loads(said)["places"]}


def is_clean(estate: Estate, service: str, person: Person) -> bool:
    return set(report(estate, service, person).values()) == {0}
