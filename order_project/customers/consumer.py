"""The worker's consumer, which loses no message that it cannot read."""

import json
import logging
from collections.abc import Callable
from typing import Any

import msgspec
from celery.worker import consumer
from django.conf import settings
from django.db import connection
from django.utils import timezone
from kombu import Connection, Message
from kombu.asynchronous import Hub
from kombu.serialization import register
from kombu.utils.json import dumps

from customers.envelopes import wrap_strangers
from customers.operations import reject_message
from customers.taking import take_safely

logger = logging.getLogger(__name__)

RETRY_SECONDS = 5
WAKE_SECONDS = 0.2


def read_json(body: bytes | str | memoryview) -> Any:
    """JSON nine times as fast as kombu reads it, which a message here goes through twice.

    What msgspec is too strict for, such as half of a surrogate pair in one event's name, is left to
    Python: it concerns that event, not the others. Nothing becomes more than a dict, as with kombu.
    """
    try:
        return msgspec.json.decode(body)
    except msgspec.DecodeError:
        return json.loads(bytes(body) if isinstance(body, memoryview) else body)


register("json", dumps, read_json, content_type="application/json", content_encoding="utf-8")


class Consumer(consumer.Consumer):  # type: ignore[misc] # Celery is not typed
    """Puts aside what Celery would acknowledge or drop: not JSON, no task message, no such task.

    RabbitMQ dead-letters what is rejected. Redis would forget it: there it becomes a RejectedEvent.
    Bodies stay out of the log, for they are personal data.
    """

    class Blueprint(consumer.Consumer.Blueprint):  # type: ignore[misc] # as above
        """Without what declares exchanges: a worker needs no right to configure the broker."""

        default_steps = [
            step for step in consumer.Consumer.Blueprint.default_steps if "delayed" not in step
        ]

    def __init__(self, *args: Any, worker_options: dict[str, Any], **kwargs: Any) -> None:
        alone = {"without_mingle": True, "without_gossip": True, "without_heartbeat": True}
        super().__init__(*args, **kwargs, worker_options=worker_options | alone)

    def connection_for_read(self, heartbeat: float | None = None) -> Connection:
        """As ever; with Redis it knows the exchanges before kombu looks for what to deliver again.

        It looks as soon as the worker runs, which is before queues are declared, and drops in
        silence whatever came by an exchange of which it does not know that it is a topic.
        """
        connection = super().connection_for_read(heartbeat)
        if connection.transport.driver_type == "redis":
            for queue in settings.CELERY_TASK_QUEUES:
                queue.exchange(connection.default_channel).declare()
        return connection

    def connect(self) -> Connection:
        connection = super().connect()
        if connection.transport.driver_type == "redis":
            take_safely(connection.default_channel, wait_at="order.user-events")
            wrap_strangers(connection.default_channel)
        return connection

    def register_with_event_loop(self, hub: Hub) -> None:
        """As ever; and the loop wakes by itself, for it sees only then that it was told to stop.

        Else an idle worker would stop whenever its pool is next looked after: each five seconds.
        """
        super().register_with_event_loop(hub)
        hub.call_repeatedly(WAKE_SECONDS, lambda: None)

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Message], None]:
        handle = super().create_task_handler(*args, **kwargs)

        def on_message(message: Message) -> None:
            try:
                body = message.decode()
            except Exception as error:  # whatever a stranger's bytes may cause
                self.on_decode_error(message, error)
                return
            match body, message.headers:
                case [[*_], {}, {}], {"task": str(), "id": str()}:
                    handle(message)
                case _:
                    self.on_unknown_message(body, message)

        return on_message

    def on_decode_error(self, message: Message, exc: Exception) -> None:
        self.put_aside(message, f"cannot be decoded: {exc}")

    def on_unknown_message(self, body: Any, message: Message) -> None:
        self.put_aside(message, "not a task message")

    def on_unknown_task(self, body: Any, message: Message, exc: Exception) -> None:
        self.put_aside(message, f"no such task: {exc}")

    def on_invalid_task(self, body: Any, message: Message, exc: Exception) -> None:
        self.put_aside(message, f"not a task message: {exc}")

    def put_aside(self, message: Message, error: str) -> None:
        """Keep a message where staff can find it, and only then be done with it."""
        logger.error("a message was put aside: %s", error)
        if settings.BROKER_DEAD_LETTERS:
            message.reject_log_error(logger, self.connection_errors)
            return
        try:
            reject_message(body=message.body or "", error=error, now=timezone.now())
        except Exception as outage:  # it stays unacknowledged
            logger.warning("it waits, next try in %d s: %r", RETRY_SECONDS, outage)
            self.timer.call_after(RETRY_SECONDS, self.put_aside, (message, error))
        else:
            message.ack_log_error(logger, self.connection_errors)
        finally:  # the pool's children are forked from this process, and inherit no connection
            connection.close()
            if hasattr(connection, "close_pool"):
                connection.close_pool()
