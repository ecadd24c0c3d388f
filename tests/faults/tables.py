"""A table of any of the engines, read and altered by hand: no Django, no guard, no event."""

import sqlite3
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pymongo
import pymysql

PATIENCE_SECONDS = 30  # for a lock that the estate holds


class Table:
    """Rows of one table; `key` is the column of its primary key, a UUID given as text."""

    def __init__(self, url: str, name: str, key: str = "_id") -> None:
        self.url, self.name, self.key = urlsplit(url), name, key

    def rows(self, *columns: str) -> list[tuple[Any, ...]]:
        """All rows; a key is the text of its UUID on each engine, and a truth value a bool."""
        if self.url.scheme == "mongodb":
            with self._collection() as collection:
                found = list(collection.find({}, dict.fromkeys(columns, 1)))
            read = [tuple(each[column] for column in columns) for each in found]
        else:
            names = ", ".join(map(self._quoted, columns))
            read = self.execute(f"SELECT {names} FROM {self.name}")  # noqa: S608
        return [
            tuple(
                str(uuid.UUID(str(value))) if column == self.key
                else bool(value) if column.startswith("is_")
                else value
                for column, value in zip(columns, row, strict=True)
            )
            for row in read
        ]  # fmt: skip

    def insert(self, **values: Any) -> None:
        if self.url.scheme == "mongodb":
            with self._collection() as collection:
                collection.insert_one(self._ready(values))
            return
        ready = self._ready(values)
        names, marks = ", ".join(map(self._quoted, ready)), ", ".join(["?"] * len(ready))
        self.execute(
            f"INSERT INTO {self.name} ({names}) VALUES ({marks})",  # noqa: S608
            *ready.values(),
        )

    def change(self, key: str, **values: Any) -> None:
        if self.url.scheme == "mongodb":
            with self._collection() as collection:
                collection.update_one({"_id": self._id(key)}, {"$set": self._ready(values)})
            return
        ready = self._ready(values)
        settings = ", ".join(f"{self._quoted(column)} = ?" for column in ready)
        self.execute(
            f"UPDATE {self.name} SET {settings} WHERE {self.key} = ?",  # noqa: S608
            *ready.values(),
            self._id(key),
        )

    def delete(self, key: str) -> None:
        if self.url.scheme == "mongodb":
            with self._collection() as collection:
                collection.delete_one({"_id": self._id(key)})
            return
        self.execute(f"DELETE FROM {self.name} WHERE {self.key} = ?", self._id(key))  # noqa: S608

    def execute(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Run one statement of SQL in a transaction of its own; `?` stands for each value."""
        connection: Any
        if self.url.scheme == "sqlite":
            connection = sqlite3.connect(self.url.path[1:], timeout=PATIENCE_SECONDS)
        elif self.url.scheme.startswith("postgres"):
            connection = psycopg.connect(self.url.geturl(), connect_timeout=5)
            statement = statement.replace("?", "%s")
        else:
            connection = pymysql.connect(
                host=self.url.hostname or "",
                port=self.url.port or 3306,
                user=self.url.username,
                password=self.url.password or "",
                database=self.url.path[1:],
                connect_timeout=5,
            )
            statement = statement.replace("?", "%s")
        with closing(connection):
            cursor = connection.cursor()
            cursor.execute(statement, values)
            found = cursor.fetchall() if cursor.description else []
            connection.commit()
            return list(found)

    @contextmanager
    def _collection(self) -> Iterator[Any]:
        client: pymongo.MongoClient[Any] = pymongo.MongoClient(
            self.url.geturl(), serverSelectionTimeoutMS=5_000
        )
        with closing(client):
            yield client.get_default_database()[self.name]

    def _ready(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {
            name: self._id(value) if name == self.key else value for name, value in values.items()
        }

    def _quoted(self, column: str) -> str:
        """A column's name where it may be a word of SQL, as `lines` is at MySQL."""
        return f"`{column}`" if self.url.scheme == "mysql" else f'"{column}"'

    def _id(self, key: str) -> Any:
        """A UUID as the engine keeps it."""
        if self.url.scheme.startswith("postgres"):
            return uuid.UUID(key)
        return key if self.url.scheme == "mysql" else uuid.UUID(key).hex


def only(rows: Sequence[tuple[Any, ...]]) -> list[Any]:
    """The values of rows of one column."""
    return [value for (value,) in rows]
