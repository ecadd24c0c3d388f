"""Stock that everybody wants: reservations of one SKU, through the store."""

import secrets
from collections.abc import Iterator

import redis
from tests.bench.figures import Must, Result, figure
from tests.bench.stage import Bench, Stage
from tests.engines import engine_url

FEW, MANY = 8, 32


@figure("hot-sku", "reservations of one SKU through the store, by 8 and by 32 clients")
def hot_sku(bench: Bench) -> Iterator[Result]:
    for stage in bench.stages("postgresql", "embedded"):
        yield from contend(bench, stage, on=stage.title.partition(",")[0], least=0.7)
        if stage.name == "postgresql" and "redis" not in bench.absent:
            url = f"{engine_url('redis').geturl()}/0"
            prefix = f"{{bench-{secrets.token_hex(4)}}}:"
            try:
                where = {"STOCK_URL": url, "STOCK_PREFIX": prefix}
                yield from contend(bench, stage, on="Redis", least=0.6, **where)
            finally:
                forget(url, prefix)


def contend(bench: Bench, stage: Stage, *, on: str, least: float, **where: str) -> Iterator[Result]:
    told = stage.run_inside(
        "inventory",
        "hot_sku",
        environment=where,
        runs=bench.runs,
        clients=[FEW, MANY],
        seconds=0.25 if bench.quick else 1.5,
    )
    is_asked = on != "SQLite"
    for clients in (FEW, MANY):
        yield Result(
            figure="hot-sku",
            what=f"one hot SKU, {clients} clients",
            on=on,
            unit="reservations/s",
            runs=tuple(told["ours"][str(clients)]),
            limit=tuple(told["bare"].get(str(clients), ())),
            limit_is="the least Lua script, by bare redis-py"
            if on == "Redis"
            else "one statement that takes and notes, by bare psycopg",
            must=(Must(bound=least, at="least", of="limit"),) if is_asked else (),
        )
    yield Result(
        figure="hot-sku",
        what=f"one hot SKU, {MANY} clients for {FEW}",
        on=on,
        unit="times",
        runs=tuple(
            many / few
            for few, many in zip(told["ours"][str(FEW)], told["ours"][str(MANY)], strict=True)
        ),
        must=(Must(bound=0.5, at="least"),),
    )
    yield Result(
        figure="hot-sku",
        what=f"one hot SKU, oversold by {MANY} clients",
        on=on,
        unit="units",
        runs=(told["oversold"],),
        must=(Must(bound=0, at="most"),),
    )


def forget(url: str, prefix: str) -> None:
    client = redis.Redis.from_url(url)
    for key in client.scan_iter(f"{prefix}*"):
        client.delete(key)
    client.close()
