"""Events on their way: rows that say whose state the broker has yet to hear of."""

from collections.abc import Iterable
from itertools import chain, islice
from typing import Self
from uuid import UUID

from django.db import connections, models
from django.utils import timezone
from django_guid import get_guid

from user_project.fields import PortableUUIDField


class PendingEventQuerySet(models.QuerySet["PendingEvent"]):
    def add(self, event_type: "PendingEvent.Type", user_ids: Iterable[UUID]) -> int:
        """Note that these users changed, in the transaction that changes them; return how many."""
        connection = connections[self.db]
        fields = {field.name: field for field in self.model._meta.concrete_fields}
        request_id = (get_guid() or "")[:64]  # who asks may write a UUID in more characters
        created_at = fields["created_at"].get_db_prep_save(timezone.now(), connection)
        users = (fields["user_id"].get_db_prep_save(pk, connection) for pk in user_ids)
        count = 0
        with connection.cursor() as cursor:  # each user saved pays for this: objects cost twice
            while batch := list(islice(users, 1000)):  # a million of them need little memory
                rows = [(str(event_type), user, request_id, created_at) for user in batch]
                cursor.execute(
                    f"INSERT INTO {self.model._meta.db_table} "  # noqa: S608  # the model's own name
                    "(type, user_id, request_id, created_at) VALUES "
                    + ", ".join(["(%s, %s, %s, %s)"] * len(rows)),
                    list(chain.from_iterable(rows)),
                )
                count += len(rows)
        return count

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
