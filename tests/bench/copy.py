"""How long it takes to fill the copy anew, and to know that it equals its owner."""

import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise

import psutil
from tests.bench.data import Owner, SqlCopies
from tests.bench.events import ROWS, copy_bare, seconds_of
from tests.bench.figures import Must, Result, figure
from tests.bench.memory import flatness, memory
from tests.bench.orders import TWO
from tests.bench.stage import Bench, Stage
from tests.estate.estate import EstateFailed

COMMAND = "order-rebuild"
LAST_HOUR = 3_600  # users changed in the last hour: one a second
# So many users are digested in more than the two seconds that a call may take otherwise.
PATIENT = {"CLIENT_READ_SECONDS": "60"}


@figure("rebuild", "rebuild, full verify, and verify of the last hour")
def rebuild(bench: Bench) -> Iterator[Result]:
    for stage in bench.stages("postgresql"):
        users = bench.size(1_000_000, 20_000)
        owner, copies = Owner(stage), SqlCopies(stage)
        copies.clear()
        owner.fill(users)
        bench.say(f"{users:,} users are there")
        sample = owner.ids()[:20_000]
        bare = []
        for _ in range(bench.runs):
            bare.append(len(sample) / seconds_of(copy_bare, copies, sample))
            copies.clear()
        with stage.running("user-web", **TWO, **PATIENT):
            runs, held, whole = rebuild_by_fifths(stage, copies, users, bench.runs)
            bench.say(f"rebuilt in {whole:.0f} s")
            yield Result(
                figure="rebuild",
                what=f"rebuild of {users:,} users, by fifths",
                on=stage.title.partition(",")[0],
                unit="users/s",
                runs=runs,
                limit=tuple(bare),
                limit_is=f"rows of an empty copy, {ROWS} a statement, by bare psycopg",
                must=(Must(bound=10_000, at="least"),),
                note=f"one rebuild of {whole:.0f} s, start of the command and count included",
            )
            first, last = f"{users // 10:,}", f"{users * 9 // 10:,} users"
            if len(held) == bench.runs:  # else it was quicker than we looked
                yield flatness(stage, COMMAND, held, figure="rebuild", first=first, last=last)
            known = digest_bare(owner, copies, bench.runs)
            verified = stage.run_inside("order", "verify", runs=bench.runs, since="")
            yield Result(
                figure="rebuild",
                what=f"verify all of {users:,} users",
                on=stage.title.partition(",")[0],
                unit="s",
                runs=tuple(verified),
                limit=known,
                limit_is="both digests by one statement each of bare psycopg, one after the other",
                must=(Must(bound=5, at="most"),),
                note="the copy equals its owner; without the start of the interpreter",
            )
            change_lately(owner, copies)
            verified = stage.run_inside("order", "verify", runs=bench.runs, since="PT1H")
            yield Result(
                figure="rebuild",
                what=f"verify {LAST_HOUR:,} users of the last hour among {users:,}",
                on=stage.title.partition(",")[0],
                unit="s",
                runs=tuple(verified),
                must=(Must(bound=0.5, at="most"),),
                note="without the start of the interpreter",
            )
        copies.clear()
        owner.fill(0)


def rebuild_by_fifths(
    stage: Stage, copies: SqlCopies, users: int, parts: int
) -> tuple[tuple[float, ...], list[float], float]:
    """Users a second in each part of one rebuild, memory amid each, and the whole's seconds."""
    held: list[float] = []
    begun = time.perf_counter()
    seen = [(0.0, 0)]
    with stage.command(COMMAND, "rebuild_customers") as running:
        while running.poll() is None:
            time.sleep(0.02 if users < 100_000 else 0.25)
            rows = copies.count()
            if rows and not seen[-1][1]:
                seen = [(time.perf_counter(), rows)]
            elif rows > seen[-1][1]:
                seen.append((time.perf_counter(), rows))
            if rows >= users * (len(held) + 0.5) / parts:
                with suppress(psutil.NoSuchProcess):  # it has just ended
                    held.append(memory(stage, COMMAND))
    whole = time.perf_counter() - begun
    if running.returncode or copies.count() < users:
        raise EstateFailed(f"rebuild_customers failed\n{stage.tail(COMMAND)}")
    marks = [seen[(len(seen) - 1) * part // parts] for part in range(parts + 1)]
    rates = tuple(
        (rows - earlier_rows) / (at - earlier)
        for (earlier, earlier_rows), (at, rows) in pairwise(marks)
        if at > earlier
    )
    return rates, held, whole


DIGEST = (
    "SELECT left(hex, 2), count(*), sum(('x' || left(md5(concat_ws(chr(31), hex, version, {deleted}"
    ", coalesce(email, ''), name)), 15))::bit(60)::bigint) FROM (SELECT *, "
    "replace({key}::text, '-', '') AS hex FROM {table}) AS people GROUP BY 1"
)


def digest_bare(owner: Owner, copies: SqlCopies, runs: int) -> tuple[float, ...]:
    theirs = DIGEST.format(deleted="(erased_at IS NOT NULL)::int", key="id", table="users_user")
    ours = DIGEST.format(deleted="is_deleted::int", key="_id", table="customers_customer")
    return tuple(seconds_of(owner.run, theirs) + seconds_of(copies.run, ours) for _ in range(runs))


def change_lately(owner: Owner, copies: SqlCopies) -> None:
    """Let all of the copy be old, but for so many who changed within the hour, here and there."""
    copies.clear()
    columns = "version, email, name, is_deleted, changed_at, synced_at"
    reading = owner.connection.cursor().copy(
        "COPY (SELECT id, version, coalesce(email, ''), name, erased_at IS NOT NULL, changed_at, "
        "now() - interval '1 day' FROM users_user) TO STDOUT"
    )
    writing = copies.connection.cursor().copy(
        f"COPY customers_customer (_id, {columns}) FROM STDIN"
    )
    with reading as rows, writing as copied:
        for block in rows:
            copied.write(block)
    owner.run(
        "UPDATE users_user SET changed_at = now() WHERE id IN (SELECT id FROM users_user "  # noqa: S608
        f"WHERE {owner.OURS} LIMIT {LAST_HOUR})"
    )
    lately = owner.run("SELECT id FROM users_user WHERE changed_at > now() - interval '1 hour'")
    copies.run(
        "UPDATE customers_customer SET synced_at = now() WHERE _id = ANY(?)",
        [key for (key,) in lately],
    )
    for each, table in ((owner, "users_user"), (copies, "customers_customer")):
        each.run(f"VACUUM ANALYZE {table}")
