"""What must be right before a process starts: what is not stops it, with one sentence."""

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

from amqp.exceptions import AccessRefused, NotAllowed
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import Error, NotSupportedError, connections
from kombu.exceptions import OperationalError
from redis.exceptions import AuthenticationError, NoPermissionError

from user_project.celery import app

# Commands of manage.py that have no need of the database; all others refuse to start without it.
WITHOUT_DATABASE = {
    "check",
    "collectstatic",
    "diffsettings",
    "findstatic",
    "generate_signing_keys",
    "help",
    "makemigrations",
    "spectacular",
    "version",
}

# How to ask a server in which characters new tables are kept; those not named here keep any.
CHARACTER_SET = {"mysql": "SELECT @@character_set_database"}

# How a broker says that it is there, but not for us.
TURNED_AWAY = (AccessRefused, NotAllowed, AuthenticationError, NoPermissionError)


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
    sys.exit(f"user_project cannot start: {refusal}")


def before_command(arguments: list[str]) -> None:
    """Refuses a command of manage.py that needs what is not there."""
    command, *options = arguments[1:] or ["help"]
    is_question = command.startswith("-") or {"-h", "--help"} & set(options)
    if command not in WITHOUT_DATABASE and not is_question:
        require_database()
        if command == "relay":
            require_broker()


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


def require_broker() -> None:
    """Refuses a broker that turns this service away. One that is not there is waited for.

    RabbitMQ looks at rights when it is given a message, and takes none that is rolled back.
    """
    broker = app.connection_for_write(transport_options={"confirm_publish": False})
    failures: Any = (OperationalError, *broker.connection_errors, *broker.channel_errors)
    try:
        broker.ensure_connection(max_retries=0)
        if settings.BROKER_CONFIRMS:
            channel: Any = broker.channel()
            channel.tx_select()
            message = channel.prepare_message(b"")
            channel.basic_publish(message, exchange="events", routing_key="user.events")
            channel.tx_rollback()
    except failures as error:
        refusal = error if isinstance(error, TURNED_AWAY) else error.__cause__
        if isinstance(refusal, TURNED_AWAY):
            raise ImproperlyConfigured(
                f"BROKER_URL names a broker that turns us away ({refusal}): correct user, password "
                "or virtual host in it, or let that user write user.# to the exchange events"
            ) from error
    finally:
        with suppress(Exception):  # a broken connection may break once more
            broker.collect(socket_timeout=1)
