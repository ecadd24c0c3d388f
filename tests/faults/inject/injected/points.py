"""The named points at which a process may be told to die, between two effects of one operation."""

import fcntl
import os
import signal
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from functools import partial, wraps
from pathlib import Path
from types import ModuleType
from typing import Any

from .imports import after_import, replace


class When(StrEnum):
    """Where a process dies, as seen from the function that a point names."""

    BEFORE = "before it"
    AFTER = "after it"
    COMMIT = "before the first commit inside it"


@dataclass(frozen=True, slots=True, kw_only=True)
class CrashPoint:
    """A moment of one service's operation, and the processes that pass through it.

    `function` is "module:name" in that service's project, or in a library that it uses. A COMMIT
    counts once `since`, another function, has returned. `engines` tells where there is no such
    moment: on an engine that commits each statement by itself.
    """

    what: str
    processes: tuple[str, ...]
    function: str
    when: When
    since: str = ""
    is_library: bool = False
    accepts: Callable[..., bool] | None = None  # of the function's arguments, if not all count

    @property
    def project(self) -> str:
        return self.processes[0].partition("-")[0]

    def arm(self, name: str, occasion: int) -> None:
        """Let this process die here when it comes by for the `occasion`th time."""
        die = partial(reach, name, occasion)
        project = None if self.is_library else self.project
        module, _, path = self.function.partition(":")
        if self.when is not When.COMMIT:
            wrapper = partial(dying, die, self.when, self.accepts)
            after_import(module, lambda found: replace(found, path, wrapper), project=project)
            return
        inside: ContextVar[bool] = ContextVar(f"inside {self.function}", default=False)
        ready: ContextVar[bool] = ContextVar(f"since {self.since}", default=not self.since)
        after_import(
            module, lambda found: replace(found, path, partial(entering, inside)), project=project
        )
        if self.since:
            module, _, since = self.since.partition(":")
            after_import(
                module, lambda found: replace(found, since, partial(noting, ready)), project=project
            )

        def commit_last(found: ModuleType) -> None:
            replace(found, "BaseDatabaseWrapper.commit", partial(committing, die, inside, ready))

        after_import("django.db.backends.base.base", commit_last)


def dying(
    die: Callable[[], None],
    when: When,
    accepts: Callable[..., bool] | None,
    function: Callable[..., Any],
) -> Callable[..., Any]:
    """The function, before or after which the process dies."""

    @wraps(function)
    def deadly(*args: Any, **kwargs: Any) -> Any:
        counts = accepts is None or accepts(*args, **kwargs)
        if counts and when is When.BEFORE:
            die()
        result = function(*args, **kwargs)
        if counts and when is When.AFTER:
            die()
        return result

    return deadly


def entering(inside: ContextVar[bool], function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, which is known to be running while it does."""

    @wraps(function)
    def entered(*args: Any, **kwargs: Any) -> Any:
        token = inside.set(True)
        try:
            return function(*args, **kwargs)
        finally:
            inside.reset(token)

    return entered


def noting(done: ContextVar[bool], function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, which is known to have returned from then on."""

    @wraps(function)
    def noted(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        done.set(True)
        return result

    return noted


def committing(
    die: Callable[[], None],
    inside: ContextVar[bool],
    ready: ContextVar[bool],
    commit: Callable[..., Any],
) -> Callable[..., Any]:
    """The commit of a database's connection, before which the process dies."""

    @wraps(commit)
    def deadly(*args: Any, **kwargs: Any) -> Any:
        if inside.get() and ready.get():
            die()
        return commit(*args, **kwargs)

    return deadly


met: dict[str, int] = {}


def reach(name: str, occasion: int) -> None:
    """Note that a point was reached, and die if it is the occasion."""
    if notes := os.environ.get("FREEHOLD_CRASH_NOTES"):
        with Path(notes).open("a+") as shared:  # closed by dying as well
            fcntl.flock(shared, fcntl.LOCK_EX)
            shared.seek(0)
            number = 1 + sum(1 for _ in shared)
            shared.write(f"{name} {os.getpid()}{' dies' if number == occasion else ''}\n")
    else:
        number = met[name] = met.get(name, 0) + 1
    if number == occasion:
        if os.environ.get("FREEHOLD_CRASH_WHOLE"):
            kill_siblings()
        os.kill(os.getpid(), signal.SIGKILL)


def kill_siblings() -> None:
    """SIGKILL to the process that was started with this one's environment, and all it started."""
    session = os.getsid(0)
    given = f"FREEHOLD_CRASH_AT={os.environ['FREEHOLD_CRASH_AT']}".encode()
    try:
        is_ours = given in Path(f"/proc/{session}/environ").read_bytes().split(b"\0")
    except OSError:
        return
    if not is_ours:  # a command in the session of the one who judges
        return
    for each in (session, *(int(path.name) for path in Path("/proc").glob("[0-9]*"))):
        try:
            if os.getsid(each) == session and each != os.getpid():
                os.kill(each, signal.SIGKILL)
        except ProcessLookupError:
            continue


def is_user_events(message: Any, *args: Any, **kwargs: Any) -> bool:
    """Whether it is user_project's, rather than beat's."""
    return bool(message.delivery_info.get("routing_key") == "user.events")


CRASH_POINTS: dict[str, CrashPoint] = {
    "user-write-before-commit": CrashPoint(
        what="a user's row and its pending event are written, and not committed",
        processes=("user-web",),
        function="outbox.models:PendingEventQuerySet.add_with",
        when=When.AFTER,
    ),
    "user-commit-before-answer": CrashPoint(
        what="a user is registered, and whoever registered is not told",
        processes=("user-web",),
        function="users.operations:register_user",
        when=When.AFTER,
    ),
    "relay-claim-before-publish": CrashPoint(
        what="rows are claimed, and their message is not sent",
        processes=("user-relay",),
        function="outbox.publisher:Publisher.publish",
        when=When.BEFORE,
    ),
    "relay-publish-before-delete": CrashPoint(
        what="the broker has the message, and the rows are still there",
        processes=("user-relay",),
        function="outbox.publisher:Publisher.publish",
        when=When.AFTER,
    ),
    "relay-delete-before-commit": CrashPoint(
        what="the rows are deleted, and that is not committed",
        processes=("user-relay",),
        function="outbox.relay:relay_batch",
        since="outbox.publisher:Publisher.publish",
        when=When.COMMIT,
    ),
    "worker-apply-before-commit": CrashPoint(
        what="events are applied to the copy, and not committed",
        processes=("order-worker",),
        function="customers.projection:upsert_newer",
        when=When.AFTER,
    ),
    "worker-commit-before-return": CrashPoint(
        what="events are committed, and the pool's child has not said so",
        processes=("order-worker",),
        function="customers.operations:apply_user_events",
        when=When.AFTER,
    ),
    "worker-commit-before-ack": CrashPoint(
        what="the worker knows that events are committed, and has not told the broker",
        processes=("order-worker",),
        function="kombu.message:Message.ack",
        is_library=True,
        accepts=is_user_events,
        when=When.BEFORE,
    ),
    "order-stored-before-reserve": CrashPoint(
        what="an order is stored, and inventory is not asked yet",
        processes=("order-web", "order-worker"),
        function="clients.inventory:reserve",
        when=When.BEFORE,
    ),
    "order-reserved-before-confirm": CrashPoint(
        what="inventory holds the stock of an order that is not confirmed",
        processes=("order-web", "order-worker"),
        function="clients.inventory:reserve",
        when=When.AFTER,
    ),
    "order-cancelled-before-release": CrashPoint(
        what="an order is cancelled, and inventory is not told yet",
        processes=("order-web", "order-worker"),
        function="clients.inventory:release",
        when=When.BEFORE,
    ),
    "order-released-before-noted": CrashPoint(
        what="inventory let go of an order's stock, and the order does not say so",
        processes=("order-web", "order-worker"),
        function="clients.inventory:release",
        when=When.AFTER,
    ),
    "inventory-reserve-before-commit": CrashPoint(
        what="stock is reserved in SQL, and that is not committed",
        processes=("inventory-web",),
        function="stock.operations:reserve_stock",
        when=When.COMMIT,
    ),
    "inventory-reserve-before-answer": CrashPoint(
        what="stock is reserved, and whoever asked is not told",
        processes=("inventory-web",),
        function="stock.operations:reserve_stock",
        when=When.AFTER,
    ),
    "inventory-release-before-answer": CrashPoint(
        what="stock is released, and whoever asked is not told",
        processes=("inventory-web",),
        function="stock.operations:release_stock",
        when=When.AFTER,
    ),
    "ledger-commit-before-forget": CrashPoint(
        what="movements are in the ledger, and Redis has them too",
        processes=("inventory-ledger",),
        function="stock.stores.redis:RedisStore.forget_movements",
        when=When.BEFORE,
    ),
    "repair-remove-before-apply": CrashPoint(
        what="a repair removed rows that are ahead, and has not put the right ones there",
        processes=("order-verify",),
        function="customers.projection:remove",
        when=When.AFTER,
    ),
    "rebuild-between-pages": CrashPoint(
        what="a rebuild applied some pages of the snapshot, and not all",
        processes=("order-rebuild",),
        function="customers.operations:rebuild_page",
        when=When.AFTER,
    ),
}
