"""What must be right before a process starts: what is not stops it, with one sentence."""

import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from amqp.exceptions import AccessRefused, NotAllowed, NotFound, PreconditionFailed
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import Error, NotSupportedError, connections
from kombu import Connection
from kombu.exceptions import OperationalError
from pymongo.errors import PyMongoError
from redis.exceptions import AuthenticationError, NoPermissionError

# Commands of manage.py that have no need of the database; all others refuse to start without it.
WITHOUT_DATABASE = {
    "check",
    "collectstatic",
    "declare_queues",  # it has the broker alone
    "diffsettings",
    "findstatic",
    "generate_signing_keys",
    "help",
    "makemigrations",
    "move_in",  # it says itself what is wrong with the new database
    "spectacular",
    "version",
}

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
    sys.exit(f"order_project cannot start: {refusal}")


def before_command(arguments: list[str]) -> None:
    """Refuses a command of manage.py that needs what is not there."""
    command, *options = arguments[1:] or ["help"]
    is_question = command.startswith("-") or {"-h", "--help"} & set(options)
    if command not in WITHOUT_DATABASE and not is_question:
        require_database()


def require_database(alias: str = "default") -> None:
    """Refuses a database that cannot be reached, or is not for this service to read.

    It is asked at the start alone: one that goes away later is waited for, or fails requests.
    """
    probe = connections[alias].copy(f"{alias}, at the start")
    probe.settings_dict["OPTIONS"].pop("pool", None)  # which would go on trying, unseen
    named = f"DATABASE_URL names the database {probe.settings_dict['NAME']!r}"
    try:
        # Django warns of queries before the models are loaded; this one needs none of them.
        with warnings.catch_warnings(action="ignore", category=RuntimeWarning):
            probe.ensure_connection()
            probe.introspection.table_names()
    except NotSupportedError as error:
        raise ImproperlyConfigured(
            f"{named}, whose server is too old: {error} Upgrade it, or name another"
        ) from error
    except (Error, PyMongoError) as error:
        reason = str(error).partition("\n")[0].partition(", Timeout:")[0]
        raise ImproperlyConfigured(
            f"{named}, which cannot be used ({reason}): start its server, or correct host, port, "
            "user, password, name or options in it"
        ) from error
    finally:
        probe.close()
        if hasattr(probe, "close_pool"):  # MongoDB's client does not outlive a fork
            probe.close_pool()


def require_queues(broker: Connection, names: Iterable[str]) -> None:
    """Refuses a broker that turns this service away, or lacks a queue it is to consume.

    RabbitMQ looks at the queue and at our rights before it looks at how we would consume: to ask
    for what is impossible tells of these without taking a message. Redis makes queues when needed.
    """

    def consume() -> None:
        for name in names:
            channel: Any = broker.channel()
            try:
                channel.basic_consume(name, arguments={"x-priority": "impossible"})
            except PreconditionFailed:
                """It is there, and ours to read."""
            except NotFound as error:
                raise ImproperlyConfigured(
                    f"BROKER_URL names a broker without the queue {name}: let manage.py "
                    "declare_queues make it first"
                ) from error

    ask(broker, consume, right="read its queues")


def require_exchange(broker: Connection, name: str, routing_key: str) -> None:
    """Refuses a broker that turns this service away, or takes no messages of it.

    RabbitMQ looks at our rights when it is given a message, and takes none that is rolled back.
    """

    def publish() -> None:
        channel: Any = broker.channel()
        channel.tx_select()
        message = channel.prepare_message(b"")
        channel.basic_publish(message, exchange=name, routing_key=routing_key)
        channel.tx_rollback()

    ask(broker, publish, right=f"write to the exchange {name}")


def ask(broker: Connection, question: Callable[[], None], *, right: str) -> None:
    """Connects, asks what RabbitMQ alone can tell, and closes; who is not there is waited for."""
    failures: Any = (OperationalError, *broker.connection_errors, *broker.channel_errors)
    try:
        broker.ensure_connection(max_retries=0)
        if settings.BROKER_DEAD_LETTERS:
            question()
    except failures as error:
        refusal = error if isinstance(error, TURNED_AWAY) else error.__cause__
        if isinstance(refusal, TURNED_AWAY):
            raise ImproperlyConfigured(
                f"BROKER_URL names a broker that turns us away ({refusal}): correct user, password "
                f"or virtual host in it, or let that user {right}"
            ) from error
    finally:
        with suppress(Exception):  # a broken connection may break once more
            broker.collect(socket_timeout=1)
