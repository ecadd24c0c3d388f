"""Events on their way: rows that say whose state the broker has yet to hear of."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import chain, islice
from typing import Any, Self, TypeVar, cast
from uuid import UUID

from django.db import connections, models, transaction
from django.utils import timezone
from django_guid import get_guid

from user_project.fields import PortableUUIDField

Written = TypeVar("Written")


class PendingEventQuerySet(models.QuerySet["PendingEvent"]):
    def add(self, event_type: "PendingEvent.Type", user_ids: Iterable[UUID]) -> int:
        """Note that these users changed, in the transaction that changes them; return how many."""
        request_id, created_at = self._occasion()
        users = (self._column("user_id", pk) for pk in user_ids)
        count = 0
        with connections[self.db].cursor() as cursor:  # objects would cost twice
            while batch := list(islice(users, 1000)):  # a million of them need little memory
                rows = [(str(event_type), user, request_id, created_at) for user in batch]
                cursor.execute(
                    f"{self._insert()} VALUES " + ", ".join(["(%s, %s, %s, %s)"] * len(rows)),
                    list(chain.from_iterable(rows)),
                )
                count += len(rows)
        return count

    def add_with(
        self, write: Callable[[], Written], event_type: "PendingEvent.Type", user_id: UUID
    ) -> Written:
        """Write the row of one user and note its change, both or neither; returns `write`'s.

        PostgreSQL takes the two as one statement, which spares three ways to the server.
        """
        connection = connections[self.db]
        if connection.vendor == "postgresql":
            with connection.execute_wrapper(partial(self._joined, event_type)):
                return write()
        with transaction.atomic(using=self.db, savepoint=False):
            written = write()
            self.add(event_type, [user_id])
        return written

    def _joined(
        self,
        event_type: "PendingEvent.Type",
        execute: Callable[..., Any],
        sql: str,
        params: Sequence[Any],
        *rest: Any,
    ) -> Any:
        """Execute a statement that writes users, and a row for each that it wrote."""
        joined = (
            f"WITH written AS ({sql} RETURNING id) "  # noqa: S608  # Django's own statement
            f"{self._insert()} SELECT %s, id, %s, %s FROM written"
        )
        return execute(joined, (*params, str(event_type), *self._occasion()), *rest)

    def _insert(self) -> str:
        return f"INSERT INTO {self.model._meta.db_table} (type, user_id, request_id, created_at)"

    def _occasion(self) -> tuple[str, Any]:
        """At whose request, and when, as the columns keep them."""
        request_id = (get_guid() or "")[:64]  # who asks may write a UUID in more characters
        return request_id, self._column("created_at", timezone.now())

    def _column(self, name: str, value: object) -> Any:
        field = cast("models.Field[Any, Any]", self.model._meta.get_field(name))
        return field.get_db_prep_save(value, connections[self.db])

    def unclaimed(self) -> Self:
        """The oldest first; where the engine can, without the rows that another relay holds.

        These are then held until the transaction ends.
        """
        rows = self.order_by("pk")
        if connections[self.db].features.has_select_for_update_skip_locked:
            rows = rows.select_for_update(skip_locked=True)
        return rows


class PendingEvent(models.Model):
    """A pointer to a user whose public state changed; it holds no personal data.

    What is sent is the state that the user has when the relay comes by, so many pointers to one
    user become one event.
    """

    class Type(models.TextChoices):
        CREATED = "user_created"
        UPDATED = "user_updated"
        DELETED = "user_deleted"

    type = models.CharField(max_length=20, choices=Type.choices)
    user_id = PortableUUIDField()
    request_id = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField()

    objects = PendingEventQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.type} of {self.user_id}"
