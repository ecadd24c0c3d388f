"""Which engines it was that the figures were measured on."""

import sqlite3
from collections.abc import Collection

from tests.engines import CONNECT, engine_url


def versions(absent: Collection[str]) -> dict[str, str]:
    """The version that each engine says it is; nothing of where it runs."""
    found = {"SQLite": sqlite3.sqlite_version}
    for engine, tell in TELL.items():
        if engine not in absent:
            session = CONNECT[engine](engine_url(engine))
            name, version = tell(session)
            found[name] = version
            session.close()
    return found


def tell_postgresql(session: object) -> tuple[str, str]:
    (version,) = session.execute("SHOW server_version").fetchone()  # type: ignore[attr-defined]
    return "PostgreSQL", str(version).split()[0]


def tell_rabbitmq(session: object) -> tuple[str, str]:
    return "RabbitMQ", str(session.server_properties["version"])  # type: ignore[attr-defined]


def tell_redis(session: object) -> tuple[str, str]:
    return "Redis", str(session.info("server")["redis_version"])  # type: ignore[attr-defined]


def tell_mongodb(session: object) -> tuple[str, str]:
    build = session.admin.command("buildInfo")  # type: ignore[attr-defined]
    return "MongoDB-wire", str(build.get("version", "?"))


TELL = {
    "postgresql": tell_postgresql,
    "rabbitmq": tell_rabbitmq,
    "redis": tell_redis,
    "mongodb": tell_mongodb,
}
