"""Stock over HTTP, as order_project and staff ask for it, and the books it has to agree with."""

import json
import threading
import time
import uuid
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import jwt
import requests
from jwt.algorithms import RSAAlgorithm
from tests.estate.estate import Estate
from tests.faults.run import NotInTime, Run, wait_until
from tests.faults.tables import Table

PATIENCE_SECONDS = 30
AWAY = frozenset({500, 502, 503, 504})  # nothing is known of what became of the request


def sign(key_set: str, **claims: Any) -> str:
    """A token of whoever has these keys."""
    key = json.loads(key_set)["keys"][0]
    now = int(time.time())
    return jwt.encode(
        {"iat": now, "exp": now + 60, "jti": uuid.uuid4().hex} | claims,
        RSAAlgorithm.from_jwk(key),  # type: ignore[arg-type] # it is a private one
        "RS256",
        headers={"kid": key["kid"]},
    )


@dataclass(frozen=True)
class Answer:
    """What inventory said; `status` is 0 where nothing came."""

    status: int
    body: Any

    @property
    def is_known(self) -> bool:
        return self.status not in AWAY and self.status != 0


class Shelf:
    """inventory_project, asked by any number of threads at once."""

    def __init__(self, estate: Estate, *, url: str = "") -> None:
        self.estate = estate
        self.url = f"{url or estate.url('inventory')}/api/v1"
        self._local = threading.local()
        self.trouble: Counter[int] = Counter()  # answers of which nothing is known, by status
        self.latest_trouble = ""

    # What can be asked.

    def reserve(self, order: str, lines: Mapping[str, int]) -> Answer:
        body = {"lines": [{"sku": sku, "quantity": number} for sku, number in lines.items()]}
        return self._as_order("PUT", f"reservations/{order}/", json=body)

    def release(self, order: str) -> Answer:
        return self._as_order("DELETE", f"reservations/{order}/")

    def fulfil(self, order: str) -> Answer:
        return self._as_order("POST", f"reservations/{order}/fulfilment/")

    def receive(self, sku: str, quantity: int) -> Answer:
        keys = self.estate.environment("user")["SIGNING_KEYS"]
        token = sign(keys, iss="user", sub=str(uuid.uuid4()), token_type="access", is_staff=True)
        body = {"quantity": quantity, "reason": "delivery"}
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        return self.ask("POST", f"stock/{sku}/receipts/", token, headers=headers, json=body)

    def level(self, sku: str) -> dict[str, Any]:
        return dict(self.certain(lambda: self.ask("GET", f"stock/{sku}/", "")).body)

    def certain(self, question: Any) -> Answer:
        """Ask until inventory answers: each of its operations may be repeated."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (answer := question()).is_known:
            if time.monotonic() > deadline:
                raise NotInTime(f"inventory has no answer for {PATIENCE_SECONDS} s: {answer}")
            time.sleep(0.02)
        return Answer(answer.status, answer.body)

    def ask(self, method: str, path: str, token: str, **request: Any) -> Answer:
        """One request, once."""
        if not hasattr(self._local, "session"):
            self._local.session = requests.Session()
        headers = request.pop("headers", {})
        if token:
            headers["Authorization"] = f"Bearer {token}"
        try:
            came = self._local.session.request(
                method, f"{self.url}/{path}", headers=headers, timeout=PATIENCE_SECONDS, **request
            )
            body = came.json() if came.content else None
        except (requests.RequestException, ValueError) as error:
            answer = Answer(0, str(error))
        else:
            answer = Answer(came.status_code, body)
        if not answer.is_known:
            self.trouble[answer.status] += 1
            self.latest_trouble = f"{answer.status} {str(answer.body)[:200]}"
        return answer

    def _as_order(self, method: str, path: str, **request: Any) -> Answer:
        token = getattr(self._local, "token", "")
        if not token or time.time() > self._local.renew_at:
            keys = self.estate.environment("order")["SIGNING_KEYS"]
            token = self._local.token = sign(keys, iss="order", aud="inventory")
            self._local.renew_at = time.time() + 30
        return self.ask(method, path, token, **request)

    # What the books say.

    def reservations(self) -> dict[str, tuple[str, dict[str, int]]]:
        """The state and the lines of each reservation, by order, as the database has it."""
        rows = self._table("stock_reservation").rows("order_id", "state", "lines")
        return {order: (state, lines_of(lines)) for order, state, lines in rows}

    def ledger(self) -> dict[str, tuple[int, int]]:
        """On hand and reserved of each SKU, as the sums of the ledger."""
        rows = self._table("stock_movement").rows("sku", "on_hand_delta", "reserved_delta")
        sums: dict[str, tuple[int, int]] = {}
        for sku, on_hand, reserved in rows:
            before = sums.get(sku, (0, 0))
            sums[sku] = (before[0] + on_hand, before[1] + reserved)
        return sums

    def is_all_in_ledger(self, skus: list[str]) -> bool:
        """Whether the ledger's sums are the levels that inventory tells of."""
        sums = self.ledger()
        return all(
            sums.get(sku, (0, 0)) == (level["on_hand"], level["reserved"])
            for sku, level in ((sku, self.level(sku)) for sku in skus)
        )

    def judge(self, run: Run, skus: list[str]) -> None:
        """Levels, ledger and reservations tell the same, now that nobody asks for anything."""
        with suppress(NotInTime):  # the ledger of a Redis store is a little late
            wait_until(lambda: self.is_all_in_ledger(skus), "the ledger has all", 20)
        sums, held = self.ledger(), self.reservations().values()
        for sku in skus:
            level = self.level(sku)
            told = (level["on_hand"], level["reserved"])
            run.expect(level["on_hand"] >= level["reserved"] >= 0, f"{sku} is not oversold: {told}")
            run.expect(
                sums.get(sku, (0, 0)) == told,
                f"the ledger of {sku} sums up to its level: {sums.get(sku)}, not {told}",
            )
            promised = sum(lines.get(sku, 0) for state, lines in held if state == "reserved")
            run.expect(
                promised == level["reserved"],
                f"{sku}: {level['reserved']} reserved are {promised} of living reservations",
            )

    def _table(self, name: str) -> Table:
        return Table(self.estate.environment("inventory")["DATABASE_URL"], name, key="order_id")


def lines_of(lines: Any) -> dict[str, int]:
    """A reservation's lines, which SQLite keeps as text."""
    return dict(json.loads(lines) if isinstance(lines, str) else lines)
