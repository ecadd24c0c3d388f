"""Where a person may have left traces in this service, and whether there are any."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from amqp.exceptions import AMQPError, ChannelError
from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.core.cache import cache
from django.db.models import Q
from kombu import Queue
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from customers.erasure import mentions
from customers.models import Customer, RejectedEvent
from order_project.celery import app

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """What one place holds of a person; `found` is None where it could not be told."""

    place: str
    looked_for: str
    found: int | None


def find_traces(user_id: UUID) -> Iterator[Trace]:
    """Every place that could hold the name or address of a user, and what it has of them.

    A message that waits in a queue cannot be looked into: where there is one, nobody can tell.
    Raises what the database raises while it is away.
    """
    alive = Customer.objects.filter(id=user_id).exclude(is_deleted=True, email="", name="")
    yield Trace(place="copy of users", looked_for="e-mail and name", found=alive.count())
    held = RejectedEvent.objects.maybe_about([user_id]).values_list("user_id", "payload")
    about = [text for subject, text in held if subject or mentions(text, [user_id], [])]
    yield Trace(place="rejected events", looked_for="payloads about them", found=len(about))
    words = str(user_id)
    notes = LogEntry.objects.filter(
        Q(object_repr__icontains=words) | Q(change_message__icontains=words)
    )
    yield Trace(place="admin history", looked_for="entries with their id", found=notes.count())
    keys = known(partial(count_keys, f"*{user_id}*"))
    yield Trace(place="cache", looked_for="keys with their id", found=keys)
    queues = [*settings.CELERY_TASK_QUEUES]
    if settings.BROKER_DEAD_LETTERS:
        queues.append(settings.DEAD_LETTERS)
    for queue in queues:
        waiting = known(partial(count_messages, queue))
        yield Trace(
            place=f"queue {queue.name}",
            looked_for="messages that wait",
            found=0 if waiting == 0 else None,
        )


def known(count: Callable[[], int]) -> int | None:
    """The number, or None where the cache or the broker is away, or does not let us look."""
    try:
        return count()
    except (OSError, AMQPError, OperationalError, RedisError) as error:
        logger.warning("it cannot be looked at: %s", type(error).__name__)
        return None


def count_keys(pattern: str) -> int:
    """How many keys of the cache fit; what a process caches for itself ends with it."""
    find = getattr(cache, "iter_keys", lambda _: ())
    return sum(1 for _ in find(pattern))


def count_messages(queue: Queue) -> int:
    """How many messages wait in a queue; Redis has no queue where none does."""
    with app.connection_for_read() as connection:
        connection.ensure_connection(max_retries=0)
        try:
            declared = queue(connection.default_channel).queue_declare(passive=True)
        except ChannelError as error:
            if str(error.reply_code) != "404":
                raise
            return 0
        return int(declared.message_count)
