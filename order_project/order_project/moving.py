"""Moves all that this service keeps to another database, of any engine it supports.

Django's own apps have other keys on MongoDB than elsewhere, and a process knows one kind alone. So
each database has a process of its own, and from one to the other go lines of JSON like dumpdata's,
the same on every engine: orders, customers and events are known by their ids, staff and groups by
their names. Times are told to the millisecond.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import groupby
from typing import Any

from django.apps import apps
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.core import serializers
from django.core.management import call_command
from django.core.serializers.base import DeserializationError
from django.core.serializers.json import DjangoJSONEncoder
from django.db import DatabaseError, connection, transaction
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import AutoField, Model
from pymongo.errors import PyMongoError

from customers.drift import batches

PAGE = 500  # rows in memory at a time
STAY_BEHIND = (Session, ContentType, Permission)  # staff log in anew; migrate makes the others

Row = dict[str, Any]
Tally = dict[str, list[int]]  # of each model, how many rows, and the sum of their digests


class NotMoved(Exception):
    """The rows are not, or not all, in the new database; says why, and what to do."""


def pack() -> Iterator[bytes]:
    """All that this database keeps, a line each: which database it is, the rows, their tally.

    Raises NotMoved.
    """
    tally: Tally = {}
    with explained("old"):
        yield write({"history": history()})
        for row in rows():
            yield count(row, tally)
        yield write({"tally": tally})


def unpack(lines: Iterable[bytes], *, replace: bool) -> dict[str, int]:
    """Put the rows of another database into this one; returns how many of each model it has now.

    It makes the tables itself, and ends with a comparison of all that came with all that is here.
    Where there are rows already, it only compares, unless it is to `replace` them. On failure the
    database is as it was before, but for MongoDB, where it is to be repeated.

    Raises NotMoved.
    """
    with explained("new"):
        call_command("migrate", verbosity=0)
        with transaction.atomic():
            is_empty = not any(model._base_manager.exists() for model in moved_models())
            tally = take(read(lines), replace=replace or is_empty)
            kept: Tally = {}
            for row in rows():
                count(row, kept)
            check_equal(tally, kept)
    return {label: number for label, (number, _) in tally.items()}


@contextmanager
def explained(which: str) -> Iterator[None]:
    """Raises NotMoved for what a database refuses or does not know, such as a right of old."""
    try:
        yield
    except (DatabaseError, PyMongoError, DeserializationError) as error:
        reason = str(error.__cause__ or error).partition("\n")[0]
        raise NotMoved(f"the {which} database refuses ({reason}): mend that, and repeat") from error


def take(arriving: Iterator[Row], *, replace: bool) -> Tally:
    """Store the rows, if they are to `replace` what is here; returns the tally of what came."""
    if next(arriving, {}).get("history") in (None, history()):
        raise NotMoved("what came is from this database itself, or not from any")
    if replace:
        for model in reversed(moved_models()):
            model._base_manager.all().delete()
    tally: Tally = {}
    announced = None
    for label, group in groupby(arriving, key=lambda row: row.get("model")):
        if label is None:
            announced = next(group).get("tally")
            break
        for page in batches(group, PAGE):
            for row in page:
                count(row, tally)
            if replace:
                store(page)
    if announced != tally:
        raise NotMoved("less came than was sent: repeat the move with --replace")
    return tally


def store(page: list[Row]) -> None:
    """Write some rows of one model."""
    objects = list(serializers.deserialize("python", page))
    model = type(objects[0].object)
    written = (*model._meta.concrete_fields, *model._meta.many_to_many)
    if any(field.is_relation for field in written):
        for each in objects:
            each.save()
    else:
        model._base_manager.bulk_create([each.object for each in objects])


def check_equal(came: Tally, kept: Tally) -> None:
    """Raises NotMoved where what came is not what is here."""
    differing = [
        f"{came.get(label, [0])[0]} {label} came, and {kept.get(label, [0])[0]} are there"
        for label in sorted(came.keys() | kept.keys())
        if came.get(label) != kept.get(label)
    ]
    if differing:
        raise NotMoved(
            f"the new database has other rows ({'; '.join(differing)}): "
            "stop the service, and repeat with --replace"
        )


def moved_models() -> list[type[Model]]:
    """Each after those that it refers to."""
    return serializers.sort_dependencies(
        [
            (app, [model for model in app.get_models() if model not in STAY_BEHIND])
            for app in apps.get_app_configs()
        ]
    )


def rows() -> Iterator[Row]:
    """All rows to be moved, told alike by every engine."""
    for model in moved_models():
        stored = model._base_manager.order_by("pk").iterator(chunk_size=PAGE)
        for page in batches(stored, PAGE):
            for row in serializers.serialize(
                "python", page, use_natural_foreign_keys=True, use_natural_primary_keys=True
            ):
                if isinstance(model._meta.pk, AutoField):  # of this database alone
                    row.pop("pk", None)
                for field in model._meta.many_to_many:
                    row["fields"][field.name].sort()
                yield row


def count(row: Row, tally: Tally) -> bytes:
    """The row's line, after it was added to a tally, which does not depend on the order of rows."""
    line = write(row)
    of_model = tally.setdefault(row["model"], [0, 0])
    of_model[0] += 1
    of_model[1] = (of_model[1] + int.from_bytes(hashlib.sha256(line).digest())) % 2**256
    return line


class Encoder(DjangoJSONEncoder):
    """Tells times to the millisecond, and a time without any as one that has none."""

    def default(self, o: Any) -> Any:
        if isinstance(o, datetime):
            o = o.replace(microsecond=o.microsecond // 1000 * 1000)
        return super().default(o)


def write(value: object) -> bytes:
    return json.dumps(value, cls=Encoder, sort_keys=True).encode() + b"\n"


def read(lines: Iterable[bytes]) -> Iterator[Row]:
    for line in lines:
        try:
            yield json.loads(line)
        except ValueError:  # the one that was cut where the sender died
            return


def history() -> str:
    """Which database this is: no two were migrated at the same moments."""
    migrations = MigrationRecorder(connection).migration_qs
    return write(sorted(map(list, migrations.values_list("app", "name", "applied")))).decode()
