"""Where a person may have left traces in this service, and whether there are any."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from operator import or_
from pathlib import Path
from uuid import UUID

from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.db import connection, models
from django.db.models import Q
from redis.exceptions import RedisError

from outbox.models import PendingEvent
from users.models import ERASED_IN_HISTORY, User

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """What one place holds of a person; `found` is None where it could not be told."""

    place: str
    looked_for: str
    found: int | None


def find_traces(user_id: UUID, words: Sequence[str] = ()) -> Iterator[Trace]:
    """Every place that could hold something of a user, and what it has of them.

    An erased user is known here by their id alone: `words`, such as the address and the name they
    had, are looked for everywhere. Raises what the database raises while it is away.
    """
    accounts = User.objects.filter(pk=user_id).present()
    yield Trace(place="accounts", looked_for="e-mail, name, phone", found=accounts.count())
    held = [
        model._default_manager.filter(user_id=user_id).count()
        for model in (User.groups.through, User.user_permissions.through)
    ]
    yield Trace(place="groups and permissions", looked_for="their id", found=sum(held))
    acts = LogEntry.objects.filter(
        content_type__app_label="users", content_type__model="user", object_id=str(user_id)
    ).exclude(object_repr=ERASED_IN_HISTORY, change_message="")
    yield Trace(place="admin history", looked_for="what was done to them", found=acts.count())
    waits = PendingEvent.objects.filter(user_id=user_id).exists()
    yield Trace(
        place="outbox",
        looked_for="changes that others have not heard of",
        found=None if waits else 0,
    )
    if words:
        yield from find_words(words)
    keys = [str(user_id), *words]
    yield Trace(place="cache", looked_for="keys", found=known(partial(count_keys, keys)))


def find_words(words: Sequence[str]) -> Iterator[Trace]:
    """These words in each text of the database, and in the bytes of its files."""
    for model in apps.get_models():
        texts = [f for f in model._meta.concrete_fields if isinstance(f, TEXTS)]
        if model is Session or not texts:
            continue
        mentioned = reduce(or_, (Q(**{f"{f.name}__icontains": w}) for f in texts for w in words))
        found = model._default_manager.filter(mentioned).count()
        yield Trace(place=f"table {model._meta.db_table}", looked_for="the words", found=found)
    sessions = (str(session.get_decoded()).lower() for session in Session.objects.iterator())
    found = sum(any(word.lower() in session for word in words) for session in sessions)
    yield Trace(place="sessions", looked_for="the words", found=found)
    if connection.vendor == "sqlite":
        for path in files_of_sqlite():
            content = path.read_bytes().lower()
            found = sum(content.count(word.lower().encode()) for word in words)
            yield Trace(place=f"file {path.name}", looked_for="the words", found=found)


TEXTS = (models.CharField, models.TextField)


def files_of_sqlite() -> list[Path]:
    """The database's file, and the log of what was written to it lately."""
    paths = (Path(f"{connection.settings_dict['NAME']}{suffix}") for suffix in ("", "-wal"))
    return [path for path in paths if path.exists()]


def known(count: Callable[[], int]) -> int | None:
    """The number, or None where the cache is away."""
    try:
        return count()
    except (OSError, RedisError) as error:
        logger.warning("the cache cannot be looked at: %s", type(error).__name__)
        return None


def count_keys(words: Sequence[str]) -> int:
    """How many keys of the cache have a word in them; what a process caches itself ends with it."""
    keys = getattr(cache, "iter_keys", lambda _: ())("*")
    return sum(any(word.lower() in str(key).lower() for word in words) for key in keys)
