"""Who people are, and the one place where a change of it becomes an event."""

import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from functools import partial
from itertools import starmap
from typing import Any, Self

from django.contrib.admin.models import LogEntry
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import PermissionsMixin
from django.db import IntegrityError, NotSupportedError, connections, models, transaction
from django.utils import timezone

from contracts.users import User as PublicUser
from outbox.models import PendingEvent
from user_project.fields import LowercaseEmailField, PortableUUIDField

# What other services learn of a user, as columns: a change of one of these is an event.
PUBLIC_FIELDS = frozenset({"email", "name", "erased_at"})
# The same with what names the state, in the order of public_user.
PUBLIC_COLUMNS = ("id", "version", "email", "name", "erased_at")
# What the admin's history calls whoever is erased.
ERASED_IN_HISTORY = "an erased user"
# What says which state that is, and since when.
STATE_FIELDS = frozenset({"version", "changed_at"})


class UserErased(IntegrityError):
    """The row became a tombstone after the object was loaded: nothing of a person returns to it."""

    def __init__(self) -> None:
        super().__init__("This user was erased meanwhile; nothing was written.")


def public_user(
    pk: uuid.UUID, version: int, email: str | None, name: str, erased_at: datetime | None
) -> PublicUser:
    """A user as other services may see them, from the columns alone."""
    return PublicUser(
        id=str(pk),
        version=version,
        email=email or "",
        name=name,
        deleted=erased_at is not None,
    )


def overwrite_log(alias: str) -> None:
    """SQLite keeps former pages in its write-ahead log: move it into the file, and empty it."""
    if connections[alias].vendor == "sqlite":
        with connections[alias].cursor() as cursor:
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")


class UserQuerySet(models.QuerySet["User"]):
    """Each write that changes what others know of users emits, in its own transaction."""

    def update(self, **values: Any) -> int:
        """As ever, but never to a tombstone."""
        present = self.present()
        if PUBLIC_FIELDS.isdisjoint(values):
            return models.QuerySet.update(present, **values)
        with transaction.atomic(using=self.db):
            return sum(
                rows._change(ids, PendingEvent.Type.UPDATED, values)
                for ids, rows in present._batches()
            )

    update.alters_data = True  # type: ignore[attr-defined]

    def bulk_create(self, objs: Iterable[Any], *args: Any, **options: Any) -> list[Any]:
        if options.get("update_conflicts"):
            raise NotSupportedError(
                "bulk_create(update_conflicts=True) cannot tell which users changed; "
                "create the new ones and bulk_update the others."
            )
        with transaction.atomic(using=self.db):
            users = super().bulk_create(objs, *args, **options)
            pending = PendingEvent.objects.using(self.db)
            pending.add(PendingEvent.Type.CREATED, [user.pk for user in users])
        for user in users:
            user._remember()
        return users

    def delete(self) -> tuple[int, dict[str, int]]:
        """Erase: the rows stay as tombstones without personal data, one version higher."""
        tombstone = {
            "email": None,
            "name": "",
            "phone": "",
            "password": make_password(None),
            "last_login": None,
            "is_active": False,
            "is_staff": False,
            "is_superuser": False,
            "erased_at": timezone.now(),
        }
        count = 0
        with transaction.atomic(using=self.db):
            for ids, rows in self.present()._batches():
                for membership in (User.groups.through, User.user_permissions.through):
                    membership._default_manager.using(self.db).filter(user_id__in=ids).delete()
                # The admin's history keeps the acts on a user, but not the address in them.
                LogEntry.objects.using(self.db).filter(
                    content_type__app_label="users",
                    content_type__model="user",
                    object_id__in=[str(pk) for pk in ids],
                ).update(object_repr=ERASED_IN_HISTORY, change_message="")
                count += rows._change(ids, PendingEvent.Type.DELETED, tombstone)
            transaction.on_commit(partial(overwrite_log, self.db), using=self.db)
        return count, {"users.User": count}

    delete.alters_data = True  # type: ignore[attr-defined]
    delete.queryset_only = True  # type: ignore[attr-defined]

    def _batches(self) -> Iterator[tuple[list[uuid.UUID], "UserQuerySet"]]:
        """These rows as they are now, in batches below every engine's limit of parameters."""
        ids = list(self.order_by().values_list("pk", flat=True))
        for start in range(0, len(ids), 500):
            batch = ids[start : start + 500]
            yield batch, self.filter(pk__in=batch)

    def _change(
        self, ids: list[uuid.UUID], event: PendingEvent.Type, values: dict[str, Any]
    ) -> int:
        PendingEvent.objects.using(self.db).add(event, ids)
        values |= {"version": models.F("version") + 1, "changed_at": timezone.now()}
        return super().update(**values)

    def under(self, prefix: str) -> Self:
        """Those whose id, as 32 hex digits, starts with these."""
        ends = (uuid.UUID(prefix.ljust(32, digit)) for digit in "0f")
        return self.filter(pk__range=tuple(ends))

    def present(self) -> Self:
        """Without the tombstones of erased users."""
        return self.filter(erased_at=None)

    def public(self, *, chunk_size: int | None = None) -> Iterator[PublicUser]:
        """These users as other services may see them, read straight from the columns.

        All at once, or so many at a time that a million of them need little memory.
        """
        rows = self.values_list(*PUBLIC_COLUMNS)
        return starmap(public_user, rows.iterator(chunk_size) if chunk_size else rows)


class UserManager(BaseUserManager.from_queryset(UserQuerySet)):  # type: ignore[misc]
    """Creates users with a hashed password."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        user = User(email=email, **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)


class User(AbstractBaseUser, PermissionsMixin):
    """A person with an account.

    `version` counts the states of the public fields. An erased user keeps only id and version.
    """

    id = PortableUUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    email = LowercaseEmailField(
        "e-mail",
        unique=True,
        null=True,
        error_messages={"unique": "This e-mail address has an account: log in, or use another."},
    )
    name = models.CharField(max_length=150)
    phone = models.CharField(max_length=32, blank=True)
    is_staff = models.BooleanField("staff", default=False)
    is_active = models.BooleanField("active", default=True)
    version = models.PositiveBigIntegerField(default=1, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    changed_at = models.DateTimeField(default=timezone.now, editable=False, db_index=True)
    erased_at = models.DateTimeField(null=True, editable=False)

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS = ["name"]

    objects = UserManager()

    _remembered: Mapping[str, str | datetime | None] = {}  # public fields as the row has them

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="erased_users_keep_no_personal_data",
                condition=models.Q(erased_at=None, email__isnull=False)
                | models.Q(
                    erased_at__isnull=False,
                    email=None,
                    name="",
                    phone="",
                    is_active=False,
                    is_staff=False,
                    is_superuser=False,
                ),
            )
        ]

    def __str__(self) -> str:
        return self.email or f"erased user {self.pk}"

    def may_touch(self, other: "User") -> bool:
        """Whether staff may change or erase another user: only a superuser may a superuser."""
        return self.is_superuser or not other.is_superuser

    @classmethod
    def from_db(cls, *args: Any, **options: Any) -> Self:
        user = super().from_db(*args, **options)
        user._remember()
        return user

    def refresh_from_db(
        self,
        using: str | None = None,
        fields: Iterable[str] | None = None,
        from_queryset: models.QuerySet[Any] | None = None,
    ) -> None:
        names = None if fields is None else list(fields)
        super().refresh_from_db(using, names, from_queryset)
        self._remember(PUBLIC_FIELDS if names is None else PUBLIC_FIELDS.intersection(names))

    def save(self, *args: Any, **options: Any) -> None:
        """Write what is new here and, if that is public, count the version up and emit.

        Public fields that this object did not change are not written: one loaded earlier must not
        take back, unnoticed by the outbox, what another process changed meanwhile.
        Raises UserErased.
        """
        changed: Collection[str] = PUBLIC_FIELDS
        if not self._state.adding:
            fields, changed = self._fields_to_write(options.pop("update_fields", None))
            if changed:
                fields |= STATE_FIELDS
                self.version, self.changed_at = models.F("version") + 1, timezone.now()
            options["update_fields"] = fields
        try:
            super().save(*args, **options)
        finally:
            self._forget_expression()
        self._remember(changed)

    def _save_table(
        self,
        raw: bool = False,
        cls: type[models.Model] | None = None,
        force_insert: bool = False,
        force_update: bool = False,
        using: str | None = None,
        update_fields: Collection[str] | None = None,
    ) -> Any:
        """Write the row, which Django does here and only here, and emit if it is a new state."""
        write = partial(
            super()._save_table,  # type: ignore[misc]  # the stubs do not know it
            *(raw, cls, force_insert, force_update, using, update_fields),
        )
        if self._state.adding:
            event = PendingEvent.Type.CREATED
        elif update_fields is None or "version" in update_fields:
            event = PendingEvent.Type.UPDATED
        else:
            return write()
        return PendingEvent.objects.using(using).add_with(write, event, self.pk)

    def _do_update(
        self,
        base_qs: models.QuerySet[Any],
        using: str | None,
        pk_val: Any,
        values: Collection[Any],
        update_fields: Iterable[str] | None,
        *rest: Any,
    ) -> Any:
        """Update the row unless it is a tombstone; loaddata alone, which names no fields, may."""
        if update_fields is not None:
            base_qs = base_qs.filter(erased_at=None)
        is_written = super()._do_update(base_qs, using, pk_val, values, update_fields, *rest)
        if update_fields is not None and not is_written:
            raise UserErased
        return is_written

    def delete(self, using: str | None = None, keep_parents: bool = False) -> Any:
        """Erase, as UserQuerySet.delete does."""
        erased = User.objects.using(using or self._state.db).filter(pk=self.pk).delete()
        self.refresh_from_db(using=using)
        return erased

    def _fields_to_write(self, asked: Iterable[str] | None) -> tuple[set[str], set[str]]:
        """The names of the fields to write, and those among them whose change is public."""
        fields = {field.name for field in self._meta.concrete_fields if not field.primary_key}
        fields -= self.get_deferred_fields()
        if asked is not None:
            fields &= set(asked)
        changed = {
            name
            for name in fields & PUBLIC_FIELDS
            if name not in self._remembered or self._remembered[name] != self.__dict__[name]
        }
        return fields - PUBLIC_FIELDS - STATE_FIELDS | changed, changed

    def _forget_expression(self) -> None:
        """Let `version` be read again from the row when it is next asked for."""
        if not isinstance(self.version, int):
            del self.__dict__["version"]

    def _remember(self, names: Collection[str] = PUBLIC_FIELDS) -> None:
        """Note what the row has of these fields; what was not read or written stays as noted."""
        told = {name: self.__dict__[name] for name in names if name in self.__dict__}
        self._remembered = {**self._remembered, **told}
