"""From a row at the owner to a row in the copy: relay, worker, and both at once."""

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from statistics import median
from uuid import UUID

import pymongo
from tests.bench.data import (
    Broker,
    Copies,
    MongoCopies,
    Owner,
    SqlCopies,
    broker_of,
    copies_of,
)
from tests.bench.figures import Must, Result, figure
from tests.bench.memory import flatness, memory, processor_seconds
from tests.bench.stage import Bench, Stage, wait_until

FASTEST_OTHER = 1_408  # events/s of the fastest existing Django outbox, and without confirms
ROWS = 500  # a statement, where bare drivers do what relay and worker do


def seconds_of(act: Callable[..., object], *arguments: object) -> float:
    begun = time.perf_counter()
    act(*arguments)
    return time.perf_counter() - begun


@figure("relay", "pending rows to confirmed messages")
def relay(bench: Bench) -> Iterator[Result]:
    """All rows become pending by one commit; the clock stops when the last of them is gone."""
    for stage in bench.stages("postgresql", "embedded"):
        events = bench.size(200_000 if stage.name == "postgresql" else 50_000, 20_000)
        owner, broker = Owner(stage), broker_of(stage)
        owner.fill(events)
        runs, limits, parts, costs = [], [], [], []
        with stage.running("user-relay"):
            for _ in range(bench.runs):
                broker.purge()
                spent = processor_seconds(stage, "user-relay")
                last = owner.announce()
                begun = time.perf_counter()
                runs.append(events / (owner.wait_until_relayed(last) - begun))
                costs.append(processor_seconds(stage, "user-relay") - spent)
                messages = broker.record()
                with stage.frozen("user-relay"):
                    owner.announce()
                    drained = seconds_of(drain_bare, owner)
                published = seconds_of(broker.replay, messages)
                limits.append(events / (drained + published))
                parts.append((events / drained, events / published))
                bench.say(f"{stage.title}: {runs[-1]:,.0f}/s, bare {limits[-1]:,.0f}/s")
        broker.purge()
        rows, sent = (sum(part) / len(part) for part in zip(*parts, strict=True))
        times = median(runs) / FASTEST_OTHER
        is_asked = stage.name == "postgresql"
        yield Result(
            figure="relay",
            what=f"relay: {events:,} pending rows to confirmed messages",
            on=stage.title,
            unit="events/s",
            runs=tuple(runs),
            limit=tuple(limits),
            limit_is="the same rows drained and the same messages published, one after the other",
            must=(Must(bound=max(20_000, 14 * FASTEST_OTHER), at="least"),) if is_asked else (),
            note=f"{cost(costs, events)} of processor an event; bare drain {rows:,.0f}/s, bare "
            f"publish of its {len(messages)} messages {sent:,.0f}/s; {times:.0f} times the fastest "
            f"existing Django outbox ({FASTEST_OTHER:,}/s)",
        )


def cost(seconds: Sequence[float], events: int) -> str:
    """Processor time an event; unlike a rate, it hardly depends on who else uses the machine."""
    return f"{1e6 * median(seconds) / events:.0f} µs"


def drain_bare(owner: Owner) -> None:
    """Take the outbox away, some rows a transaction, each with its user as it is now."""
    columns = "id, version, email, name, erased_at"
    while True:
        owner.run("BEGIN")
        if owner.is_postgresql:
            taken = owner.run(
                "DELETE FROM outbox_pendingevent WHERE id IN (SELECT id FROM outbox_pendingevent "
                "ORDER BY id LIMIT ? FOR UPDATE SKIP LOCKED) RETURNING user_id",
                ROWS,
            )
            ids = [key for (key,) in taken]
            owner.run(f"SELECT {columns} FROM users_user WHERE id = ANY(?)", ids)  # noqa: S608
        else:
            taken = owner.run(
                "DELETE FROM outbox_pendingevent WHERE id IN (SELECT id FROM outbox_pendingevent "
                "ORDER BY id LIMIT ?) RETURNING user_id",
                ROWS,
            )
            marks = ", ".join("?" * len(taken))
            keys = [key for (key,) in taken]
            owner.run(f"SELECT {columns} FROM users_user WHERE id IN ({marks})", *keys)  # noqa: S608
        owner.run("COMMIT")
        if not taken:
            return


@figure("worker", "messages to committed copies")
def worker(bench: Bench) -> Iterator[Result]:
    """The worker is frozen while its queue is filled; the clock runs from thaw to last row."""
    for stage in bench.stages("postgresql", "mongodb", "embedded"):
        full = {"postgresql": 200_000, "mongodb": 10_000, "embedded": 50_000}[stage.name]
        events = bench.size(full, 5_000 if stage.name == "mongodb" else 20_000)
        owner, copies, broker = Owner(stage), copies_of(stage), broker_of(stage)
        owner.fill(events)
        broker.purge()
        with stage.running("user-relay"):
            owner.wait_until_relayed(owner.announce())
        messages, ids = broker.record(), owner.ids()
        runs, limits, costs = [], [], []
        with stage.running("order-worker"):
            for _ in range(bench.runs):
                copies.clear()
                with stage.frozen("order-worker"):
                    broker.replay(messages)
                spent = processor_seconds(stage, "order-worker")
                runs.append(events / seconds_until_copied(copies, ids))
                costs.append(processor_seconds(stage, "order-worker") - spent)
                copies.clear()
                limits.append(events / seconds_of(copy_bare, copies, ids))
                bench.say(f"{stage.title}: {runs[-1]:,.0f}/s, bare {limits[-1]:,.0f}/s")
        copies.clear()
        musts = {
            "postgresql": (Must(bound=20_000, at="least"),),
            "mongodb": (Must(bound=0.8, at="least", of="limit"),),
            "embedded": (),
        }
        yield Result(
            figure="worker",
            what=f"worker: messages of {events:,} events to committed copies",
            on=stage.title,
            unit="events/s",
            runs=tuple(runs),
            limit=tuple(limits),
            limit_is=f"the same rows, {ROWS} a statement, by the bare driver",
            must=musts[stage.name],
            note=f"{cost(costs, events)} of processor an event; {len(messages)} messages, "
            "2 processes; the limit is one, without a broker",
        )


def seconds_until_copied(copies: Copies, ids: Sequence[UUID]) -> float:
    """From now until the copy holds all of these users."""
    every = 0.1 if isinstance(copies, MongoCopies) else 0.005  # who asks it takes its time away
    begun = time.perf_counter()
    wait_until(lambda: copies.has(ids[-1]), "a copy of the last user", every=every)
    ended = wait_until(lambda: copies.count() >= len(ids), "a copy of all users", every=every)
    return ended - begun


def copy_bare(copies: Copies, ids: Sequence[UUID]) -> None:
    """Write what the worker would have to, without a message, an event or a check."""
    now = time.strftime("%Y-%m-%d %H:%M:%S")
    rows = [
        (key, 1, f"person-{n}@bench.example", f"Person number {n}", False, now, now)
        for n, key in enumerate(ids)
    ]
    for start in range(0, len(rows), ROWS):
        batch = sorted(rows[start : start + ROWS])
        if isinstance(copies, MongoCopies):
            copies.rows.bulk_write(
                [
                    pymongo.UpdateOne(
                        {"_id": key.hex, "version": {"$lt": version}},
                        {"$set": dict(zip(COLUMNS[1:], (version, *rest), strict=True))},
                        upsert=True,
                    )
                    for key, version, *rest in batch
                ],
                ordered=False,
            )
        elif isinstance(copies, SqlCopies) and copies.is_postgresql:
            arrays = [list(column) for column in zip(*batch, strict=True)]
            copies.connection.execute(UNNEST, arrays)
        elif isinstance(copies, SqlCopies):
            copies.connection.execute("BEGIN")
            copies.connection.executemany(VALUES, [(row[0].hex, *row[1:]) for row in batch])
            copies.connection.execute("COMMIT")


COLUMNS = ("_id", "version", "email", "name", "is_deleted", "changed_at", "synced_at")
TYPES = ("uuid", "bigint", "varchar", "varchar", "boolean", "timestamptz", "timestamptz")
UPSERT = (
    f"INSERT INTO customers_customer ({', '.join(COLUMNS)}) {{rows}} "
    "ON CONFLICT (_id) DO UPDATE SET "
    + ", ".join(f"{column} = excluded.{column}" for column in COLUMNS[1:])
    + " WHERE excluded.version > customers_customer.version"
)
ARRAYS = ", ".join(f"%s::{kind}[]" for kind in TYPES)
UNNEST = UPSERT.format(rows=f"SELECT * FROM unnest({ARRAYS})")  # noqa: S608
VALUES = UPSERT.format(rows=f"VALUES ({', '.join('?' * len(COLUMNS))})")


@figure("end-to-end", "commit at the owner to commit in the copy, relay and worker at once")
def end_to_end(bench: Bench) -> Iterator[Result]:
    for stage in bench.stages("postgresql", "embedded"):
        full = 200_000 if stage.name == "postgresql" else 30_000
        events = bench.size(full, 20_000 if stage.name == "postgresql" else 10_000)
        owner, copies, broker = Owner(stage), copies_of(stage), broker_of(stage)
        owner.fill(events)
        broker.purge()
        ids, runs = owner.ids(), []
        names = ("user-relay", "order-worker")
        held: dict[str, list[float]] = {name: [] for name in names}
        with stage.running(*names):
            for _ in range(bench.runs):
                copies.clear()
                owner.announce()
                runs.append(events / seconds_until_copied(copies, ids))
                for name in names:
                    held[name].append(memory(stage, name))
                bench.say(f"{stage.title}: {runs[-1]:,.0f}/s")
        copies.clear()
        yield Result(
            figure="end-to-end",
            what=f"end to end: {events:,} changes, relay and worker at once",
            on=stage.title,
            unit="events/s",
            runs=tuple(runs),
            must=(Must(bound=10_000, at="least"),) if stage.name == "postgresql" else (),
            note="from the owner's commit to the last commit in the copy",
        )
        for name, told in held.items():
            first, last = f"{events:,}", f"{events * len(told):,} events"
            yield flatness(stage, name, told, figure="end-to-end", first=first, last=last)


@figure("growth", "cost of an event with few and with many pending, by one relay and by several")
def growth(bench: Bench) -> Iterator[Result]:
    for stage in bench.stages("postgresql"):
        owner, broker = Owner(stage), broker_of(stage)
        owner.fill(bench.size(100_000, 10_000))
        found: dict[int, list[float]] = {}
        with stage.running("user-relay"):
            for depth in (
                1_000,
                *(() if bench.quick else (100_000,)),
                bench.size(1_000_000, 100_000),
            ):
                found[depth] = costs_at(stage, owner, broker, depth, bench.runs)
                bench.say(f"{depth:,} pending: {median(found[depth]):.1f} µs")
        for depth, runs in found.items():
            yield Result(
                figure="growth",
                what=f"relay: cost of an event with {depth:,} pending",
                on=stage.title,
                unit="µs",
                runs=tuple(runs),
                limit=tuple(found[1_000]) if depth > 1_000 else (),
                limit_is="the same with 1,000 pending",
                must=(Must(bound=1.2, at="most", of="limit"),) if depth > 1_000 else (),
            )
        yield from side_by_side(bench, stage, owner)


def costs_at(stage: Stage, owner: Owner, broker: Broker, depth: int, runs: int) -> list[float]:
    """Microseconds an event while about so many are pending: a run is a window of the queue."""
    window = min(depth, 10_000)
    costs = []
    if depth <= window:
        for _ in range(runs):
            with stage.frozen("user-relay"):
                last = owner.announce(depth)
            begun = time.perf_counter()
            costs.append(1e6 * (owner.wait_until_relayed(last) - begun) / depth)
            broker.purge()
        return costs
    with stage.frozen("user-relay"):
        announced = 0
        while announced < depth:
            last = owner.announce(depth - announced)
            announced = owner.pending()
    marks = [last - depth + window * number for number in range(1, runs + 2)]
    moments = [owner.wait_until_gone(mark) for mark in marks]
    costs = [1e6 * (after - before) / window for before, after in pairwise(moments)]
    owner.forget_pending()  # the relay is not frozen: it may hold rows of it
    broker.purge()
    return costs


def side_by_side(bench: Bench, stage: Stage, owner: Owner) -> Iterator[Result]:
    """One, two and four relays, with as many workers, empty one outbox into one copy."""
    events = bench.size(50_000, 5_000)
    owner.fill(events)
    copies, ids = copies_of(stage), owner.ids()
    alone: tuple[float, ...] = ()
    for count in (1, 2) if bench.quick else (1, 2, 4):
        names = [
            f"{name}+{number}" if number else name
            for name in ("user-relay", "order-worker")
            for number in range(count)
        ]
        runs = []
        with stage.running(*names):
            for _ in range(bench.runs):
                copies.clear()
                owner.announce()
                runs.append(events / seconds_until_copied(copies, ids))
        alone = alone or tuple(runs)
        yield Result(
            figure="growth",
            what=f"end to end by {count} relay{'s' * (count > 1)} and as many workers",
            on=stage.title,
            unit="events/s",
            runs=tuple(runs),
            limit=alone if count > 1 else (),
            limit_is="one relay and one worker of two processes on the same cores",
        )
    copies.clear()
