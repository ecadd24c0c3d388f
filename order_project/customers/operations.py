"""What changes the copy: events, snapshots, and the repair of what differs from the owner."""

import json
import logging
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from django.db import DatabaseError, DataError, IntegrityError, InterfaceError, transaction
from django.utils import timezone

from clients.users import fetch_user_page, fetch_users
from contracts.users import User
from customers import metrics, projection
from customers.drift import PAGE, Drift, batches, confirm
from customers.erasure import overwrite_log, scrub_latecomers, scrub_rejected, user_of
from customers.events import BadEvent, ReadEvent
from customers.models import Customer, RejectedEvent
from customers.projection import Row
from order_project.fields import to_milliseconds

logger = logging.getLogger(__name__)

REBUILD_PAGE = 2000  # users; twice as fast as pages of 500, and larger ones gain no more
REJECTED = uuid.UUID("0d8b3c1e-6b1f-4a5e-9f5c-3c0f6a1f6d55")  # the namespace of their ids


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What became of some users: `stale` ones the copy had already, as new or newer."""

    applied: int = 0
    stale: int = 0
    rejected: int = 0
    request_ids: frozenset[str] = frozenset()

    def __add__(self, other: "Applied") -> "Applied":
        return Applied(
            applied=self.applied + other.applied,
            stale=self.stale + other.stale,
            rejected=self.rejected + other.rejected,
            request_ids=self.request_ids | other.request_ids,
        )


def is_outage(error: Exception) -> bool:
    """Whether the database did not do its work, rather than refuse what it was given."""
    return isinstance(error, (DatabaseError, InterfaceError)) and not isinstance(
        error, (DataError, IntegrityError)
    )


def apply_users(*, users: Iterable[User], now: datetime) -> Applied:
    """Bring the copy up to these states, each where it is newer than what the copy has.

    Raises UnfitUser, and writes none, where the copy cannot hold one of them.
    """
    now = to_milliseconds(now)
    return _project([Row.of(user, now=now) for user in users], now=now)


def _project(rows: Sequence[Row], *, now: datetime) -> Applied:
    newest: dict[uuid.UUID, Row] = {}
    for row in rows:
        known = newest.setdefault(row.id, row)
        if row.version > known.version:
            newest[row.id] = row
    if erased := {row.id for row in newest.values() if row.is_deleted}:
        scrub_rejected(user_ids=erased, now=now)
    applied = projection.upsert_newer(sorted(newest.values(), key=lambda row: row.id.int))
    if erased:
        transaction.on_commit(overwrite_log, robust=True)  # a log in use is emptied the next time
    return Applied(applied=applied, stale=len(rows) - applied)


def apply_user_events(*, payloads: Sequence[object], now: datetime) -> Applied:
    """Apply the events of one message, in one transaction; those that cannot be are rejected.

    To apply a message again changes nothing. Raises what the database raises while it is away.
    """
    now = to_milliseconds(now)
    events: list[ReadEvent] = []
    refused: list[RejectedEvent] = []
    for payload in payloads:
        try:
            events.append(ReadEvent.of(payload, now=now))
        except BadEvent as error:
            refused.append(_rejected(payload, str(error), now))
    try:
        with transaction.atomic():
            applied = _project([event.row for event in events], now=now)
            _reject(refused, now)
    except Exception as error:
        if is_outage(error):
            raise
        logger.warning("%d events fail together: %s", len(payloads), type(error).__name__)
        if len(payloads) == 1:
            # Its own words would quote the event.
            reason = f"the database refuses it: {type(error).__name__}"
            _reject([_rejected(payloads[0], reason, now)], now)
            return _count(Applied(rejected=1))
        alone = (apply_user_events(payloads=[payload], now=now) for payload in payloads)
        return sum(alone, Applied())
    metrics.count_lags((event.row for event in events), committed_at=timezone.now())
    request_ids = frozenset(event.request_id for event in events if event.request_id)
    return _count(applied + Applied(rejected=len(refused), request_ids=request_ids))


def _count(applied: Applied) -> Applied:
    """Tell Prometheus what became of some events, which is committed by now."""
    metrics.EVENTS_APPLIED.inc(applied.applied)
    metrics.EVENTS_STALE.inc(applied.stale)
    metrics.EVENTS_REJECTED.inc(applied.rejected)
    return applied


def reject_message(*, body: bytes | str, error: str, now: datetime) -> None:
    """Keep a message of which nothing could be applied, where staff can see it."""
    text = body if isinstance(body, str) else body.decode(errors="backslashreplace")
    text = text.replace("\0", "\\0")
    row = RejectedEvent(id=uuid.uuid5(REJECTED, text), payload=text, error=error, received_at=now)
    _reject([row], now)
    _count(Applied(rejected=1))


def _rejected(payload: object, error: str, now: datetime) -> RejectedEvent:
    try:
        text = json.dumps(payload)
    except RecursionError:  # just not too deep to be read
        text = '"nested too deeply to be kept"'
    return RejectedEvent(
        id=uuid.uuid5(REJECTED, text),
        user_id=user_of(payload),
        payload=text,
        error=error,
        received_at=now,
    )


def _reject(refused: Iterable[RejectedEvent], now: datetime) -> None:
    rows = {row.id: row for row in refused}
    if rows:
        known = RejectedEvent.objects.filter(id__in=rows).values_list("id", flat=True)
        news = [rows[row_id] for row_id in rows.keys() - set(known)]
        scrub_latecomers(news, now=now)
        RejectedEvent.objects.bulk_create(news)


def retry_rejected(*, rejected: RejectedEvent, by: str, now: datetime) -> None:
    """Apply a rejected event, or a whole message, once more and note who had it resolved.

    Raises BadEvent. Events of a message that cannot be applied are then rejected one by one.
    """
    if not rejected.payload:
        raise BadEvent("someone in it was erased, and with them what it said")
    try:
        payload = json.loads(rejected.payload)
    except (ValueError, RecursionError) as error:
        raise BadEvent(f"the message is not JSON, or too deep: {error}") from error
    match payload:
        case [[[*events]], {}, {}]:
            apply_user_events(payloads=events, now=now)
        case _:
            event = ReadEvent.of(payload, now=to_milliseconds(now))
            try:
                with transaction.atomic():
                    _project([event.row], now=now)
            except (DataError, IntegrityError) as error:
                raise BadEvent(f"the database refuses it: {type(error).__name__}") from error
    RejectedEvent.objects.unresolved().filter(pk=rejected.pk).update(
        resolved_at=now, resolved_by=by
    )


@dataclass(slots=True)
class Retried:
    """What became of rejected events that were tried again."""

    applied: int = 0
    in_vain: Counter[str] = field(default_factory=Counter)  # by the reason


def retry_all_rejected(*, by: str, now: datetime) -> Retried:
    """Try all again that nobody has resolved, the oldest first."""
    retried = Retried()
    waiting = RejectedEvent.objects.unresolved().order_by("received_at", "id")
    for row_id in list(waiting.values_list("id", flat=True)):
        for rejected in RejectedEvent.objects.unresolved().filter(id=row_id):
            try:
                retry_rejected(rejected=rejected, by=by, now=now)
                retried.applied += 1
            except BadEvent as error:
                retried.in_vain[str(error)] += 1
    return retried


def dismiss_rejected(*, rejected: RejectedEvent, reason: str, by: str, now: datetime) -> bool:
    """Let a rejected event be, for a reason; tells whether nobody had resolved it before."""
    unresolved = RejectedEvent.objects.unresolved().filter(pk=rejected.pk)
    return bool(unresolved.update(resolved_at=now, resolved_by=by, dismissal_reason=reason))


@dataclass(frozen=True, slots=True)
class RebuiltPage:
    """One page of the owner's snapshot that was applied; go on `after` it until that is None."""

    users: int
    applied: int
    after: str | None


def rebuild_page(*, after: str | None, now: datetime) -> RebuiltPage:
    """Apply the page of the owner's snapshot behind `after`; raises UsersUnavailable, UnfitUser.

    It is safe while events are applied. It adds and updates; what the owner does not know stays,
    for verify_customers to find.
    """
    page = fetch_user_page(after, REBUILD_PAGE)
    applied = apply_users(users=page.users, now=now)
    return RebuiltPage(len(page.users), applied.applied, page.next)


Scope = Literal["recent", "all"]


@dataclass(slots=True)
class Verdict:
    """How the copy compares with its owner."""

    kinds: Counter[str] = field(default_factory=Counter)
    examples: list[Drift] = field(default_factory=list)  # the first of them
    repaired: int = 0

    EXAMPLES = 1000

    @property
    def drifted(self) -> int:
        return self.kinds.total()

    def __str__(self) -> str:
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(self.kinds.items()))
        return f"{kinds}; {self.repaired} repaired" if kinds else "the copy equals its owner"


def verify_customers(
    *,
    suspects: Iterable[Drift],
    scope: Scope,
    repair: bool,
    lag: float,
    wait: Callable[[float], None],
) -> Verdict:
    """Look at suspects again after `lag` seconds, by when any event must have arrived.

    What still differs is drift, and with `repair` is made equal to the owner. `scope` tells how
    much of the copy the suspects stand for. Safe under traffic and side by side with itself.
    Raises UsersUnavailable.
    """
    verdict = Verdict()
    for batch in batches(suspects, 20_000):  # bounds the memory, and how often we wait
        wait(lag)
        for drifts in batches(confirm(batch), PAGE):
            verdict.kinds.update(drift.kind for drift in drifts)
            for drift in drifts:
                metrics.DRIFT_FOUND.labels(drift.kind).inc()
            verdict.examples += drifts[: verdict.EXAMPLES - len(verdict.examples)]
            if repair:
                repair_customers(drifts=drifts)
                verdict.repaired += len(drifts)
                metrics.DRIFT_REPAIRED.inc(len(drifts))
    metrics.VERIFIED.labels(scope).set_to_current_time()
    return verdict


def repair_customers(*, drifts: Sequence[Drift]) -> None:
    """Make the copy of these users equal to the owner, even where it is ahead.

    A row that changed since it was looked at is left alone: an event was faster.
    """
    wrong = {each.id: each.ours for each in drifts if each.ours and not each.is_behind}
    with transaction.atomic():
        held = Customer.objects.select_for_update().filter(id__in=wrong).order_by("id")
        projection.remove(user.id for user in held.as_users() if user == wrong[user.id])
        apply_users(users=[each.theirs for each in drifts if each.theirs], now=timezone.now())
    # What the owner did while the copy was ahead was refused as stale, and will not come again.
    apply_users(users=fetch_users([each.id for each in drifts]), now=timezone.now())
