"""RabbitMQ's dead letters, brought to where staff see and retry them: among the rejected events."""

from itertools import islice

from django.conf import settings
from django.utils import timezone
from kombu import Connection, Message

from customers.operations import reject_message
from order_project.celery import app

MOST = 1000  # letters at a time, so that whoever collects them comes to an end


def collect_dead_letters() -> int:
    """Keep what the broker put aside as rejected events; returns how many messages.

    Each is acknowledged after it was stored, and one that comes twice is stored once. Raises
    what the broker or the database raises while it is away.
    """
    if not settings.BROKER_DEAD_LETTERS:  # Redis has none: the worker itself keeps them
        return 0
    with app.connection_for_read() as connection:
        connection.ensure_connection(max_retries=0)
        letters = iter(lambda: collect_one(connection), False)
        return sum(islice(letters, MOST))


def collect_one(connection: Connection) -> bool:
    """Keep the oldest dead letter; tells whether there was one."""
    message = settings.DEAD_LETTERS(connection.default_channel).get()
    if message is None:
        return False
    reject_message(body=message.body or "", error=why_dead(message), now=timezone.now())
    message.ack()
    return True


def why_dead(message: Message) -> str:
    """What the broker notes of a message that it put aside, in words."""
    match (message.headers or {}).get("x-death"):
        case [{"reason": reason, "queue": queue, "routing-keys": [key, *_]}, *_]:
            return f"dead-lettered ({reason}) from queue {queue}, sent as {key}"
    return "dead-lettered"
