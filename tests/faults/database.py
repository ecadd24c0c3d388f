"""PostgreSQL shuts down at once, drops sessions, is full or locked; Redis is worse than slow."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import partial
from threading import Thread
from typing import Any

import psycopg
import redis
import requests
from tests.faults.books import read_books, read_levels, rest
from tests.faults.broker import conclude_quietly
from tests.faults.deployment import Deployment, deploy
from tests.faults.judge import Placed
from tests.faults.kills import conclude, wait
from tests.faults.load import Client, Load
from tests.faults.run import Run, wait_until

EVENTS_A_SECOND = 150
LOCKED = {
    "user": ("users_user", "outbox_pendingevent"),
    "order": ("customers_customer", "orders_order"),
    "inventory": ("stock_reservation", "stock_movement"),
}
LOCK_SECONDS = 4
SKU = "MAT-AIR"
Way = Callable[[Run, Deployment], object]


def database_postgresql(run: Run) -> None:
    """PostgreSQL for all, stock in Valkey, and another Valkey as the cache."""
    endure(run, "postgresql", [*POSTGRESQL, *CACHE, *STOCK])


def database_mongodb(run: Run) -> None:
    """The same with the orders in MongoDB."""
    endure(run, "mongodb", [*MONGODB, *POSTGRESQL, *CACHE, *STOCK])


def endure(run: Run, kind: str, ways: list[tuple[str, Way]]) -> None:
    """Each trouble once under load, in any order; and a Redis that lost its stock sells none."""
    with deploy(run, kind) as deployment, ExitStack() as stack:
        ways = ways * (3 if run.is_long else 1)
        run.random.shuffle(ways)
        seconds = 4 * len(ways)
        load = stack.enter_context(Load(run, deployment, EVENTS_A_SECOND * seconds, seconds))
        load.begin()
        for name, way in ways:
            run.say(name)
            way(run, deployment)
            run.count("database faults")
            wait(run.random.uniform(0.5, 1.5), deployment)
        load.end()
        conclude(run, deployment, load)
        lose_stock(run, deployment, load)


# PostgreSQL.


def shut_down(run: Run, deployment: Deployment) -> None:
    """`pg_ctl stop -m immediate`: no session ends, and what was committed is in the log alone."""
    server = deployment.servers["postgresql"]
    deployment.process("postgresql").send_signal(signal.SIGQUIT)
    wait_until(lambda: not server.is_running(), "PostgreSQL shuts down", 20)
    wait(run.random.uniform(0, 2), deployment, but="postgresql")
    deployment.restart("postgresql")


def end_sessions(run: Run, deployment: Deployment) -> None:
    for _ in range(5):
        with session(deployment) as own:
            own.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            )
        wait(run.random.uniform(0.1, 0.5), deployment)


def use_up_sessions(run: Run, deployment: Deployment) -> None:
    """Take all connections that the server allows, and end those that others hold."""
    url = f"{deployment.servers['postgresql'].url}/postgres"
    with ExitStack() as held:
        with suppress(psycopg.OperationalError):  # there are no more
            while True:
                held.enter_context(closing(psycopg.connect(url, connect_timeout=2)))
        end_some = Thread(target=grab, args=[held, url], daemon=True)
        end_some.start()
        wait(3, deployment)
        end_some.join()


def grab(held: ExitStack, url: str) -> None:
    """What is given back meanwhile is taken as well."""
    deadline = time.monotonic() + 3
    while time.monotonic() < deadline:
        with suppress(psycopg.OperationalError):
            held.enter_context(closing(psycopg.connect(url, connect_timeout=2)))
        time.sleep(0.02)


def lock_table(run: Run, deployment: Deployment) -> None:
    """A table that everybody waits for, as while a migration runs."""
    service = run.random.choice([name for name in LOCKED if is_sql(deployment, name)])
    table = run.random.choice(LOCKED[service])
    with session(deployment, f"freehold_{service}") as own, own.transaction():
        own.execute("SET LOCAL lock_timeout = '10s'")
        own.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE".encode())
        wait(LOCK_SECONDS, deployment)


def lock_rows(run: Run, deployment: Deployment) -> None:
    """Rows that somebody holds, as a session does that was left open."""
    service = run.random.choice([name for name in LOCKED if is_sql(deployment, name)])
    table = LOCKED[service][0]
    with session(deployment, f"freehold_{service}") as own, own.transaction():
        own.execute(f"SELECT 1 FROM {table} FOR UPDATE".encode())  # noqa: S608 - ours
        wait(LOCK_SECONDS, deployment)


@contextmanager
def session(deployment: Deployment, database: str = "postgres") -> Iterator[Any]:
    url = f"{deployment.servers['postgresql'].url}/{database}"
    with psycopg.connect(url, autocommit=True, connect_timeout=10) as own:
        yield own


def is_sql(deployment: Deployment, service: str) -> bool:
    return not deployment.is_mongodb(service)


# Any server.


def kill(run: Run, deployment: Deployment, *, name: str) -> None:
    deployment.kill(name)
    run.count("kills")
    wait(run.random.uniform(0, 1.5), deployment, but=name)
    deployment.restart(name)


def freeze(run: Run, deployment: Deployment, *, name: str) -> None:
    deployment.freeze(name)
    try:
        wait(45 if run.is_long else 5, deployment)
    finally:
        deployment.thaw(name)


# Redis.


def pause(run: Run, deployment: Deployment, *, url: Callable[[Deployment], str]) -> None:
    """Slow: it answers nobody for a second and a half, three times."""
    with redis.Redis.from_url(url(deployment)) as client:
        for _ in range(3):
            client.client_pause(1_500)
            wait(2, deployment)


def fill_up(run: Run, deployment: Deployment, *, url: Callable[[Deployment], str]) -> None:
    """No memory, and nothing may be evicted: whatever would write is refused."""
    with redis.Redis.from_url(url(deployment)) as client:
        client.config_set("maxmemory", "1")
        try:
            wait(3, deployment)
        finally:
            client.config_set("maxmemory", "0")


def evict(run: Run, deployment: Deployment, *, url: Callable[[Deployment], str]) -> None:
    """Hardly any memory: whatever was cached is gone a moment later."""
    with redis.Redis.from_url(url(deployment)) as client:
        client.config_set("maxmemory-policy", "allkeys-random")
        client.config_set("maxmemory", str(client.info("memory")["used_memory"] // 2))
        try:
            wait(3, deployment)
        finally:
            client.config_set("maxmemory", "0")
            client.config_set("maxmemory-policy", "noeviction")


def flush(run: Run, deployment: Deployment, *, url: Callable[[Deployment], str]) -> None:
    with redis.Redis.from_url(url(deployment)) as client:
        for _ in range(5):
            client.flushall()
            wait(0.3, deployment)


def cache_url(deployment: Deployment) -> str:
    return deployment.estate.environment("order")["CACHE_URL"]


def stock_url(deployment: Deployment) -> str:
    return deployment.estate.environment("inventory")["STOCK_URL"]


POSTGRESQL: list[tuple[str, Way]] = [
    ("PostgreSQL is shut down at once", shut_down),
    ("its sessions are ended", end_sessions),
    ("its connections are used up", use_up_sessions),
    ("a table of it is locked", lock_table),
    ("rows of it are locked", lock_rows),
]
MONGODB: list[tuple[str, Way]] = [
    ("MongoDB is killed", partial(kill, name="mongodb")),
    ("MongoDB is frozen", partial(freeze, name="mongodb")),
]
CACHE: list[tuple[str, Way]] = [
    ("the cache is killed", partial(kill, name="valkey")),
    ("the cache is flushed", partial(flush, url=cache_url)),
    ("the cache evicts", partial(evict, url=cache_url)),
    ("the cache is slow", partial(pause, url=cache_url)),
]
STOCK: list[tuple[str, Way]] = [
    ("the Redis of stock is killed", partial(kill, name="stock")),
    ("the Redis of stock is slow", partial(pause, url=stock_url)),
    ("the Redis of stock is full", partial(fill_up, url=stock_url)),
]


def lose_stock(run: Run, deployment: Deployment, load: Load) -> None:
    """A Redis that lost all stock sells none, until the ledger has told it what there is."""
    rest(deployment)
    before = read_levels(deployment)
    with redis.Redis.from_url(stock_url(deployment)) as client:
        client.flushall()
    with Client(load) as client_of_all:
        customer, lines, key = load.customers[0], {SKU: 1}, f"amid the loss {run.seed}"
        status, order = client_of_all.place(customer, lines, key, loses_answer=False)
        run.expect(status == 202, f"an order waits while stock is lost: {status} {order}")
        answer = requests.get(
            f"{deployment.estate.url('inventory')}/api/v1/stock/{SKU}/", timeout=10
        )
        run.expect(answer.status_code == 503, f"nobody is told of levels: {answer.status_code}")
        deployment.estate.manage("inventory", "rebuild_stock")
        rebuilt = read_levels(deployment)
        run.expect(
            all(rebuilt[sku].on_hand == level.on_hand for sku, level in before.items()),
            f"the ledger brings back what there was: {rebuilt}, not {before}",
        )
        load.placed.append(
            Placed(customer=customer, key=key, lines=lines, ids=frozenset({str(order["id"])}))
        )
    run.count("database faults")
    conclude_quietly(run, deployment, "stock that was lost and rebuilt")
    held = {order.id: order.status for order in read_books(deployment).orders}
    run.expect(held.get(str(order["id"])) == "confirmed", "the order that waited is confirmed")
