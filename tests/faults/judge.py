"""The judge: reads the databases after the faults, and counts what is not as was promised."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

# What is counted, and the promise that each count other than zero breaks.
PROMISES = {
    "lost at the owner": "what the owner acknowledged as committed is in its database",
    "lost": "every committed change of a user is in the copy",
    "phantom": "the copy has nothing that the owner never had",
    "altered": "the copy equals the owner, field by field",
    "unsent": "the outbox is empty",
    "rejected": "no event is rejected",
    "dead-lettered": "no message is dead-lettered",
    "orders lost": "an order that was acknowledged is in the database, as it was asked for",
    "orders doubled": "one Idempotency-Key is one order",
    "orders not ended": "no order is pending, and none owes a release",
    "reserved twice": "no movement of an order's stock happens twice",
    "not reserved": "what an order was confirmed for is reserved, or has left",
    "stranded": "no stock is reserved but for a confirmed order",
    "oversold": "no more is reserved than there is, nor less than nothing",
    "unbalanced": "levels are the sums of the ledger",
    "misreserved": "what is reserved of a SKU is what confirmed orders wait for",
}
EXAMPLES = 5


class Person(NamedTuple):
    """The public state of a user, at the owner, in the copy or in a writer's journal."""

    version: int
    email: str
    name: str
    is_deleted: bool


@dataclass(frozen=True, kw_only=True)
class Placed:
    """What a buyer asked for, and the ids of the orders that it was told of: one, or none."""

    customer: str
    key: str
    lines: Mapping[str, int]
    ids: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Order:
    """An order as the database has it."""

    id: str
    customer: str
    key: str
    status: str
    lines: Mapping[str, int]
    is_due: bool = False  # inventory_project is to be asked again
    is_released: bool = False


@dataclass(frozen=True, kw_only=True)
class Reservation:
    """What inventory_project holds, held or refuses to hold for an order."""

    state: str
    lines: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Movement:
    """A line of the ledger."""

    operation: str
    sku: str
    kind: str
    on_hand: int = 0
    reserved: int = 0
    order: str = ""


class Level(NamedTuple):
    """How much of a SKU there is, and how much of it is reserved."""

    on_hand: int
    reserved: int


@dataclass(kw_only=True)
class Books:
    """All that the judge looks at: what was acknowledged, and what is in the databases."""

    acknowledged: Mapping[str, Person] = field(default_factory=dict)
    users: Mapping[str, Person] = field(default_factory=dict)
    customers: Mapping[str, Person] = field(default_factory=dict)
    pending: int = 0
    rejected: int = 0
    dead_lettered: int = 0
    placed: Collection[Placed] = ()
    orders: Collection[Order] = ()
    levels: Mapping[str, Level] = field(default_factory=dict)
    reservations: Mapping[str, Reservation] = field(default_factory=dict)
    movements: Sequence[Movement] = ()


@dataclass
class Verdict:
    """How often each promise was broken, with the first examples."""

    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def note(self, what: str, example: str, by: int = 1) -> None:
        self.counts[what] += by
        if by and len(self.examples[what]) < EXAMPLES:
            self.examples[what].append(example)

    def broken(self) -> Iterator[str]:
        """A line for each promise that does not hold."""
        for what, count in self.counts.items():
            if count:
                yield f"{PROMISES[what]}: {count} {what}, as {self.examples[what][0]}"


def judge(books: Books) -> Verdict:
    """Count what breaks each promise; no count is left out because another one explains it."""
    verdict = Verdict(Counter(dict.fromkeys(PROMISES, 0)))
    judge_owner(books, verdict)
    judge_copy(books, verdict)
    judge_orders(books, verdict)
    judge_reservations(books, verdict)
    judge_levels(books, verdict)
    return verdict


def judge_owner(books: Books, verdict: Verdict) -> None:
    for user_id, told in books.acknowledged.items():
        has = books.users.get(user_id)
        if (
            has is None
            or has.version < told.version
            or (has.version == told.version and has != told)
        ):
            verdict.note("lost at the owner", f"{user_id}: told {told}, has {has}")
    verdict.note("unsent", f"{books.pending} in the outbox", books.pending)


def judge_copy(books: Books, verdict: Verdict) -> None:
    for user_id, owner in books.users.items():
        copy = books.customers.get(user_id)
        if copy is None or copy.version < owner.version:
            verdict.note("lost", f"{user_id}: owner {owner}, copy {copy}")
        elif copy.version == owner.version and copy != owner:
            verdict.note("altered", f"{user_id}: owner {owner}, copy {copy}")
    for user_id, copy in books.customers.items():
        known = books.users.get(user_id)
        if known is None or copy.version > known.version:
            verdict.note("phantom", f"{user_id}: owner {known}, copy {copy}")
    verdict.note("rejected", f"{books.rejected} events", books.rejected)
    verdict.note("dead-lettered", f"{books.dead_lettered} messages", books.dead_lettered)


def judge_orders(books: Books, verdict: Verdict) -> None:
    by_id = {order.id: order for order in books.orders}
    by_key: dict[tuple[str, str], set[str]] = defaultdict(set)
    for order in books.orders:
        if order.key:
            by_key[order.customer, order.key].add(order.id)
        if order.status == "pending":
            verdict.note("orders not ended", f"{order.id} is pending")
        elif order.is_due or (order.status != "confirmed" and not order.is_released):
            verdict.note("orders not ended", f"{order.id} is {order.status} and owes a release")
    for placed in books.placed:
        by_key[placed.customer, placed.key] |= placed.ids
        for order_id in placed.ids:
            known = by_id.get(order_id)
            if known is None or known.lines != placed.lines or known.customer != placed.customer:
                verdict.note("orders lost", f"{order_id}: asked {placed}, has {known}")
    for (customer, key), ids in by_key.items():
        if len(ids) > 1:
            verdict.note("orders doubled", f"{key} of {customer} is {', '.join(sorted(ids))}")


def judge_reservations(books: Books, verdict: Verdict) -> None:
    operations: dict[tuple[str, str], set[str]] = defaultdict(set)
    for movement in books.movements:
        if movement.order:
            operations[movement.order, movement.kind].add(movement.operation)
    for (order_id, kind), ids in operations.items():
        if len(ids) > 1:
            verdict.note("reserved twice", f"{order_id} was {kind} {len(ids)} times")
    confirmed = {order.id: order for order in books.orders if order.status == "confirmed"}
    for order_id, order in confirmed.items():
        held = books.reservations.get(order_id)
        if held is None or held.state == "released" or held.lines != order.lines:
            verdict.note("not reserved", f"{order_id}: {order.lines}, holds {held}")
    for order_id, held in books.reservations.items():
        if held.state == "reserved" and order_id not in confirmed:
            verdict.note("stranded", f"{held.lines} for {order_id}")


def judge_levels(books: Books, verdict: Verdict) -> None:
    ledger: dict[str, Level] = defaultdict(lambda: Level(0, 0))
    for movement in books.movements:
        on_hand, reserved = ledger[movement.sku]
        ledger[movement.sku] = Level(on_hand + movement.on_hand, reserved + movement.reserved)
    waited_for: Counter[str] = Counter()
    for order in books.orders:
        held = books.reservations.get(order.id)
        if order.status == "confirmed" and held and held.state == "reserved":
            waited_for.update(order.lines)
    for sku in sorted({*books.levels, *ledger, *waited_for}):
        level = books.levels.get(sku, Level(0, 0))
        if not level.on_hand >= level.reserved >= 0:
            verdict.note("oversold", f"{sku}: {level}")
        if level != ledger[sku]:
            verdict.note("unbalanced", f"{sku}: {level}, ledger {ledger[sku]}")
        if level.reserved != waited_for[sku]:
            verdict.note("misreserved", f"{sku}: {level}, orders wait for {waited_for[sku]}")
