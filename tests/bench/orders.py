"""What customers wait for: orders placed, lists read, names beside orders."""

import json
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import requests
from tests.bench.data import Owner, Sql, SqlCopies, copies_of
from tests.bench.figures import Must, Result, Spread, figure
from tests.bench.load import Load, hammer, request
from tests.bench.memory import processor_seconds
from tests.bench.stage import Bench, Stage, wait_until
from tests.estate.story import Scene, ann_registers, staff_log_in

CLIENTS = 8
TWO = {"WEB_CONCURRENCY": "2"}  # processes of a web server: one for each core of a small machine


@figure("page", "a page of 100 orders with the names of their customers")
def page(bench: Bench) -> Iterator[Result]:
    for stage in bench.stages("postgresql", "embedded"):
        Owner(stage).fill(1_000)
        ids = [str(key) for key in Owner(stage).ids()]
        with stage.running("user-web"):
            told = stage.run_inside(
                "order",
                "page_of_orders",
                ids=ids,
                runs=bench.runs,
                seconds=0.2 if bench.quick else 1.0,
            )
        copies_of(stage).clear()
        Owner(stage).fill(0)
        copy, bare = told["copy"], told.get("bare", [])
        yield Result(
            figure="page",
            what="100 orders with names: from the copy",
            on=stage.title.partition(",")[0],
            unit="ms",
            runs=tuple(copy),
            limit=tuple(bare),
            limit_is="orders joined with the copy by bare psycopg",
            note=f"{middle(told['unnamed']):.2f} ms without any name",
        )
        names = {
            "batched": ("one batched call", 5),
            "cached": ("batched call, cached", None),
            "single": ("100 calls", 100),
        }
        for name, (title, times) in names.items():
            yield Result(
                figure="page",
                what=f"100 orders with names: {title}",
                on=stage.title.partition(",")[0],
                unit="ms",
                runs=tuple(told[name]),
                limit=tuple(copy),
                limit_is="the same page from the copy",
                must=(Must(bound=times, at="least", of="limit"),)
                if times and stage.name == "postgresql"
                else (),
            )


def middle(runs: list[float]) -> float:
    return Spread.of(runs).middle


@figure("placement", "orders placed over HTTP with warm caches")
def placement(bench: Bench) -> Iterator[Result]:
    for stage in bench.stages("postgresql"):
        seconds = 0.6 if bench.quick else 4.0
        webs = ("user-web", "order-web", "product-web", "inventory-web")
        with stage.running(*webs, "user-relay", "order-worker", **TWO), ExitStack() as stack:
            tokens = customers(stage, stack, CLIENTS)
            skus = goods(stage, stack, 8)
            url = f"{stage.url('order')}/api/v1/orders/"
            place = orders_to_place(url, tokens, skus)
            hammer(url, place, clients=CLIENTS, seconds=1)
            answer = requests.get(url, headers={"Authorization": f"Bearer {tokens[0]}"}, timeout=10)
            one = json.dumps(answer.json()["results"][0]).encode()
            loads: list[Load] = []
            asked = Calls(stage)
            bare = []
            with stage.bare_view(one) as bare_url:
                spent = sum(processor_seconds(stage, web) for web in webs)
                with asked:
                    for _ in range(bench.runs):
                        loads.append(hammer(url, place, clients=CLIENTS, seconds=seconds))
                        bare.append(bare_rate(bare_url, seconds / 2))
                spent = sum(processor_seconds(stage, web) for web in webs) - spent
            placed = sum(len(load.latencies) for load in loads)
            confirmed = sum(load.statuses[201] for load in loads)
        rates = tuple(load.rate for load in loads)
        yield Result(
            figure="placement",
            what="orders of two lines placed over HTTP",
            on=stage.title,
            unit="orders/s",
            runs=rates,
            limit=tuple(bare),
            limit_is="requests/s to a bare Django view of the same size, by the same gunicorn",
            note=f"{confirmed:,} of {placed:,} confirmed; {1000 * spent / placed:.1f} ms of "
            f"processor an order in the four services; {CLIENTS} clients, 2 processes a service",
        )
        yield Result(
            figure="placement",
            what="orders of two lines placed over HTTP, p99",
            on=stage.title,
            unit="ms",
            runs=tuple(load.percentile_ms(99) for load in loads),
            note=f"p50 {sorted(load.percentile_ms(50) for load in loads)[len(loads) // 2]:.0f} ms",
        )
        yield Result(
            figure="placement",
            what="HTTP calls to place one order, from the access logs",
            on=stage.title,
            unit="calls",
            runs=(round(asked.calls / placed, 3),),
            must=(Must(bound=1.01, at="most"),),  # a price is read anew twice a minute
            note=f"{asked.transactions / placed:.1f} transactions of order_project's database; "
            "statements and broker calls are counted in order_project/orders/tests",
        )


def orders_to_place(url: str, tokens: list[str], skus: list[str]) -> Callable[[int], bytes]:
    """New orders of two lines for `hammer`, each client a customer."""
    pairs = [skus[start : start + 2] for start in range(0, len(skus), 2)]
    bodies = [
        json.dumps({"lines": [{"sku": sku, "quantity": 1} for sku in pair]}).encode()
        for pair in pairs
    ]

    def place(number: int) -> bytes:
        key = f"Idempotency-Key: {secrets.token_hex(8)}\r\n"
        body = bodies[number % len(bodies)]
        return request("POST", url, token=tokens[number], body=body, headers=key)

    return place


class Calls:
    """Counts what order_project asks of the others and of its database, while it is entered."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.database = Sql(stage.environment("order")["DATABASE_URL"])

    def _now(self) -> tuple[int, int]:
        time.sleep(1.2)  # PostgreSQL tells its statistics once a second
        asked = sum(
            self.stage.log(f"{service}-web").read_text().count(" ACCESS ")
            for service in ("user", "product", "inventory")
        )
        committed = self.database.one(
            "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
        )
        return asked, int(committed)

    def __enter__(self) -> None:
        self._before = self._now()

    def __exit__(self, *error: object) -> None:
        asked, committed = self._now()
        self.calls = asked - self._before[0]
        self.transactions = committed - self._before[1]


def customers(stage: Stage, stack: ExitStack, count: int) -> list[str]:
    """Tokens of so many people, whom orders know by now."""
    tokens = []
    for _ in range(count):
        scene = Scene(stage)
        stack.callback(scene.http.close)
        ann_registers(scene)
        tokens.append(scene.tokens["ann"])
    copies = copies_of(stage)
    wait_until(lambda: copies.count() >= count, "copies of the customers")
    return tokens


def goods(stage: Stage, stack: ExitStack, count: int) -> list[str]:
    """SKUs of so many products, of which there is plenty."""
    skus = []
    for number in range(count):
        scene = Scene(stage)
        stack.callback(scene.http.close)
        if not number:
            staff_log_in(scene)
            token = scene.tokens["staff"]
        scene.tokens["staff"] = token
        product = {
            "sku": scene.sku,
            "name": f"Bench {number}",
            "description": "Sits four.",
            "category": "camp",
            "price": {"amount": "19.90", "currency": "EUR"},
        }
        receipt = {"quantity": 1_000_000, "reason": "bench"}
        path = f"stock/{scene.sku}/receipts/"
        scene.ask("POST", "product", "products/", who="staff", expect=201, json=product)
        scene.ask("POST", "inventory", path, who="staff", expect=201, json=receipt)
        skus.append(scene.sku)
    return skus


@figure("lists", "product list and order list under gunicorn, against bare Django views")
def lists(bench: Bench) -> Iterator[Result]:
    for stage in bench.stages("postgresql"):
        Owner(stage).fill(200)
        ids = [str(key) for key in Owner(stage).ids()]
        stage.run_inside("product", "fill_products", count=200)
        with stage.running("user-web"):
            stage.run_inside("order", "page_of_orders", ids=ids, runs=1, seconds=0, keep=True)
            scene = Scene(stage)
            staff_log_in(scene)
            scene.http.close()
        staff = scene.tokens["staff"]
        yield from a_list(bench, stage, "product", "products_product", "product list, 50 a page")
        yield from a_list(
            bench, stage, "order", "orders_order", "order list, 50 a page, by staff", token=staff
        )
        copies = copies_of(stage)
        copies.clear()
        if isinstance(copies, SqlCopies):
            copies.run("DELETE FROM orders_order")
        Owner(stage).fill(0)


def a_list(
    bench: Bench, stage: Stage, service: str, table: str, title: str, *, token: str = ""
) -> Iterator[Result]:
    """A service's list, beside a view of constant bytes and one that reads 50 rows of its table."""
    web, on = f"{service}-web", stage.title.partition(",")[0]
    loads: dict[str, list[Load]] = {web: [], "bare_view": [], "bare_rows": []}
    url = f"{stage.url(service)}/api/v1/{service}s/"
    with stage.running(web, **TWO):
        told = {"Authorization": f"Bearer {token}"} if token else {}
        body = requests.get(url, headers=told, timeout=10).content
        with stage.bare_view(body) as view, stage.bare_rows(service, table) as rows:
            read = requests.get(rows, timeout=10)
            read.raise_for_status()
            urls = (url, view, rows)
            messages = [always(request("GET", at, token=token * (at == url))) for at in urls]
            spent = {name: -processor_seconds(stage, name) for name in loads}
            for _ in range(bench.runs):
                for at, message, load in zip(urls, messages, loads.values(), strict=True):
                    load.append(hammer(at, message, seconds=0.5 if bench.quick else 2.0))
            spent = {name: spent[name] + processor_seconds(stage, name) for name in loads}
    rates = {name: tuple(load.rate for load in each) for name, each in loads.items()}
    ms = {
        name: 1000 * spent[name] / sum(len(load.latencies) for load in each)
        for name, each in loads.items()
    }
    refused = sum(sum(load.statuses.values()) - load.statuses[200] for load in loads[web])
    yield Result(
        figure="lists",
        what=title,
        on=on,
        unit="requests/s",
        runs=rates[web],
        limit=rates["bare_view"],
        limit_is=f"a bare Django view of the same {len(body):,} bytes",
        must=(Must(bound=0.5, at="least", of="limit"),),
        note=f"{ms[web]:.2f} ms of processor a request, the bare view {ms['bare_view']:.2f} ms; "
        f"{refused} refused; 2 processes, {CLIENTS} clients",
    )
    yield Result(
        figure="lists",
        what=f"{title}, beside a bare view that reads",
        on=on,
        unit="requests/s",
        runs=rates[web],
        limit=rates["bare_rows"],
        limit_is="a bare Django view that reads as many rows of the same table by the ORM",
        note=f"the view that reads takes {ms['bare_rows']:.2f} ms of processor for its "
        f"{len(read.content):,} bytes",
    )


def always(message: bytes) -> Callable[[int], bytes]:
    return lambda _: message


def bare_rate(url: str, seconds: float) -> float:
    return hammer(url, always(request("GET", url)), clients=CLIENTS, seconds=seconds).rate
