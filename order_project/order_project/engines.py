"""What a URL says of the engine it names: read for Django, or refused without repeating it."""

import warnings
from typing import Any
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured
from pymongo.errors import PyMongoError
from pymongo.uri_parser import parse_uri

MONGODB = "django_mongodb_backend"
environ.Env.DB_SCHEMES |= {"mongodb": MONGODB, "mongodb+srv": MONGODB}


def engine_options(pool_size: int) -> dict[str, dict[str, Any]]:
    """Each engine this service supports, with what it needs to be safe for several processes."""
    return {
        "django.db.backends.sqlite3": {
            "transaction_mode": "IMMEDIATE",  # a reader that turns writer would fail at once
            "timeout": 20,
            # What is deleted is overwritten: of an erased person nothing stays in the file.
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; "
            "PRAGMA secure_delete=ON;",
        },
        "django.db.backends.postgresql": {
            "connect_timeout": 3,  # seconds, as all of these
            # A connection keeps what it is asked again, parsed: PgBouncer, if any, in session mode.
            "server_side_binding": True,
            "prepare_threshold": 5,
            # Of each process. A pool that went on trying would do so ever more rarely.
            "pool": {"min_size": 1, "max_size": pool_size, "timeout": 5, "reconnect_timeout": 5},
        },
        MONGODB: {"serverSelectionTimeoutMS": 5000},
    }


def database_at(url: str, *, pool_size: int = 8) -> dict[str, Any]:
    """How Django reaches the database at DATABASE_URL; raises ImproperlyConfigured."""
    scheme = url.partition("://")[0]
    engine = environ.Env.DB_SCHEMES.get(scheme)
    supported = engine_options(pool_size)
    if engine not in supported:
        raise ImproperlyConfigured(
            "DATABASE_URL must start with sqlite://, postgres://, mongodb:// or mongodb+srv://"
        )
    try:
        with warnings.catch_warnings(action="error"):
            database: dict[str, Any]
            if engine == MONGODB:  # whose driver reads it itself: it may name several hosts
                database = {"HOST": url, "NAME": urlsplit(url).path.strip("/")}
                if scheme == "mongodb":  # the other kind would have to ask the DNS
                    parse_uri(url)
            else:
                database = environ.Env.db_url_config(url)
    except (ValueError, UserWarning, PyMongoError):  # their words quote the URL, password and all
        raise ImproperlyConfigured(
            "DATABASE_URL cannot be read: write sqlite:///path or mongodb://user:password@host/name,"
            " with % codes for what is special in user or password, such as %2F for a slash"
        ) from None
    if not database["NAME"]:
        raise ImproperlyConfigured(
            "DATABASE_URL names no database: add one, as in mongodb://host/name"
        )
    options = {name: value for name, value in supported[engine].items() if f"{name}=" not in url}
    return database | {
        "ENGINE": engine,
        "OPTIONS": options | database.get("OPTIONS", {}),
        "CONN_MAX_AGE": 0 if "pool" in options else 600,
        "CONN_HEALTH_CHECKS": True,
    }


def readable(url: str, name: str, *schemes: str) -> str:
    """The URL, which must start with one of these schemes; one that is refused is not repeated."""
    try:
        parts = urlsplit(url)
        is_readable = parts.scheme in schemes and parts.port != 0
    except ValueError:  # of the port, which may be half a password
        is_readable = False
    if not is_readable:
        raise ImproperlyConfigured(
            f"{name} must start with {'://, '.join(schemes)}:// and go on like user:password@host, "
            "with % codes for what is special in user or password, such as %2F for a slash"
        )
    return url
