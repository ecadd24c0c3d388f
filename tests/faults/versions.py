"""An older and a newer writer beside today's readers, and today's writers beside a reader of old.

Everything that crosses a border is read as `tests/contracts/released.json` has it, and passed on as
another release would have written it: without the fields that have a default, or with more fields.
"""

import base64
import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, Union

import msgspec
import requests
from tests.contracts.compatibility import RELEASED
from tests.estate.estate import stop_all
from tests.faults.messages import QUEUE, RedisMailbox, mailbox
from tests.faults.part import Part, lend
from tests.faults.run import Run, wait_until
from tests.faults.shelf import sign
from tests.faults.tables import Table

ONLY = ("user-web", "user-relay", "order-web", "order-worker", "product-web", "inventory-web")
ASKED = ("user", "product", "inventory")  # by orders
ARRIVAL_SECONDS = 30
SKU = "MUG-ENAMEL"  # of the shop that `seed` opens

Schemas = dict[str, dict[str, Any]]


class Release(StrEnum):
    """Who wrote what is read today."""

    OLDER = "older"  # knew no field that has a default
    NEWER = "newer"  # knows more fields


class ReleasedReader:
    """Reads as a service would that was built when the contracts were released, and no later."""

    PLAIN = {"string": str, "integer": int, "boolean": bool, "null": type(None)}

    def __init__(self, schemas: Schemas) -> None:
        self.schemas = schemas
        self.types: dict[str, type] = {}

    def read(self, contract: str, payload: object) -> None:
        """Raises msgspec.ValidationError where that service would refuse the payload."""
        msgspec.convert(payload, self.of(contract))

    def of(self, contract: str) -> type:
        """The type that this contract was."""
        if contract not in self.types:
            schema = self.schemas[contract]
            fields: list[Any] = [
                (name, self.annotation(schema["properties"][name])) for name in schema["required"]
            ]
            fields += [
                (name, self.annotation(each), each["default"])
                for name, each in schema["properties"].items()
                if name not in schema["required"]
            ]
            self.types[contract] = msgspec.defstruct(contract, fields, kw_only=True)
        return self.types[contract]

    def annotation(self, schema: dict[str, Any]) -> Any:
        if "$ref" in schema:
            return self.of(schema["$ref"].removeprefix("#/"))
        if "enum" in schema:
            return Literal[tuple(schema["enum"])]
        if "anyOf" in schema:
            return Union[tuple(self.annotation(each) for each in schema["anyOf"])]  # noqa: UP007
        if schema["type"] == "array":
            return tuple[self.annotation(schema["items"]), ...]  # type: ignore[misc] # made here
        return self.PLAIN[schema["type"]]


def as_written_by(release: Release, contract: str, payload: Any, schemas: Schemas) -> Any:
    """The payload of a contract, in all its depth, as that release would have written it."""
    schema, written = schemas[contract], {}
    for name, value in payload.items():
        if release == Release.OLDER and name not in schema["required"]:
            continue
        written[name] = value
        each = schema["properties"].get(name, {})
        for ref in (each.get("$ref"), each.get("items", {}).get("$ref")):
            if ref:
                inner = ref.removeprefix("#/")
                written[name] = (
                    [as_written_by(release, inner, item, schemas) for item in value]
                    if isinstance(value, list)
                    else as_written_by(release, inner, value, schemas)
                )
    return written | ({"added_later": {"by": ["another", 1]}} if release == Release.NEWER else {})


@dataclass
class Border:
    """Where two services meet, all is read and rewritten; `refused` is what no old reader took."""

    schemas: Schemas
    release: Release = Release.OLDER
    passed: Counter[str] = field(default_factory=Counter)
    refused: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.reader = ReleasedReader(self.schemas)

    def cross(self, contract: str, payload: Any) -> Any:
        """Read by the released reader; then as another release would have written it."""
        try:
            self.reader.read(contract, payload)
        except msgspec.ValidationError as error:
            self.refused.append(f"{contract}: {error}")
        self.passed[contract] += 1
        return as_written_by(self.release, contract, payload, self.schemas)


def contract_of(method: str, path: str, status: int | None) -> str | None:
    """Which contract a request's body is, or with a status its answer's; None if it is none."""
    if "/internal/users/digest/" in path:
        return "UserDigests" if status == 200 else None
    if "/internal/users/" in path:
        return "UserPage" if status == 200 else None
    if "/products/" in path:
        return "ProductPage" if status == 200 else None
    if "/reservations/" in path:
        if status is None:
            return "ReservationRequest" if method == "PUT" else None
        return {200: "Reservation", 201: "Reservation", 409: "ReservationRefusal"}.get(status)
    return None


class Customs(ThreadingHTTPServer):
    """Stands before a service; whatever passes crosses the border."""

    def __init__(self, target: str, border: Border) -> None:
        super().__init__(("127.0.0.1", 0), CustomsHandler)
        self.target, self.border = target, border
        self.url = f"http://127.0.0.1:{self.server_port}"


class CustomsHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Customs

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        answer = requests.request(
            self.command,
            self.server.target + self.path,
            data=self.cross(body, None),
            headers={
                name: self.headers[name]
                for name in ("Authorization", "Content-Type", "Accept", "X-Request-ID")
                if name in self.headers
            },
            timeout=10,
        )
        content = self.cross(answer.content, answer.status_code)
        self.send_response(answer.status_code)
        self.send_header("Content-Type", answer.headers.get("Content-Type", ""))
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_PUT = do_DELETE = do_GET  # noqa: N815, the names that http.server looks for

    def cross(self, body: bytes, status: int | None) -> bytes:
        contract = contract_of(self.command, self.path, status)
        if contract is None:
            return body
        return json.dumps(self.server.border.cross(contract, json.loads(body))).encode()

    def log_message(self, *args: Any) -> None:
        """Be quiet."""


@contextmanager
def customs(target: str, border: Border) -> Iterator[str]:
    with Customs(target, border) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server.url
        finally:
            server.shutdown()
            thread.join()


@dataclass
class Story:
    """A customer whose every step makes two services talk, one of them of another release."""

    run: Run
    estate: Part
    border: Border
    box: RedisMailbox
    customer: str = ""

    def play(self) -> None:
        stop_all([self.estate.processes.pop("order-worker")])
        self.register()
        events = self.take_events()
        self.order()
        self.rename()
        events += self.take_events()
        body = [[self.border.cross("UserEvent", event) for event in events]]
        self.box.post([json.dumps([body, {}, {}]).encode()])
        self.estate.start_process("order-worker")
        wait_until(
            self.is_copied, f"the worker reads events of the {self.release}", ARRIVAL_SECONDS
        )
        self.estate.manage("order", "verify_customers", "--lag", "0")  # raises where they differ
        self.estate.manage("order", "rebuild_customers")
        self.run.say(f"{self.release}: all went well")

    @property
    def release(self) -> Release:
        return self.border.release

    def register(self) -> None:
        body = {
            "email": f"{self.release}@example.com",
            "name": "Ann",
            "password": f"Freehold-{self.release}-release",
        }
        answer = self.ask("user", "POST", "users/", 201, json=body)
        self.customer = str(answer["id"])

    def rename(self) -> None:
        self.ask("user", "PATCH", "users/me/", 200, json={"name": f"Ann, {self.release}"})

    def order(self) -> None:
        """The copy does not know her yet; then she asks for too much, and cancels the first."""
        path = f"orders/{self.place(2, 201)['id']}/"
        self.place(10_000, 409)
        cancelled = self.ask("order", "POST", f"{path}cancellation/", 200)
        self.border.cross("Order", cancelled)
        self.run.expect(cancelled["status"] == "cancelled", f"an order is cancelled: {cancelled}")
        level = self.ask("inventory", "GET", f"stock/{SKU}/", 200)
        self.border.cross("StockLevel", level)
        self.run.expect(level["reserved"] == 0, f"its stock is released: {level}")

    def place(self, quantity: int, expected: int) -> dict[str, Any]:
        body = {"lines": [{"sku": SKU, "quantity": quantity}]}
        order = self.ask("order", "POST", "orders/", expected, json=body)
        self.border.cross("Order", order)
        return order

    def ask(
        self, service: str, method: str, path: str, expected: int, **request: Any
    ) -> dict[str, Any]:
        """What a service answers to her; a promise is broken where that is something else."""
        keys = self.estate.environment("user")["SIGNING_KEYS"]
        claims = {"sub": self.customer, "token_type": "access", "is_staff": False}
        headers = {"Authorization": f"Bearer {sign(keys, iss='user', **claims)}"}
        url = f"{self.estate.url(service)}/api/v1/{path}"
        answer = requests.request(
            method, url, headers=headers if self.customer else {}, timeout=30, **request
        )
        self.run.expect(
            answer.status_code == expected,
            f"{method} {path} of the {self.release}: {answer.status_code} {answer.text[:300]}",
        )
        return dict(answer.json())

    def take_events(self) -> list[Any]:
        """Out of the broker, what the relay has just put there."""
        wait_until(lambda: self.box.waiting() > 0, "the relay speaks", ARRIVAL_SECONDS)
        events = []
        while item := self.box.client.rpop(QUEUE):
            (batch,), _, _ = json.loads(base64.b64decode(json.loads(item)["body"]))  # type: ignore[arg-type] # not awaited
            events += batch
        return events

    def is_copied(self) -> bool:
        rows = Table(self.estate.environment("order")["DATABASE_URL"], "customers_customer").rows(
            "_id", "version", "name"
        )
        return (self.customer, 2, f"Ann, {self.release}") in rows


NEEDED = {
    *("UserEvent", "UserPage", "UserDigests", "ProductPage", "Order", "StockLevel"),
    *("ReservationRequest", "Reservation", "ReservationRefusal"),
}


def versions(run: Run) -> None:
    """All that services say is read by the released reader, and read by today's when rewritten."""
    border = Border(json.loads(RELEASED.read_text()))
    with ExitStack() as stack:
        engines = stack.enter_context(lend())
        estate = stack.enter_context(Part(run.folder / "estate", engines, only=ONLY))
        estate.told["order"] = {
            f"{name.upper()}_URL": stack.enter_context(customs(estate.url(name), border))
            for name in ASKED
        } | {"PRODUCT_CACHE_SECONDS": "0"}
        estate.start()
        box = stack.enter_context(mailbox(estate))
        assert isinstance(box, RedisMailbox)
        for border.release in Release:
            Story(run, estate, border, box).play()
    for contract, many in sorted(border.passed.items()):
        run.count(contract, many)
    run.expect(
        not border.refused, f"a reader of the released contracts takes all: {border.refused[:3]}"
    )
    silent = NEEDED - border.passed.keys()
    run.expect(not silent, f"each contract crossed a border, but for {sorted(silent)}")
