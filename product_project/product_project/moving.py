"""Moves all that this service owns from its database to another one, of any engine it supports."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from django.apps import apps
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.core.management.color import no_style
from django.db import DatabaseError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import Model, sql
from django.db.utils import load_backend

from product_project.checks import require_database
from product_project.settings import database_at

HOME, NEW_HOME = "default", "new_home"
PAGE = 500  # rows in memory at a time


class NotMoved(Exception):
    """The new database is as it was; the message says why, and what to do."""


@contextmanager
def connected(url: str, variable: str, alias: str = NEW_HOME) -> Iterator[BaseDatabaseWrapper]:
    """Let Django know another database than its own, under an alias, for as long as this lasts.

    Raises ImproperlyConfigured, naming the variable, where there is no such database.
    """
    database = connections.configure_settings({HOME: {}, alias: database_at(url, variable)})[alias]
    connection = load_backend(database["ENGINE"]).DatabaseWrapper(database, alias)
    connections[alias] = connection
    try:
        require_database(alias, variable)
        yield connection
    finally:
        connection.close()
        if database["OPTIONS"].get("pool"):
            connection.close_pool()
        del connections[alias]


def move_house(*, replace: bool) -> dict[str, int]:
    """Copy every row to the new database and return how many of each model are there, and equal.

    It makes the tables itself. The rows come in one transaction, which ends only after each was
    compared with the old one: a move that failed can be repeated, and one that was made is compared
    again. Where others live, it changes nothing unless it is to `replace` them. What is written to
    the old database meanwhile may stay behind: stop the service first.

    Raises NotMoved.
    """
    models = [
        model
        for model in apps.get_models(include_auto_created=True)
        if model._meta.managed and not model._meta.proxy
    ]
    try:
        call_command("migrate", database=NEW_HOME, verbosity=0)
        if migrations_of(HOME) == migrations_of(NEW_HOME):
            raise NotMoved("that is this database, or a copy of its files")
        with transaction.atomic(using=NEW_HOME):
            if replace or not any(map(is_lived_in, models)):
                copy(models)
            return {model._meta.label: compare(model) for model in models}
    except DatabaseError as error:
        reason = str(error.args[-1]).partition("\n")[0]
        raise NotMoved(f"a database refuses it ({reason}); mend that, and repeat") from error


def migrations_of(alias: str) -> set[tuple[str, str, object]]:
    """Which migrations a database had, and when: no two have the same history."""
    history = MigrationRecorder(connections[alias]).migration_qs
    return set(history.values_list("app", "name", "applied"))


def is_lived_in(model: type[Model]) -> bool:
    """Whether the new database has rows that its migrations did not make."""
    made_by_migrations = (ContentType, Permission)
    return model not in made_by_migrations and model._base_manager.using(NEW_HOME).exists()


def copy(models: Sequence[type[Model]]) -> None:
    """Put the rows of the old database in the place of those in the new one."""
    connection = connections[NEW_HOME]
    tables = [model._meta.db_table for model in models]
    connection.ops.execute_sql_flush(connection.ops.sql_flush(no_style(), tables))
    with connection.constraint_checks_disabled():
        for model in models:
            for page in pages(model):
                insert(model, page)
    connection.check_constraints(table_names=tables)
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), models):
            cursor.execute(statement)


def pages(model: type[Model]) -> Iterator[list[Model]]:
    """All rows of the old database, by ascending key; no engine holds them all in memory."""
    rows = model._base_manager.using(HOME).order_by("pk")
    page = list(rows[:PAGE])
    while page:
        yield page
        page = list(rows.filter(pk__gt=page[-1].pk)[:PAGE])


def insert(model: type[Model], rows: list[Model]) -> None:
    """Write rows as they are; bulk_create would set the time in `auto_now` fields anew."""
    fields = [field for field in model._meta.local_concrete_fields if not field.generated]
    at_once = connections[NEW_HOME].ops.bulk_batch_size(fields, rows)
    for start in range(0, len(rows), at_once):
        query = sql.InsertQuery(model)
        query.insert_values(fields, rows[start : start + at_once], raw=True)
        query.get_compiler(using=NEW_HOME).execute_sql()


def compare(model: type[Model]) -> int:
    """The number of rows in both databases. Raises NotMoved where they are not the same."""
    there = model._base_manager.using(NEW_HOME)
    count, differing = 0, 0
    for page in pages(model):
        twins = there.in_bulk([row.pk for row in page])
        count += len(page)
        differing += sum(content_of(row) != content_of(twins.get(row.pk)) for row in page)
    strange = there.count() - count
    if differing or strange:
        raise NotMoved(
            f"{model._meta.label} has {count} rows here, of which {differing} are not the same "
            f"there, and {count + strange} rows there; stop the service, and repeat with --replace"
        )
    return count


def content_of(row: Model | None) -> list[object]:
    return [getattr(row, field.attname) for field in row._meta.concrete_fields] if row else []
