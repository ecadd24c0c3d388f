"""The relay: takes pending events to the broker, and forgets them once it has them."""

import logging
import uuid
from contextlib import nullcontext
from itertools import count
from threading import Event

from django.db import Error as DatabaseError
from django.db import connection, transaction
from django_guid import set_guid

from outbox.events import events_for
from outbox.models import PendingEvent
from outbox.publisher import NotDelivered, Publisher

logger = logging.getLogger(__name__)

BATCH = 500  # rows a message; more gain no speed worth the wait
SHORTEST_POLL_SECONDS, LONGEST_POLL_SECONDS = 0.02, 0.05
SHORTEST_RETRY_SECONDS, LONGEST_RETRY_SECONDS = 0.2, 5.0


def relay_batch(publisher: Publisher) -> int:
    """Send the oldest pending events as one message and delete their rows; return how many rows.

    The rows go only after the broker has the message: a crash between the two sends it again.
    Raises NotDelivered, and the rows stay.
    """
    # Where rows can be locked the claim lasts until they are deleted. SQLite's one writer must
    # not wait for a broker: there nothing is held while the message is sent.
    locks_rows = connection.features.has_select_for_update_skip_locked
    with transaction.atomic() if locks_rows else nullcontext():
        pending = PendingEvent.objects.claim(BATCH)
        if not pending:
            return 0
        # The message travels under the request that asked for it, if it was a single one.
        requests = sorted({row.request_id for row in pending if row.request_id})
        set_guid(requests[0] if len(requests) == 1 else uuid.uuid4().hex)
        events = events_for(pending)
        if events:
            publisher.publish(events)
        PendingEvent.objects.filter(pk__in=[row.pk for row in pending]).delete()
    logger.info(
        "published %d events for %d changes; requests: %s",
        len(events),
        len(pending),
        ", ".join(requests[:10]) or "none",
    )
    return len(pending)


def drain(publisher: Publisher) -> int:
    """Relay until nothing is pending; return how many rows. Raises NotDelivered."""
    return sum(iter(lambda: relay_batch(publisher), 0))


def run(publisher: Publisher, stopped: Event) -> None:
    """Relay until told to stop, between two batches; wait for whatever is away and lose nothing."""
    poll = SHORTEST_POLL_SECONDS
    failures = count()
    while not stopped.is_set():
        try:
            relayed = relay_batch(publisher)
        except (NotDelivered, DatabaseError) as error:
            connection.close()
            wait = min(SHORTEST_RETRY_SECONDS * 2 ** min(next(failures), 10), LONGEST_RETRY_SECONDS)
            logger.warning("events stay in the outbox, next try in %.1f s: %s", wait, error)
            stopped.wait(wait)
            continue
        failures = count()
        poll = SHORTEST_POLL_SECONDS if relayed else min(poll * 1.1, LONGEST_POLL_SECONDS)
        if not relayed:
            stopped.wait(poll)
