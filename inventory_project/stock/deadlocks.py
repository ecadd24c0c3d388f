"""The one answer to a deadlock: once more."""

from collections.abc import Callable
from functools import wraps
from random import uniform
from time import sleep
from typing import ParamSpec, TypeVar

from django.db import OperationalError

TRIES = 10  # 16 clients that repeat one order needed 6 at most on MariaDB 10.11
PAUSE_SECONDS = 0.05  # at most, drawn at random so that the callers part
MYSQL_DEADLOCK = 1213
POSTGRESQL_DEADLOCK = "40P01"

P = ParamSpec("P")
Result = TypeVar("Result")


def is_deadlock(error: OperationalError) -> bool:
    return (
        error.args[:1] == (MYSQL_DEADLOCK,)
        or getattr(error.__cause__, "sqlstate", None) == POSTGRESQL_DEADLOCK
    )


def repeated_on_deadlock(operation: Callable[P, Result]) -> Callable[P, Result]:
    """Repeats an operation, which must be one transaction, when it is the victim of a deadlock.

    Ordered locks leave InnoDB reasons of its own: callers that wait to insert the same key when the
    first of them rolls back, to name one. "Always be prepared to re-issue a transaction":
    https://dev.mysql.com/doc/refman/8.4/en/innodb-deadlocks-handling.html
    """

    @wraps(operation)
    def repeated(*args: P.args, **kwargs: P.kwargs) -> Result:
        for _ in range(TRIES - 1):
            try:
                return operation(*args, **kwargs)
            except OperationalError as error:
                if not is_deadlock(error):
                    raise
            sleep(uniform(0, PAUSE_SECONDS))  # noqa: S311  # not a secret
        return operation(*args, **kwargs)

    return repeated
