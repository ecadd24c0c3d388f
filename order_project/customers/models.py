"""The read-only copy of user_project's users, and the events that could not be applied to it."""

import uuid
from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Any, NoReturn, Self

from django.db import models
from django.db.models import Q
from django.utils import timezone

from contracts.users import User
from order_project.fields import KEY, MomentField


class CopyIsReadOnly(TypeError):
    """Someone tried to change the copy: user_project owns it."""

    def __init__(self) -> None:
        super().__init__(
            "Customers are a copy of user_project's users: change the user at user_project, "
            "and if the copy is wrong, run `manage.py verify_customers --repair`."
        )


def refuse_to_write(*args: Any, **kwargs: Any) -> NoReturn:
    """Stand in for whatever would write to the copy."""
    raise CopyIsReadOnly


def bounds(prefix: str) -> tuple[uuid.UUID, uuid.UUID]:
    """The lowest and the highest id that, as 32 hex digits, starts with `prefix`."""
    return uuid.UUID(prefix.ljust(32, "0")), uuid.UUID(prefix.ljust(32, "f"))


class CustomerQuerySet(models.QuerySet["Customer"]):
    """Reads the copy."""

    create = get_or_create = update_or_create = refuse_to_write
    bulk_create = bulk_update = update = delete = refuse_to_write

    def synced_since(self, moment: datetime) -> Self:
        """Those that were written to the copy at or after `moment`."""
        return self.filter(synced_at__gte=moment)

    def under(self, prefix: str) -> Self:
        """Those whose id, as 32 hex digits, starts with `prefix`."""
        return self.between(*bounds(prefix))

    def between(self, first: uuid.UUID, last: uuid.UUID) -> Self:
        """Those with an id from `first` to `last`, both included."""
        return self.filter(id__gte=first, id__lte=last)

    def as_users(self) -> Iterator[User]:
        """What the copy tells of each, in the owner's words; holds few of them in memory."""
        columns = self.values_list("id", "version", "email", "name", "is_deleted")
        for user_id, version, email, name, is_deleted in columns.iterator():
            yield User(id=str(user_id), version=version, email=email, name=name, deleted=is_deleted)


class Customer(models.Model):
    """One user as the last event or snapshot told it; an erased one is a tombstone without data.

    Only `projection.py` writes here. Nothing refers to this table and e-mails may repeat: the copy
    may be late, two users may swap addresses, and the table may be emptied and rebuilt at any time.
    """

    EMAIL_LENGTH = 320  # characters; the longest an address can be (RFC 5321, 4.5.3.1)
    NAME_LENGTH = 1000  # characters; far above what the owner accepts

    id = models.UUIDField(primary_key=True, editable=False, db_column=KEY)
    version = models.BigIntegerField()
    email = models.CharField("e-mail", max_length=EMAIL_LENGTH, blank=True)
    name = models.CharField(max_length=NAME_LENGTH, blank=True)
    is_deleted = models.BooleanField("erased")
    changed_at = MomentField(
        null=True, blank=True, help_text="When the owner changed it; unknown from a snapshot."
    )
    synced_at = MomentField(help_text="When this row was last written.")

    objects = CustomerQuerySet.as_manager()

    class Meta:
        indexes = [
            # Lists are in this order, with the erased at their end.
            models.Index(fields=["is_deleted", "email", "id"], name="customer_listed"),
            # What was written lately is verified every few minutes.
            models.Index(fields=["synced_at"], name="customer_synced"),
        ]

    def __str__(self) -> str:
        return self.email or f"erased {self.id}"

    def save(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise CopyIsReadOnly

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise CopyIsReadOnly


class RejectedEventQuerySet(models.QuerySet["RejectedEvent"]):
    """Finds what staff still have to look at."""

    def unresolved(self) -> Self:
        return self.filter(resolved_at=None)

    def with_payload(self) -> Self:
        """Those of which nothing was taken for someone who was erased, or not all."""
        return self.exclude(payload="")

    def maybe_about(self, user_ids: Collection[uuid.UUID]) -> Self:
        """Those about one of these users, and those that do not say about whom they are."""
        return self.with_payload().filter(Q(user_id__in=user_ids) | Q(user_id=None))


class RejectedEvent(models.Model):
    """An event, or a whole message, that could not be applied; kept until staff have dealt with it.

    The id is made from the payload: what is delivered twice is rejected once. Nothing but the
    payload holds personal data, and that is emptied when the person is erased.
    """

    id = models.UUIDField(primary_key=True, editable=False, db_column=KEY)
    user_id = models.UUIDField(
        null=True, blank=True, help_text="Whom it is about, where it is about one and says so."
    )
    payload = models.TextField(
        help_text="As received: JSON, unless that was the trouble. Empty once someone in it was "
        "erased."
    )
    error = models.TextField(help_text="Why it was not applied.")
    received_at = MomentField(default=timezone.now)
    resolved_at = MomentField(null=True, blank=True)
    resolved_by = models.CharField(max_length=150, blank=True)
    dismissal_reason = models.CharField(
        max_length=1000,
        blank=True,
        default="",
        help_text="Why staff let it be; empty where it was applied.",
    )

    objects = RejectedEventQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["received_at"], name="rejected_received"),
            # Whoever is erased is looked for here.
            models.Index(fields=["user_id"], name="rejected_user"),
        ]

    def __str__(self) -> str:
        return f"rejected {self.received_at:%Y-%m-%d %H:%M}: {self.error[:60]}"
