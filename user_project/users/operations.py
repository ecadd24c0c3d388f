"""What can be done to users: one function a use case, one transaction each."""

from collections.abc import Iterator
from datetime import datetime

from django.db import IntegrityError, transaction
from rest_framework.exceptions import NotFound, ValidationError

from outbox.models import PendingEvent
from users.models import User, UserErased


class EmailTaken(ValidationError):
    """Another user has this e-mail address, in whatever case."""

    def __init__(self) -> None:
        message = str(User._meta.get_field("email").error_messages["unique"])
        super().__init__({"email": [message]}, code="unique")


def register_user(*, email: str, name: str, password: str, phone: str = "") -> User:
    """Create an account; raises EmailTaken. The password must have been validated."""
    try:
        with transaction.atomic():
            return User.objects.create_user(email, password, name=name, phone=phone)
    except IntegrityError as error:
        raise EmailTaken from error


def change_profile(*, user: User, **changes: str) -> User:
    """Change `email`, `name` or `phone`; raises EmailTaken, and NotFound of an erased user."""
    for field, value in changes.items():
        setattr(user, field, value)
    try:
        with transaction.atomic():
            user.save(update_fields=changes)
    except UserErased as error:
        raise NotFound("This account was erased meanwhile.") from error
    except IntegrityError as error:
        raise EmailTaken from error
    return user


def erase_user(*, user: User) -> None:
    """Remove all that is known of a person; their id and a version remain as a tombstone."""
    user.delete()


def resend_users(*, since: datetime) -> Iterator[int]:
    """Put those who changed since then into the outbox once more, page by page; yields how many.

    Each page is committed by itself, and to send one twice is harmless.
    """
    rest = User.objects.filter(changed_at__gte=since).order_by("pk").values_list("pk", flat=True)
    page = list(rest[:1000])
    while page:
        yield PendingEvent.objects.add(PendingEvent.Type.UPDATED, page)
        page = list(rest.filter(pk__gt=page[-1])[:1000])


def count_changed(*, since: datetime) -> int:
    """How many users changed since then."""
    changed: int = User.objects.filter(changed_at__gte=since).count()
    return changed
