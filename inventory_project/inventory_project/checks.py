"""What must be right before a process starts: what is not stops it, with one sentence."""

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import Error, NotSupportedError, connections
from redis import Redis, RedisError

# Commands of manage.py that have no need of the database; all others refuse to start without it.
WITHOUT_DATABASE = {
    "check",
    "collectstatic",
    "diffsettings",
    "findstatic",
    "help",
    "makemigrations",
    "spectacular",
    "version",
}

# Those that ask the stock store too.
WITH_STOCK = {"copy_ledger", "rebuild_stock", "runserver", "seed"}

# How to ask a server in which characters new tables are kept; those not named here keep any.
CHARACTER_SET = {"mysql": "SELECT @@character_set_database"}

OLDEST_REDIS = (7, 0)  # on which the scripts were tried


@contextmanager
def starting() -> Iterator[None]:
    """Ends the process with a sentence on stderr where its environment forbids it to start."""
    try:
        yield
    except ImproperlyConfigured as error:
        refusal = " ".join(str(error).split())
    except OSError as error:
        named_by = [name for name, value in os.environ.items() if value == error.filename]
        if not named_by:
            raise
        refusal = f"{named_by[0]} names {error.filename}, which cannot be read: {error.strerror}"
    else:
        return
    sys.exit(f"inventory_project cannot start: {refusal}")


def before_command(arguments: list[str]) -> None:
    """Refuses a command of manage.py that needs what is not there."""
    command, *options = arguments[1:] or ["help"]
    is_question = command.startswith("-") or {"-h", "--help"} & set(options)
    if command not in WITHOUT_DATABASE and not is_question:
        require_database()
    if command in WITH_STOCK and not is_question:
        require_stock()


def require_database(alias: str = "default") -> None:
    """Refuses a database that cannot be reached, or cannot keep what this service writes.

    It is asked at the start alone: one that goes away later fails requests until it is back.
    """
    probe = connections[alias].copy()
    probe.settings_dict["OPTIONS"].pop("pool", None)  # which would go on trying, unseen
    named = f"DATABASE_URL names the database {probe.settings_dict['NAME']!r}"
    try:
        # Django warns of queries before the models are loaded; this one needs none of them.
        with (
            warnings.catch_warnings(action="ignore", category=RuntimeWarning),
            closing(probe),
            probe.cursor() as cursor,
        ):
            cursor.execute(CHARACTER_SET.get(probe.vendor, "SELECT 'any'"))
            (characters,) = cursor.fetchone()
    except NotSupportedError as error:
        raise ImproperlyConfigured(
            f"{named}, whose server is too old: {error} Upgrade it, or name another"
        ) from error
    except (Error, TypeError) as error:  # TypeError: an option in the URL that MySQL's has not
        reason = str(error.args[-1]).partition("\n")[0]
        raise ImproperlyConfigured(
            f"{named}, which cannot be used ({reason}): start its server, or correct host, port, "
            "user, password, name or options in it"
        ) from error
    if characters not in ("any", "utf8mb4"):
        raise ImproperlyConfigured(
            f"{named}, which keeps {characters} alone: before its tables are made, let it keep any "
            "character by ALTER DATABASE ... CHARACTER SET utf8mb4"
        )


def require_stock() -> None:
    """Refuses a Redis that cannot be used for stock, or could lose what it has taken on.

    INFO tells all of it to a user who may not run CONFIG. With stock in the database all is well.
    """
    if not settings.STOCK_URL:
        return
    try:
        with Redis.from_url(
            settings.STOCK_URL, socket_connect_timeout=3, socket_timeout=3
        ) as redis:
            told = redis.info()
    except RedisError as error:
        raise ImproperlyConfigured(
            f"STOCK_URL names a Redis that cannot be used ({error}): start it, or correct host, "
            "port, user, password or number in it; its user needs the right to +info"
        ) from error
    if tuple(map(int, told["redis_version"].split(".")[:2])) < OLDEST_REDIS:
        raise ImproperlyConfigured(
            f"STOCK_URL names a Redis {told['redis_version']}, which is too old: upgrade it to 7"
        )
    if not told["aof_enabled"]:
        raise ImproperlyConfigured(
            "STOCK_URL names a Redis that would forget stock when it ends: set `appendonly yes` in "
            "its configuration, and by CONFIG SET while it runs"
        )
    if told["maxmemory_policy"] != "noeviction":
        raise ImproperlyConfigured(
            "STOCK_URL names a Redis that may drop stock when memory is short (maxmemory-policy "
            f"{told['maxmemory_policy']}): set `maxmemory-policy noeviction` in its configuration, "
            "and by CONFIG SET while it runs"
        )
