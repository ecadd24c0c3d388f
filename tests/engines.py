"""The engines beside the embedded ones: where they are, if they can be used, and a place in one.

Each is where its variable says, or where it usually is; MongoDB, where MONGODB_URL names none, is a
SecantusDB of our own, which speaks MongoDB's protocol.
"""

import json
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import SplitResult, urlsplit

import amqp
import psycopg
import pymongo
import pymysql
import redis
from docker.make_secrets import HERE, rabbitmq_hash

ENGINES = ("postgresql", "mysql", "mongodb", "redis", "rabbitmq")
USUAL = {
    "POSTGRESQL_URL": "postgres://postgres@127.0.0.1:5432",
    "MYSQL_URL": "mysql://root@127.0.0.1:3306",
    "MONGODB_URL": "mongodb://127.0.0.1:27017",
    "REDIS_URL": "redis://127.0.0.1:6379",
    "AMQP_URL": "amqp://guest:guest@127.0.0.1:5672",
}
VARIABLE = {engine: f"{engine.upper()}_URL" for engine in ENGINES} | {"rabbitmq": "AMQP_URL"}
START_SECONDS = 20


def engine_url(engine: str) -> SplitResult:
    """The server to use, with an administrator's name."""
    variable = VARIABLE[engine]
    return urlsplit((os.environ.get(variable) or USUAL[variable]).rstrip("/"))


def connect_postgresql(url: SplitResult) -> Any:
    return psycopg.connect(f"{url.geturl()}/postgres", connect_timeout=2, autocommit=True)


def connect_mysql(url: SplitResult) -> Any:
    return pymysql.connect(
        host=url.hostname or "",
        port=url.port or 3306,
        user=url.username,
        password=url.password or "",
        connect_timeout=2,
    )


def connect_mongodb(url: SplitResult) -> Any:
    client: pymongo.MongoClient[Any] = pymongo.MongoClient(
        url.geturl(), serverSelectionTimeoutMS=2000
    )
    with ExitStack() as stack:
        stack.callback(client.close)
        client.admin.command("ping")
        stack.pop_all()
    return client


def connect_redis(url: SplitResult) -> Any:
    client = redis.Redis.from_url(url.geturl(), socket_connect_timeout=2)
    client.ping()
    return client


def connect_rabbitmq(url: SplitResult, *, seconds: float = 2) -> Any:
    connection = amqp.Connection(
        f"{url.hostname}:{url.port or 5672}",
        userid=url.username,
        password=url.password,
        connect_timeout=seconds,
    )
    connection.connect()
    return connection


CONNECT: dict[str, Callable[[SplitResult], Any]] = {
    "postgresql": connect_postgresql,
    "mysql": connect_mysql,
    "mongodb": connect_mongodb,
    "redis": connect_redis,
    "rabbitmq": connect_rabbitmq,
}


def why_unusable(engine: str) -> str | None:
    """None if a session can be opened, or else the driver's reason."""
    try:
        CONNECT[engine](engine_url(engine)).close()
    except Exception as error:  # each driver fails in its own way: all mean "not to be used"
        return f"{type(error).__name__}: {str(error).splitlines()[0][:100]}"
    return None


@contextmanager
def mongodb_of_our_own() -> Iterator[None]:
    """A MongoDB-wire server for as long as the context lasts, unless MONGODB_URL names one."""
    if os.environ.get("MONGODB_URL"):
        yield
        return
    with TemporaryDirectory(prefix="mongodb-") as folder, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        url = f"mongodb://127.0.0.1:{port}"
        server = subprocess.Popen(
            [
                *(Path(sys.executable).with_name("secantusd-py"), "--log-level", "ERROR"),
                *("--host", "127.0.0.1", "--port", str(port), "--storage-path", folder),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.environ["MONGODB_URL"] = url
        try:
            deadline = time.monotonic() + START_SECONDS
            while why_unusable("mongodb") and time.monotonic() < deadline:
                time.sleep(0.1)
            yield
        finally:
            del os.environ["MONGODB_URL"]
            server.terminate()
            server.wait(START_SECONDS)


@contextmanager
def lend_database(engine: str) -> Iterator[str]:
    """The URL of a database of our own on a server, dropped in the end."""
    name = f"freehold_{secrets.token_hex(4)}"
    url = engine_url(engine)
    with ExitStack() as stack:
        session = CONNECT[engine](url)
        stack.callback(session.close)
        if engine == "postgresql":
            session.execute(f"CREATE DATABASE {name}")
            stack.callback(session.execute, f"DROP DATABASE {name} WITH (FORCE)")
        elif engine == "mysql":
            cursor = session.cursor()
            cursor.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
            stack.callback(cursor.execute, f"DROP DATABASE {name}")
        else:
            stack.callback(session.drop_database, name)
        yield f"{url.geturl()}/{name}"


@contextmanager
def lend_vhost() -> Iterator[str]:
    """The URL of a RabbitMQ virtual host of our own, deleted in the end."""
    name = f"freehold_{secrets.token_hex(4)}"
    url = engine_url("rabbitmq")
    rabbitmqctl("add_vhost", name)
    try:
        rabbitmqctl("set_permissions", "-p", name, url.username or "guest", ".*", ".*", ".*")
        yield f"{url.geturl()}/{name}"
    finally:
        rabbitmqctl("delete_vhost", name)


@contextmanager
def lend_broker() -> Iterator[dict[str, str]]:
    """RabbitMQ as docker/ sets it up, under names of our own: each user's URL by its name."""
    run, password = f"freehold{secrets.token_hex(4)}", secrets.token_urlsafe()
    text = (HERE / "rabbitmq/definitions.json").read_text().replace('"freehold"', f'"{run}"')
    users = [user["name"] for user in json.loads(text)["users"]]
    for user in users:
        text = text.replace(f'"{user}"', f'"{run}_{user}"')
    definitions = json.loads(text)
    for user in definitions["users"]:
        user["password_hash"] = rabbitmq_hash(password)
    url = engine_url("rabbitmq")
    try:
        rabbitmqctl("import_definitions", stdin=json.dumps(definitions))
        yield {
            user: f"amqp://{run}_{user}:{password}@{url.hostname}:{url.port or 5672}/{run}"
            for user in users
        }
    finally:
        rabbitmqctl("delete_vhost", run)
        for user in users:
            rabbitmqctl("delete_user", f"{run}_{user}")


def rabbitmqctl(*words: str, stdin: str | None = None) -> str:
    done = subprocess.run(
        ["rabbitmqctl", "--quiet", *words],  # noqa: S607  # wherever the broker's package puts it
        input=stdin,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout
