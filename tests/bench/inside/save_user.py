"""In user_project: what it costs to save a user with an event, and without."""

import json
import sys
import time
from collections.abc import Callable
from uuid import uuid4

import psycopg
from django.conf import settings
from django.db import connection, models

from users.models import User


def someone() -> User:
    return User(email=f"{uuid4()}@save.example", name="Person", password="!")


def created() -> Callable[[int], object]:
    return lambda _: someone().save()


def changed() -> Callable[[int], object]:
    user = someone()
    user.save()

    def change(number: int) -> None:
        user.name = f"Person {number}"
        user.save(update_fields=["name"])

    return change


def without(door: Callable[[int], object]) -> Callable[[int], object]:
    """The same save, whose rows Django writes by itself."""

    def act(number: int) -> None:
        ours = User._save_table
        User._save_table = models.Model._save_table
        try:
            door(number)
        finally:
            User._save_table = ours

    return act


UPDATE = "UPDATE users_user SET name = %s, version = version + 1, changed_at = now() WHERE id = %s"
INSERT = (
    "INSERT INTO outbox_pendingevent (type, user_id, request_id, created_at) "
    "VALUES ('user_updated', %s, '', now())"
)


def bare_with() -> Callable[[int], object]:
    user, bare = stranger()

    def change(number: int) -> None:
        with bare.transaction():
            bare.execute(UPDATE, (f"Person {number}", user.pk), prepare=True)
            bare.execute(INSERT, (user.pk,), prepare=True)

    return change


def bare_without() -> Callable[[int], object]:
    user, bare = stranger()
    return lambda number: bare.execute(UPDATE, (f"Person {number}", user.pk), prepare=True)


def stranger() -> tuple[User, "psycopg.Connection[tuple[object, ...]]"]:
    user = someone()
    user.save()
    known = settings.DATABASES["default"]
    words = {"dbname": "NAME", "host": "HOST", "port": "PORT", "user": "USER"}
    given = {word: known[name] for word, name in words.items() if known.get(name)}
    password = known.get("PASSWORD") or None
    return user, psycopg.connect(**given, password=password, autocommit=True)


def milliseconds(act: Callable[[int], object], times: int) -> float:
    begun = time.perf_counter()
    for number in range(1, times + 1):
        act(number)
    return 1000 * (time.perf_counter() - begun) / times


def main(*, runs: int, times: int) -> dict[str, list[float]]:
    """Milliseconds a save, by name; the pairs take turns, so that each sees the same machine."""
    doors = {
        "created_with": created(),
        "created_without": without(created()),
        "changed_with": changed(),
        "changed_without": without(changed()),
    }
    if connection.vendor == "postgresql":
        doors |= {"bare_with": bare_with(), "bare_without": bare_without()}
    for door in doors.values():
        milliseconds(door, 20)
    answer: dict[str, list[float]] = {name: [] for name in doors}
    for _ in range(runs):
        for name, door in doors.items():
            answer[name].append(milliseconds(door, times))
    User.objects.filter(email__endswith="@save.example").delete()
    return answer


print(json.dumps(main(**json.loads(sys.argv[2]))))  # noqa: T201
