"""What comes by the broker: user_project's events, and beat's reminders."""

import json
import logging
import time
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any, TypeVar

from celery import shared_task
from celery.exceptions import Reject
from django.conf import settings
from django.db import connection
from django.utils import timezone

from clients.users import UsersUnavailable
from customers import deadletters, drift
from customers.drift import Drift
from customers.erasure import scrub_stragglers
from customers.operations import (
    Applied,
    Scope,
    apply_user_events,
    reject_message,
    verify_customers,
)

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

SHORTEST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.1, 5.0
PATIENCE_SECONDS = 600  # below RabbitMQ's consumer_timeout of 30 minutes


@shared_task(name="user.events", acks_late=True)  # after the commit
def receive_user_events(*args: Any, **kwargs: Any) -> None:
    """One message of user_project: `args` is `[[event, ...]]`."""
    now = timezone.now()
    match args:
        case ([*payloads],) if not kwargs:
            applied = persist(lambda: apply_user_events(payloads=payloads, now=now))
        case _:
            body, error = json.dumps([args, kwargs]), "not one list of events"
            persist(lambda: reject_message(body=body, error=error, now=now))
            applied = Applied(rejected=1)
    requests = sorted(applied.request_ids)
    logger.info(
        "%d users applied, %d stale, %d rejected; requests: %s",
        applied.applied,
        applied.stale,
        applied.rejected,
        ", ".join(requests[:10]) or "none",
    )


def persist(act: Callable[[], Result], *, wait: Callable[[float], None] = time.sleep) -> Result:
    """Act, again and again until nothing fails: a database that is away, or not migrated yet.

    The message is not acknowledged meanwhile. After PATIENCE_SECONDS it goes back to the broker,
    which delivers it anew: RabbitMQ counts that towards the delivery limit of the queue.
    """
    pause, waited = SHORTEST_PAUSE_SECONDS, 0.0
    while True:
        try:
            return act()
        except Exception as error:
            connection.close()
            reason = str(error.__cause__ or error).partition("\n")[0]  # the rest may quote events
            if waited >= PATIENCE_SECONDS:
                raise Reject(reason, requeue=True) from error
            logger.warning("events wait, next try in %.1f s: %s", pause, reason)
            wait(pause)
            waited += pause
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


@shared_task
def collect_dead_letters() -> None:
    """Bring to the admin what RabbitMQ put aside."""
    if collected := deadletters.collect_dead_letters():
        logger.warning("%d dead letters wait for staff in the admin", collected)


@shared_task
def verify_recent_customers() -> None:
    """Mend what was written to the copy lately and differs from the owner."""
    since = timezone.now() - timedelta(seconds=2 * settings.VERIFY_RECENT_SECONDS)
    mend(drift.find_recent_suspects(since), scope="recent")


@shared_task
def verify_all_customers() -> None:
    """Mend whatever differs from the owner, and forget whom an erasure did not reach."""
    mend(drift.find_suspects(), scope="all")
    if scrubbed := scrub_stragglers(now=timezone.now()):
        logger.warning("%d rejected events were about people erased by now", scrubbed)


def mend(suspects: Iterable[Drift], *, scope: Scope) -> None:
    """Repair what is drift among the suspects, and tell."""
    try:
        verdict = verify_customers(
            suspects=suspects,
            scope=scope,
            repair=True,
            lag=settings.COPY_LAG_SECONDS,
            wait=time.sleep,
        )
    except UsersUnavailable as error:
        logger.warning("the copy was not verified: %s", error)
        return
    logger.log(logging.WARNING if verdict.drifted else logging.INFO, "%s", verdict)
