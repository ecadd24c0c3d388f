"""In inventory_project: clients, each a process, that all want the same SKU."""

import json
import multiprocessing
import sys
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import psycopg
import redis
from django.conf import settings
from django.db import connection, connections

from contracts.inventory import ReservationLine, StockLevel
from stock.stores import stock_store
from stock.stores.protocol import OutOfStock

SKU = "BENCH-HOT"
PLENTY = 1_000_000_000
forks = multiprocessing.get_context("fork")

STATEMENT = """
    WITH taken AS (
        UPDATE stock_level SET reserved = reserved + 1
        WHERE sku = %s AND on_hand - reserved >= 1 RETURNING sku
    )
    INSERT INTO stock_reservation (order_id, state, lines, created_at, changed_at)
    SELECT %s, 'reserved', %s::jsonb, now(), now() FROM taken
"""
SCRIPT = """
    local on_hand = tonumber(redis.call("HGET", KEYS[1], ARGV[1]))
    if on_hand - tonumber(redis.call("HGET", KEYS[2], ARGV[1]) or 0) < tonumber(ARGV[2]) then
      return 0
    end
    redis.call("HINCRBY", KEYS[2], ARGV[1], ARGV[2])
    redis.call("HSET", KEYS[3], ARGV[3], ARGV[2])
    return 1
"""

Reserve = Callable[[], bool]


def through_the_store() -> Reserve:
    store = stock_store()

    def reserve() -> bool:
        lines = (ReservationLine(sku=SKU, quantity=1),)
        try:
            store.reserve(order_id=uuid4(), lines=lines, by="bench")
        except OutOfStock:
            return False
        return True

    return reserve


def by_bare_psycopg() -> Reserve:
    bare = psycopg.connect(bare_url(), autocommit=True)
    lines = json.dumps([[SKU, 1]])
    cursor = bare.cursor()
    return lambda: cursor.execute(STATEMENT, (SKU, uuid4(), lines), prepare=True).rowcount == 1


def bare_url() -> str:
    known = settings.DATABASES["default"]
    words = {"dbname": "NAME", "host": "HOST", "port": "PORT", "user": "USER"}
    given = {word: known[name] for word, name in words.items() if known.get(name)}
    return psycopg.conninfo.make_conninfo(**given, password=known.get("PASSWORD") or None)


def by_bare_lua() -> Reserve:
    client = redis.Redis.from_url(settings.STOCK_URL)
    sha = client.script_load(SCRIPT)
    keys = [f"{settings.STOCK_PREFIX}bare-{name}" for name in ("on_hand", "reserved", "orders")]
    client.hsetnx(keys[0], SKU, PLENTY)
    return lambda: client.evalsha(sha, 3, *keys, SKU, 1, str(uuid4())) == 1


def fresh(on_hand: int) -> None:
    """A shelf with so many, and no reservation."""
    with connection.cursor() as cursor:
        for table in ("stock_reservation", "stock_movement"):
            cursor.execute(f"DELETE FROM {table}")  # noqa: S608
    store = stock_store()
    if settings.STOCK_URL:
        store.close()
        store.client.delete(f"{settings.STOCK_PREFIX}movements")
    level = StockLevel(sku=SKU, on_hand=on_hand, reserved=0, available=on_hand)
    store.restore(levels=[level], reservations=[], receipts=[])


def client(door: Callable[[], Reserve], start: Any, until: float, said: Any, attempts: int) -> None:
    reserve = door()
    held = int(reserve())  # opens its connection, which nobody times
    start.wait()
    tried = 0
    deadline = time.monotonic() + until
    while time.monotonic() < deadline and tried < attempts:
        tried += 1
        held += reserve()
    said.put(held)


def compete(
    door: Callable[[], Reserve], *, clients: int, seconds: float, attempts: int = PLENTY
) -> tuple[float, int]:
    """Reservations a second, and how many succeeded."""
    connections.close_all()
    if hasattr(connection, "close_pool"):
        connection.close_pool()  # no connection is shared with a fork
    start, said = forks.Barrier(clients + 1), forks.Queue()
    started = [
        forks.Process(target=client, args=(door, start, seconds, said, attempts))
        for _ in range(clients)
    ]
    for each in started:
        each.start()
    start.wait()
    begun = time.monotonic()
    held = sum(said.get() for _ in started)
    took = time.monotonic() - begun
    for each in started:
        each.join()
    return (held - clients) / took, held


def main(*, runs: int, clients: list[int], seconds: float) -> dict[str, Any]:
    bare = {"postgresql": by_bare_psycopg}.get(connection.vendor)
    bare = by_bare_lua if settings.STOCK_URL else bare
    answer: dict[str, Any] = {"ours": {}, "bare": {}}
    for _ in range(runs):
        for count in clients:
            fresh(PLENTY)
            rate, _ = compete(through_the_store, clients=count, seconds=seconds)
            answer["ours"].setdefault(str(count), []).append(rate)
            if bare:
                fresh(PLENTY)
                rate, _ = compete(bare, clients=count, seconds=seconds)
                answer["bare"].setdefault(str(count), []).append(rate)
    stock = 200  # of which all clients together want twice as many
    fresh(stock)
    most = max(clients)
    _, held = compete(through_the_store, clients=most, seconds=30, attempts=2 * stock // most + 1)
    level = stock_store().levels(skus=[SKU])[SKU]
    answer["oversold"] = max(held, level.reserved) - stock
    return answer


print(json.dumps(main(**json.loads(sys.argv[2]))))  # noqa: T201
