"""What rejected events hold of people who are erased: found, and taken out."""

import json
import re
from collections.abc import Collection, Iterator
from datetime import datetime
from uuid import UUID

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import connection

from customers.drift import batches
from customers.models import Customer, RejectedEvent

ID = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}", re.IGNORECASE)
ERASED = "Someone in it was erased."


def user_of(payload: object) -> UUID | None:
    """Whom an event is about, where it is readable to that extent and says nothing else as well."""
    match payload:
        case {"subject": str(subject), "data": {"id": str(user_id)}} if subject != user_id:
            return None
        case {"subject": str(words)} | {"data": {"id": str(words)}}:
            """It says so twice, or half of it is missing."""
        case _:
            return None
    try:
        return UUID(words)
    except ValueError:
        return None


def mentions(text: str, user_ids: Collection[UUID], emails: Collection[str]) -> bool:
    """Whether a text has the id of one of these users in it, or one of these addresses."""
    found = {UUID(each) for each in ID.findall(text)}
    return bool(found.intersection(user_ids)) or any(email in text for email in emails)


def taken_out(payload: str, user_ids: Collection[UUID], emails: Collection[str] = ()) -> str:
    """The payload without what it has of these users: empty, but for the others of a message."""
    try:
        match json.loads(payload):
            case [[[*events]], *rest]:
                others = [
                    event for event in events if not mentions(json.dumps(event), user_ids, emails)
                ]
                return json.dumps([[others], *rest]) if others else ""
    except (ValueError, RecursionError):
        """What cannot be read cannot be kept in part."""
    return ""


def scrub_rejected(*, user_ids: Collection[UUID], now: datetime) -> None:
    """Take out of rejected events, and of what staff noted of them, all that they have of users.

    It is called before the copy forgets their addresses, by which it finds what has no id. One
    statement where there is nothing; what is left without a payload is resolved by that.
    """
    suspects = list(RejectedEvent.objects.maybe_about(user_ids).values_list("id", flat=True))
    if not suspects:
        return
    copies = Customer.objects.filter(id__in=user_ids).exclude(email="")
    emails = set(copies.values_list("email", flat=True))
    content_type = ContentType.objects.get_for_model(RejectedEvent)
    for row_id, user_id, payload in read_by_some(suspects):
        if user_id is None and not mentions(payload, user_ids, emails):
            continue
        rest = taken_out(payload, user_ids, emails)
        row = RejectedEvent.objects.filter(id=row_id)
        row.update(payload=rest)
        if not rest:
            row.unresolved().update(resolved_at=now, resolved_by="erasure")
            row.exclude(dismissal_reason="").update(dismissal_reason=ERASED)
        notes = LogEntry.objects.filter(content_type=content_type, object_id=str(row_id))
        notes.update(object_repr="rejected event", change_message=ERASED)


def read_by_some(row_ids: Collection[UUID]) -> Iterator[tuple[UUID, UUID | None, str]]:
    """Ids and payloads, a few at a time: a payload may be a message of megabytes."""
    for some in batches(row_ids, 20):
        rows = RejectedEvent.objects.filter(id__in=some)
        yield from rows.values_list("id", "user_id", "payload")


def scrub_latecomers(rows: Collection[RejectedEvent], *, now: datetime) -> None:
    """Take out of rows yet to be stored what they have of users who are erased by now."""
    mentioned = {row.id: {UUID(each) for each in ID.findall(row.payload)} for row in rows}
    anyone = set().union(*mentioned.values())
    erased = set(
        Customer.objects.filter(id__in=anyone, is_deleted=True).values_list("id", flat=True)
    )
    for row in rows:
        if gone := mentioned[row.id] & erased:
            row.payload = taken_out(row.payload, gone)
            if not row.payload:
                row.resolved_at, row.resolved_by = now, "erasure"


def scrub_stragglers(*, now: datetime) -> int:
    """Scrub what was rejected in the very moment of an erasure, unseen by it; tells how many."""
    scrubbed = 0
    row_ids = list(RejectedEvent.objects.with_payload().values_list("id", flat=True))
    for some in batches(row_ids, 20):
        batch = list(RejectedEvent.objects.filter(id__in=some))
        held = {row.id: row.payload for row in batch}
        scrub_latecomers(batch, now=now)
        for row in batch:
            if row.payload != held[row.id]:
                row.save(update_fields=["payload", "resolved_at", "resolved_by"])
                scrubbed += 1
    return scrubbed


def overwrite_log() -> None:
    """SQLite keeps former pages in its write-ahead log: move it into the file, and empty it."""
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
