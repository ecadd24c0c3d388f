"""The safeguards that can be taken away, one at a time, to see that the harness notices."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from types import ModuleType
from typing import Any

from contracts.inventory import Reservation

from .imports import Change, after_import, refuse, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Safeguard:
    """What one service does against one trouble; `why` says what goes wrong without it.

    It is removed from all of that service's processes, its migrations included.
    """

    project: str
    why: str
    changes: dict[str, Change]
    libraries: frozenset[str] = frozenset()  # those of the modules that are not the service's own

    def remove(self) -> None:
        """Let this process do without it."""
        for module, change in self.changes.items():
            is_library = module in self.libraries
            after_import(module, change, project=None if is_library else self.project)


def instead(path: str, make: Callable[..., Callable[..., Any]]) -> Change:
    """The function at a path of the module, replaced by what `make` makes of it."""
    return lambda module: replace(module, path, make)


# At the relay.


def unconfirmed(publish: Callable[..., Any]) -> Callable[..., Any]:
    """Amqp's publish that waits for the broker's word, without the wait."""

    @wraps(publish)
    def basic_publish(self: Any, *args: Any, confirm_timeout: Any = None, **kwargs: Any) -> Any:
        return self._basic_publish(*args, **kwargs)

    return basic_publish


def optional(publish: Callable[..., Any]) -> Callable[..., Any]:
    """Amqp's publish, content with a message that no queue is bound for."""

    @wraps(publish)
    def basic_publish(*args: Any, mandatory: bool = False, **kwargs: Any) -> Any:
        return publish(*args, mandatory=False, **kwargs)

    return basic_publish


def declare_alone(require_subscriber: Callable[..., Any]) -> Callable[..., Any]:
    """What a virtual transport needs to know of an exchange, without a look at who is bound."""

    @wraps(require_subscriber)
    def declare(self: Any, producer: Any) -> None:
        producer.maybe_declare(require_subscriber.__globals__["EXCHANGE"])

    return declare


# At the worker.


def acknowledging_early(strategy: Callable[..., Any]) -> Callable[..., Any]:
    """Celery's way to start a task, which acknowledges the message before the task runs."""

    @wraps(strategy)
    def default(task: Any, *args: Any, **kwargs: Any) -> Any:
        if task.name == "user.events":
            task.acks_late = False
        return strategy(task, *args, **kwargs)

    return default


def acknowledge_what_a_lost_child_had(settings: ModuleType) -> None:
    if not getattr(settings, "CELERY_TASK_REJECT_ON_WORKER_LOST", False):
        refuse("order_project does not reject what a lost child had in hand any more")
    settings.CELERY_TASK_REJECT_ON_WORKER_LOST = False  # type: ignore[attr-defined]


def overwrite_newer(projection: ModuleType) -> None:
    """The upsert that takes whatever comes last."""
    projection.UPSERT, found = re.subn(  # type: ignore[attr-defined]
        r"WHERE excluded\.version > \S+", "", getattr(projection, "UPSERT", "")
    )
    update_one: Any = getattr(projection, "UpdateOne", None)
    if not found or not update_one:
        refuse("customers.projection guards the version in another way now")

    def unguarded(where: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        return update_one({"_id": where["_id"]}, *args, **kwargs)

    projection.UpdateOne = unguarded  # type: ignore[attr-defined]


def write_all(operations: ModuleType) -> None:
    """Each event of a batch a row of the statement, though several tell of one user."""

    def unfolded(project: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(project)
        def _project(rows: Any, *args: Any, **kwargs: Any) -> Any:
            applied = operations.projection.upsert_newer(sorted(rows))
            return operations.Applied(applied=applied, stale=len(rows) - applied)

        return _project

    replace(operations, "_project", unfolded)


# At orders.


def keyless(place: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(place)
    def place_order(**asked: Any) -> Any:
        return place(**asked | {"idempotency_key": None})

    return place_order


def forget_releases(operations: ModuleType) -> None:
    """An order that ended is not resumed to release its stock."""
    resuming = False

    def noted(resume: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(resume)
        def resume_orders(*args: Any, **kwargs: Any) -> Any:
            nonlocal resuming
            resuming = True
            try:
                return resume(*args, **kwargs)
            finally:
                resuming = False

        return resume_orders

    def pending_alone(settle: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(settle)
        def settle_order(*, order: Any, **kwargs: Any) -> Any:
            if order.status == "pending" or not resuming:
                settle(order=order, **kwargs)

        return settle_order

    replace(operations, "resume_orders", noted)
    replace(operations, "settle_order", pending_alone)


# At inventory.


def move_as_read(move: Callable[..., Any]) -> Callable[..., Any]:
    """The change of a level for which there was enough when it was last read."""

    @wraps(move)
    def moved(self: Any, *, sku: str, on_hand: int = 0, reserved: int = 0) -> bool:
        level = self.filter(sku=sku).first()
        if level is None or level.on_hand + on_hand < level.reserved + reserved:
            return False
        read = {"on_hand": level.on_hand + on_hand, "reserved": level.reserved + reserved}
        return bool(self.filter(sku=sku).update(**read))

    return moved


def reserve_whatever_is_there(migration: ModuleType) -> None:
    """PostgreSQL's function that reserves, without its look at the shelf."""
    migration.FUNCTION, found = re.subn(  # type: ignore[attr-defined]
        r"AND on_hand - reserved >= [^;]+", "", getattr(migration, "FUNCTION", "")
    )
    if not found:
        refuse("PostgreSQL's function guards the stock in another way now")


def unconstrained(sql: Callable[..., Any]) -> Callable[..., Any]:
    """The levels' tables without their check, which would refuse what the guard let through."""

    @wraps(sql)
    def made(self: Any, *args: Any, **kwargs: Any) -> Any:
        return None if self.name.startswith("stock_level") else sql(self, *args, **kwargs)

    return made


def drop_checks(constraints: ModuleType) -> None:
    replace(constraints, "CheckConstraint.constraint_sql", unconstrained)
    replace(constraints, "CheckConstraint.create_sql", unconstrained)


def reserve_blindly(redis_store: ModuleType) -> None:
    """The script that reserves, whatever is on the shelf."""
    scripts: Path = redis_store.SCRIPTS
    if "available < quantity" not in scripts.joinpath("reserve.lua").read_text():
        refuse("reserve.lua guards the stock in another way now")

    class Blind(type(scripts)):  # type: ignore[misc]
        def read_text(self, *args: Any, **kwargs: Any) -> str:
            text: str = super().read_text(*args, **kwargs)
            return text.replace("available < quantity", "false")

    redis_store.SCRIPTS = Blind(scripts)  # type: ignore[attr-defined]


def unburied(release: Callable[..., Any]) -> Callable[..., Any]:
    """A release that leaves nothing behind where nothing was reserved yet."""

    @wraps(release)
    def released(self: Any, *, order_id: Any, by: str) -> Any:
        if self.reservation(order_id=order_id) is not None:
            return release(self, order_id=order_id, by=by)
        return Reservation(order_id=str(order_id), state="released", lines=())

    return released


def unsorted(by_sku: Callable[..., Any]) -> Callable[..., Any]:
    """The lines of an order in the sequence in which its customer named them."""

    @wraps(by_sku)
    def as_given(lines: tuple[Any, ...]) -> tuple[Any, ...]:
        return lines

    return as_given


SAFEGUARDS: dict[str, Safeguard] = {
    "confirms": Safeguard(
        project="user",
        why="what a broker never got is forgotten",
        changes={"amqp.channel": instead("Channel.basic_publish_confirm", unconfirmed)},
        libraries=frozenset({"amqp.channel"}),
    ),
    "mandatory": Safeguard(
        project="user",
        why="what no queue is bound for is forgotten",
        changes={
            "amqp.channel": instead("Channel._basic_publish", optional),
            "outbox.publisher": instead("Publisher._require_subscriber", declare_alone),
        },
        libraries=frozenset({"amqp.channel"}),
    ),
    "ack-after-commit": Safeguard(
        project="order",
        why="what a killed worker had in hand is forgotten",
        changes={"celery.worker.strategy": instead("default", acknowledging_early)},
        libraries=frozenset({"celery.worker.strategy"}),
    ),
    "reject-on-worker-lost": Safeguard(
        project="order",
        why="what a killed child had in hand is forgotten",
        changes={"order_project.settings": acknowledge_what_a_lost_child_had},
    ),
    "version-guard": Safeguard(
        project="order",
        why="an old state that comes late replaces a new one",
        changes={"customers.projection": overwrite_newer},
    ),
    "in-batch-fold": Safeguard(
        project="order",
        why="two events of one user in one message cannot be applied",
        changes={"customers.operations": write_all},
    ),
    "idempotency-key": Safeguard(
        project="order",
        why="a repeated request is a second order",
        changes={"orders.operations": instead("place_order", keyless)},
    ),
    "late-release": Safeguard(
        project="order",
        why="stock of an order that was cancelled during an outage stays reserved",
        changes={"orders.operations": forget_releases},
    ),
    "stock-guard": Safeguard(
        project="inventory",
        why="more is promised than there is",
        changes={
            "stock.models": instead("LevelQuerySet.move", move_as_read),
            "stock.migrations.0003_lock_levels_last": reserve_whatever_is_there,
            "stock.stores.redis": reserve_blindly,
            "django.db.models.constraints": drop_checks,
        },
        libraries=frozenset({"django.db.models.constraints"}),
    ),
    "release-tombstone": Safeguard(
        project="inventory",
        why="a reservation that arrives after its release holds stock for ever",
        changes={
            "stock.stores.sql": instead("SqlStore.release", unburied),
            "stock.stores.redis": instead("RedisStore.release", unburied),
        },
    ),
    "sorted-locks": Safeguard(
        project="inventory",
        why="orders wait for each other's lines crosswise",
        changes={"stock.ledger": instead("by_sku", unsorted)},
    ),
}
