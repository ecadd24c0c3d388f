"""The relay: takes pending events to the broker, and forgets them once it has them."""

import logging
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from queue import Empty, SimpleQueue

from django.db import Error as DatabaseError
from django.db import connection, transaction
from django_guid import clear_guid, set_guid

from outbox.claims import Change, Front, claim_changes, forget_changes
from outbox.events import events_for
from outbox.metrics import EVENTS_PUBLISHED, PUBLISH_FAILURES
from outbox.publisher import NotDelivered, Publisher

logger = logging.getLogger(__name__)

BATCH = 500  # rows a message; more gain no speed worth the wait
POLL_SECONDS = 0.02  # half of it is the wait of a change that comes alone; 2 % of a core
SHORTEST_RETRY_SECONDS, LONGEST_RETRY_SECONDS = 0.2, 5.0


def relay_batch(publisher: Publisher, front: Front | None = None) -> int:
    """Send the oldest pending events as one message and delete their rows; return how many rows.

    Without a front, which spares a loop the rows long deleted, none that is pending is overlooked.

    The rows go only after the broker has the message: a crash between the two sends it again.
    Raises NotDelivered, and the rows stay.
    """
    # Where rows can be locked the claim lasts until they are deleted. SQLite's one writer must
    # not wait for a broker: there nothing is held while the message is sent.
    locks_rows = connection.features.has_select_for_update_skip_locked
    with transaction.atomic() if locks_rows else nullcontext():
        changes = claim_changes(BATCH, front or Front())
        if not changes:
            return 0
        with _request_of(changes):
            events = events_for(changes)
            if events:
                publisher.publish(events)
                EVENTS_PUBLISHED.inc(len(events))
            forget_changes(changes)
            logger.info("published %d events for %d changes", len(events), len(changes))
    return len(changes)


@contextmanager
def _request_of(changes: Iterable[Change]) -> Iterator[None]:
    """Let message and log carry the id of the request that asked for these changes.

    Where there were several, they carry a new id, and a line says for which it stands.
    """
    requests = sorted({change.request_id for change in changes if change.request_id})
    set_guid(requests[0] if len(requests) == 1 else uuid.uuid4().hex)
    if len(requests) > 1:
        logger.info("a batch for the requests %s", ", ".join(requests))
    try:
        yield
    finally:
        clear_guid()


def drain(publisher: Publisher) -> int:
    """Relay until nothing is pending; return how many rows. Raises NotDelivered."""
    front = Front()
    return sum(iter(lambda: relay_batch(publisher, front) or relay_batch(publisher), 0))


def run(publisher: Publisher, stop: "SimpleQueue[int]") -> None:
    """Relay until there is something in `stop`, between two batches.

    Waits for whatever is away, and loses nothing. A queue, because a signal handler may put into
    it while it is being read; an Event might wait for itself there.
    """
    logger.info("relaying until SIGTERM")
    front, pause = Front(), 0.0
    while not _told(stop, within=pause):
        try:
            relayed = relay_batch(publisher, front)
        except (NotDelivered, DatabaseError) as error:
            connection.close()
            PUBLISH_FAILURES.inc(isinstance(error, NotDelivered))
            pause = min(max(pause * 2, SHORTEST_RETRY_SECONDS), LONGEST_RETRY_SECONDS)
            logger.warning("events stay in the outbox, next try in %.1f s: %s", pause, error)
        else:
            pause = 0.0 if relayed else POLL_SECONDS


def _told(stop: "SimpleQueue[int]", *, within: float) -> bool:
    try:
        stop.get(timeout=within)
    except Empty:
        return False
    return True
