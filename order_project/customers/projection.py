"""The one door through which the copy is written: newer states in, wrong rows out."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple, Self
from uuid import UUID

import msgspec
from django.db import DatabaseError, connection, connections
from django_mongodb_backend.query import wrap_database_errors
from pymongo import UpdateOne
from pymongo.errors import BulkWriteError

from contracts.users import User
from customers.models import Customer
from order_project.fields import to_milliseconds

LARGEST_VERSION = 2**63 - 1  # what a bigint holds
DUPLICATE_KEY = 11000  # https://www.mongodb.com/docs/manual/reference/error-codes/


class UnfitUser(ValueError):
    """A user that the copy cannot hold; says which and why."""


class Row(NamedTuple):
    """One row to be, in the order of the model's fields."""

    id: UUID
    version: int
    email: str
    name: str
    is_deleted: bool
    changed_at: datetime | None
    synced_at: datetime

    @classmethod
    def of(cls, user: User, *, now: datetime, changed_at: datetime | None = None) -> Self:
        """Maps a user to a row, a tombstone to one without personal data; raises UnfitUser.

        `now` has no microseconds that a database might not keep: to_milliseconds saw to that.
        """
        try:
            user_id = UUID(user.id)
        except ValueError:
            raise UnfitUser("the id is not a UUID") from None
        if not 1 <= user.version <= LARGEST_VERSION:
            raise UnfitUser(f"the version {user.version} of {user.id} is not a positive bigint")
        for field, text, limit in (
            ("email", user.email, Customer.EMAIL_LENGTH),
            ("name", user.name, Customer.NAME_LENGTH),
        ):
            if len(text) > limit:
                raise UnfitUser(f"the {field} of {user.id} is longer than {limit} characters")
            if not is_storable(text):
                raise UnfitUser(f"the {field} of {user.id} has a character no database can store")
        email, name = ("", "") if user.deleted else (user.email, user.name)
        changed_at = changed_at and to_milliseconds(changed_at)
        return cls(user_id, user.version, email, name, user.deleted, changed_at, now)


def is_storable(text: str) -> bool:
    """Whether every database takes it: PostgreSQL knows no NUL, and UTF-8 no lone surrogate."""
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False


FIELDS = Customer._meta.concrete_fields
COLUMNS = [str(field.column) for field in FIELDS]
UPSERT = f"""
    INSERT INTO {Customer._meta.db_table} ({", ".join(COLUMNS)}) {{rows}}
    ON CONFLICT ({COLUMNS[0]}) DO UPDATE
    SET {", ".join(f"{column} = excluded.{column}" for column in COLUMNS[1:])}
    WHERE excluded.version > {Customer._meta.db_table}.version
"""  # noqa: S608 - made of the model's own names


Write = Callable[[Sequence[Row]], int]


def upsert_newer(rows: Sequence[Row]) -> int:
    """Writes, in one statement, each row that is newer than what the copy has; tells how many.

    The rows have distinct ids and are sorted by id, so that two writers cannot deadlock.
    """
    return WRITERS[connection.vendor](rows) if rows else 0


def upsert_by_recordset(rows: Sequence[Row]) -> int:
    """PostgreSQL: all rows as one JSON parameter, so that the statement is the same for any number.

    It costs half of what an array a column does, most of which psycopg spends on quoting.
    """
    columns = ", ".join(f"{field.column} {field.db_type(connection)}" for field in FIELDS)
    source = f"SELECT * FROM json_to_recordset(%s) AS newer ({columns})"  # noqa: S608 - types alone
    newer = msgspec.json.encode([dict(zip(COLUMNS, row, strict=True)) for row in rows]).decode()
    with connection.cursor() as cursor:
        cursor.execute(UPSERT.format(rows=source), [newer])
        return int(cursor.rowcount)


def upsert_by_executemany(rows: Sequence[Row]) -> int:
    """SQLite: prepared once and run in this process, so that no limit on variables applies."""
    values = ", ".join(["%s"] * len(COLUMNS))
    with connection.cursor() as cursor:
        cursor.executemany(UPSERT.format(rows=f"VALUES ({values})"), in_words_of_database(rows))
        return int(cursor.rowcount)


def in_words_of_database(rows: Sequence[Row]) -> list[list[Any]]:
    """The rows in types of a database that has no UUIDs, or no time zones."""
    database = connections[connection.alias]  # the wrapper itself: it is asked for each value
    return [
        [field.get_db_prep_save(value, database) for field, value in zip(FIELDS, row, strict=True)]
        for row in rows
    ]


@wrap_database_errors  # type: ignore[untyped-decorator] # published without types
def upsert_by_bulk_write(rows: Sequence[Row]) -> int:
    """MongoDB: one unordered bulk write, and a second for what it found already there.

    A filter by version misses a document that is as new, and then the upsert fails on its `_id`.
    It fails likewise where another writer was first with an older one: such a document exists by
    now, so that the same update without the upsert decides.
    """
    collection = connection.get_collection(  # type: ignore[attr-defined] # its backend has it
        Customer._meta.db_table
    )
    updates = []
    for user_id, version, *rest in in_words_of_database(rows):
        is_older = {COLUMNS[0]: user_id, "version": {"$lt": version}}
        document = dict(zip(COLUMNS[1:], [version, *rest], strict=True))
        updates.append((is_older, {"$set": document}))
    try:
        result = collection.bulk_write([UpdateOne(*u, upsert=True) for u in updates], ordered=False)
        return int(result.upserted_count + result.modified_count)
    except BulkWriteError as error:
        failures = error.details["writeErrors"]
        if codes := {failure["code"] for failure in failures} - {DUPLICATE_KEY}:
            # Its own words would quote the users.
            raise DatabaseError(f"the bulk write failed with codes {codes}") from None
        applied = int(error.details["nUpserted"] + error.details["nModified"])
        again = [UpdateOne(*updates[failure["index"]]) for failure in failures]
        return applied + int(collection.bulk_write(again, ordered=False).modified_count)


WRITERS: dict[str, Write] = {
    "postgresql": upsert_by_recordset,
    "sqlite": upsert_by_executemany,
    "mongodb": upsert_by_bulk_write,
}


def remove(ids: Iterable[str]) -> None:
    """Deletes these rows of the copy."""
    Customer._base_manager.filter(id__in=list(ids)).delete()
