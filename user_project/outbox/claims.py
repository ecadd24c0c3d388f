"""What a relay takes from the outbox at a time: rows of its own, and whom they tell of."""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db import connection

from contracts.users import User as PublicUser
from outbox.models import PendingEvent
from users.models import PUBLIC_COLUMNS, User, public_user

# Claims, joins and deletes at once, in one snapshot: who sees a row sees the state it announces.
# ARRAY makes PostgreSQL choose the rows once; a sub-select it may repeat, and claim too many.
CLAIM = f"""
    WITH claimed AS (
        DELETE FROM {PendingEvent._meta.db_table} WHERE id = ANY (ARRAY(
            SELECT id FROM {PendingEvent._meta.db_table}
            ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED
        ))
        RETURNING id, type, user_id, request_id, created_at::text
    )
    SELECT claimed.*, {", ".join(f"person.{column}" for column in PUBLIC_COLUMNS)}
    FROM claimed LEFT JOIN {User._meta.db_table} person ON person.id = claimed.user_id
    ORDER BY claimed.id
"""  # noqa: S608  # made of the models' own names

# Of `id IN (...)` MySQL may read the whole table, and wait for the rows that another relay holds:
# here it looks each id up.
FORGET = f"""
    DELETE pending
    FROM JSON_TABLE(%s, '$[*]' COLUMNS (id BIGINT PATH '$')) AS done
    STRAIGHT_JOIN {PendingEvent._meta.db_table} AS pending ON pending.id = done.id
"""


class Change(NamedTuple):
    """A pending event, and the user it points to as they are now; None where that is nobody."""

    pk: int
    type: str
    user_id: UUID
    request_id: str
    created_at: datetime
    user: PublicUser | None


def claim_changes(limit: int) -> list[Change]:
    """The oldest changes that no other relay holds, held until the transaction ends.

    SQLite has one writer and no row locks: two relays there may claim the same rows, which sends an
    event twice and changes nothing.
    """
    by = _claim_by_deleting if connection.vendor == "postgresql" else _claim_by_reading
    return by(limit)


def forget_changes(changes: Iterable[Change]) -> None:
    """Delete the rows, where claiming them has not done so."""
    ids = [change.pk for change in changes]
    locks_rows = connection.features.has_select_for_update_skip_locked
    if connection.vendor == "mysql" and locks_rows:
        with connection.cursor() as cursor:
            cursor.execute(FORGET, [json.dumps(ids)])
    elif connection.vendor != "postgresql":
        PendingEvent.objects.filter(pk__in=ids).delete()


def _claim_by_deleting(limit: int) -> list[Change]:
    """By one statement: until its transaction commits, the rows are there, and held."""
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, [limit])
        return [
            Change(
                *(pk, kind, user_id, request_id),
                datetime.fromisoformat(at),  # Django's own reader of times takes ten times as long
                public_user(*user) if user[0] else None,
            )
            for pk, kind, user_id, request_id, at, *user in cursor.fetchall()
        ]


def _claim_by_reading(limit: int) -> list[Change]:
    """By two statements, as the first one of MySQL sees rows that are newer than its snapshot."""
    pending = PendingEvent.objects.unclaimed()
    rows = pending.values_list("pk", "type", "user_id", "request_id", "created_at")[:limit]
    found = User.objects.filter(pk__in={user_id for _, _, user_id, _, _ in rows})
    users = {user.id: user for user in found.public()}
    return [Change(*row, user=users.get(str(row[2]))) for row in rows]
