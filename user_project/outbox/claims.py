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
            SELECT id FROM {PendingEvent._meta.db_table} WHERE id >= %s
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


class Front:
    """From which row on a relay looks for those that are pending.

    Until a vacuum PostgreSQL walks over deleted rows, 10 ms at each look for a quarter of a
    million. So a look begins shortly before the last row that was claimed, where a transaction that
    commits late may have left one, and at each fiftieth time at the very first: whatever was still
    left behind, or given back by a relay that died, is found within a second.
    """

    LOOKS = 50
    SLACK = 10_000  # rows

    def __init__(self) -> None:
        self._looks = self._start = 0

    def next_start(self) -> int:
        """Where to begin this time."""
        self._looks += 1
        return 0 if self._looks % self.LOOKS == 1 else self._start

    def passes(self, row: int) -> None:
        """Know the first row that a look found."""
        self._start = max(row - self.SLACK, 0)


def claim_changes(limit: int, front: Front) -> list[Change]:
    """The oldest changes that no other relay holds, held until the transaction ends.

    SQLite has one writer and no row locks: two relays there may claim the same rows, which sends an
    event twice and changes nothing.
    """
    if connection.vendor != "postgresql":
        return _claim_by_reading(limit)
    changes = _claim_by_deleting(limit, front.next_start())
    if changes:
        front.passes(changes[0].pk)
    return changes


def forget_changes(changes: Iterable[Change]) -> None:
    """Delete the rows, where claiming them has not done so."""
    ids = [change.pk for change in changes]
    locks_rows = connection.features.has_select_for_update_skip_locked
    if connection.vendor == "mysql" and locks_rows:
        with connection.cursor() as cursor:
            cursor.execute(FORGET, [json.dumps(ids)])
    elif connection.vendor != "postgresql":
        PendingEvent.objects.filter(pk__in=ids).delete()


def _claim_by_deleting(limit: int, start: int) -> list[Change]:
    """By one statement: until its transaction commits, the rows are there, and held."""
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, [start, limit])
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
