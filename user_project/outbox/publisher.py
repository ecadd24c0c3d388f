"""The way to the broker: one message for a batch of events, and its word that it has it."""

import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import msgspec
from django.conf import settings
from kombu import Connection, Exchange
from kombu.serialization import register

from contracts.events import UserEvent
from user_project.celery import app

logger = logging.getLogger(__name__)

TASK = "user.events"
ROUTING_KEY = "user.events"
EXCHANGE = Exchange("events", type="topic", durable=True)

# Contracts become JSON at once: Celery's own way, by dicts and `json`, takes ten times as long.
register("contracts", msgspec.json.encode, None, "application/json")  # type: ignore[arg-type] # bytes


class NotDelivered(Exception):
    """The broker did not take the message, or no queue is bound to receive it."""


class Publisher:
    """Publishes over one connection, which it drops and opens anew after a failure."""

    def __init__(self) -> None:
        self._connection: Connection | None = None

    def publish(self, events: Sequence[UserEvent]) -> None:
        """Send one message that carries these events, and return once the broker has it.

        Raises NotDelivered; the message may then have arrived all the same.
        """
        try:
            self._publish(events)
        except Exception as error:  # whatever a transport raises, the rows stay and we try again
            self.close()
            raise NotDelivered(f"{type(error).__name__}: {error}") from error

    def _publish(self, events: Sequence[UserEvent]) -> None:
        if self._connection is None:
            self._connection = app.connection_for_write()
        self._connection.ensure_connection(max_retries=0)  # kombu itself would wait 2 s and retry
        producer = app.amqp.Producer(self._connection.default_channel, auto_declare=False)
        if not settings.BROKER_CONFIRMS:
            self._require_subscriber(producer)
        app.send_task(
            TASK,
            args=[events],
            argsrepr=f"{len(events)} events",  # what monitors and logs show; no names
            serializer="contracts",
            producer=producer,
            exchange=EXCHANGE.name,
            routing_key=ROUTING_KEY,
            declare=[],  # or Celery would declare a queue of its own, which nobody reads
            mandatory=True,  # with confirms: ChannelError 312 if no queue is bound
            confirm_timeout=settings.BROKER_ANSWER_SECONDS,
            retry=False,
        )

    def _require_subscriber(self, producer: Any) -> None:
        """Refuse where a transport would drop, in silence, what no queue is bound for.

        Kombu's virtual transports keep the exchange in the producer and its bindings in the broker.
        """
        producer.maybe_declare(EXCHANGE)
        channel = producer.channel
        table = channel.get_table(EXCHANGE.name)
        if not channel.typeof(EXCHANGE.name).lookup(table, EXCHANGE.name, ROUTING_KEY, None):
            raise LookupError(
                f"no queue is bound to exchange {EXCHANGE.name!r} for {ROUTING_KEY!r}"
            )

    def close(self) -> None:
        """Drop the connection without waiting for the broker's goodbye."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):  # a broken connection may break once more
                connection.collect(socket_timeout=1)
