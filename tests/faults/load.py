"""What the estate is asked for while it is under fault, and what it acknowledged."""

import itertools
import json
import subprocess
import time
import uuid
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from threading import Event, Lock, Thread
from types import TracebackType
from typing import Any, Self

import jwt
import psutil
import requests
from jwt.algorithms import RSAAlgorithm
from tests.estate.settings import ROOT
from tests.faults.deployment import Deployment
from tests.faults.judge import Person, Placed
from tests.faults.run import NotInTime, Run
from tests.faults.servers import kill_family

# What is sold, and how much of it is put on the shelf; of some there is never enough.
SKUS = ("TENT-2P", "MAT-AIR", "STOVE-GAS", "MUG-ENAMEL", "LAMP-HEAD", "PACK-45", "TENT-4P")
SCARCE = frozenset({"TENT-4P"})
DELIVERED = 5000
CUSTOMERS = 12
NEWCOMER_SECONDS = 1.0  # between two; to hash a password takes half of that
ANSWER_SECONDS = 10  # what one request may take
PATIENCE_SECONDS = 90  # for how long a client goes on asking for one answer
FINISH_SECONDS = 240  # for how long the writers may go on after the last fault


@dataclass
class Load:
    """Writers of people as processes and buyers as threads, from `begin` until `end`.

    The same seed asks for the same, in the same order within each writer and buyer.
    """

    run: Run
    deployment: Deployment
    events: int
    seconds: float  # over which the writers spread their events, if nobody tells them to hurry
    writers: int = 2
    buyers: int = 3
    placed: list[Placed] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    customers: list[str] = field(default_factory=list)
    registered: dict[str, Person] = field(default_factory=dict)
    _stop: Event = field(default_factory=Event)
    _lock: Lock = field(default_factory=Lock)
    _processes: list[psutil.Popen] = field(default_factory=list)
    _threads: list[Thread] = field(default_factory=list)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        for process in self._processes:
            kill_family(process)

    def begin(self) -> None:
        """Fill the shelves, register the buyers, and let everybody loose."""
        with Client(self) as staff:
            for sku in SKUS:
                if sku not in SCARCE:
                    staff.receive(sku, DELIVERED)
        with ThreadPoolExecutor(2) as pool:
            self.customers = list(pool.map(self._register_buyer, range(CUSTOMERS)))
        for number in range(self.writers):
            self._processes.append(self._start_writer(number))
        self._threads = [
            *(
                Thread(target=self._buy, args=[number], daemon=True)
                for number in range(self.buyers)
            ),
            Thread(target=self._come, daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Let the writers finish what they have to write, and the buyers what they are at."""
        self._hurry.touch()
        deadline = time.monotonic() + FINISH_SECONDS
        for number, process in enumerate(self._processes):
            while process.poll() is None:
                self.deployment.supervise()
                if time.monotonic() > deadline:
                    raise NotInTime(f"writer {number} ends: not within {FINISH_SECONDS} s")
                time.sleep(0.1)
            if process.returncode:
                said = self._log(number).read_text(errors="replace").splitlines()[-20:]
                raise NotInTime("\n".join([f"writer {number} failed", *said]))
        self._stop.set()
        for thread in self._threads:
            while thread.is_alive():
                self.deployment.supervise()
                thread.join(0.1)

    def acknowledged(self) -> dict[str, Person]:
        """The last state of each user that somebody was told to be committed."""
        people = dict(self.registered)
        for number in range(self.writers):
            for line in self._journal(number).read_text().splitlines():
                for user_id, version, email, name, is_deleted in json.loads(line):
                    people[user_id] = Person(version, email, name, is_deleted)
        return people

    @property
    def _hurry(self) -> Path:
        return self.run.folder / "hurry"

    def _journal(self, number: int) -> Path:
        return self.run.folder / f"journal-{number}.jsonl"

    def _log(self, number: int) -> Path:
        return self.run.folder / f"writer-{number}.log"

    def _start_writer(self, number: int) -> psutil.Popen:
        project = ROOT / "user_project"
        events = self.events // self.writers + 1
        words = {
            "number": number,
            "seed": self.run.seed,
            "events": events,
            "rate": events / self.seconds,
            "journal": self._journal(number),
            "hurry": self._hurry,
        }
        with self._log(number).open("wb") as log:
            return psutil.Popen(
                [
                    *(project / ".venv/bin/python", "-P", ROOT / "tests/faults/writer.py"),
                    *(f"--{name}={value}" for name, value in words.items()),
                ],
                cwd=project,
                env=self.deployment.estate.environment("user")
                | {
                    "PYTHONPATH": str(project),
                    "DJANGO_SETTINGS_MODULE": "user_project.settings",
                    "LOG_LEVEL": "WARNING",
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a Ctrl-C at the terminal is for the one who started us
            )

    def _register_buyer(self, number: int) -> str:
        with Client(self) as client:
            return client.register(f"buyer{number}@example.com") or ""

    def _come(self) -> None:
        """Register one newcomer after the other."""
        with Client(self) as client:
            for number in itertools.count():
                if self._stop.wait(NEWCOMER_SECONDS):
                    return
                try:
                    client.register(f"newcomer{number}@example.com")
                except NotInTime as error:
                    self.run.failures.append(str(error))
                    return

    def _buy(self, number: int) -> None:
        random = Random(f"{self.run.seed} buyer {number}")  # noqa: S311  # it draws orders
        with Client(self) as client:
            while not self._stop.is_set():
                try:
                    placed = client.play(random)
                except NotInTime as error:
                    self.run.failures.append(str(error))
                    return
                with self._lock:
                    self.placed.append(placed)


class Client:
    """One who asks over HTTP until there is an answer, as a browser's user would."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.http = requests.Session()
        self.tokens = {who: sign_token(load.deployment, who) for who in ("staff", *load.customers)}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def play(self, random: Random) -> Placed:
        """Place an order, sometimes twice; then perhaps cancel it, or let its goods leave."""
        customer = random.choice(self.load.customers)
        lines = {sku: random.randint(1, 3) for sku in random.sample(SKUS, random.randint(1, 3))}
        key = str(uuid.UUID(int=random.getrandbits(128)))
        loses_answer, asks_twice = random.random() < 0.1, random.random() < 0.1
        what_then, pause = random.choice(("", "cancel", "fulfil", "both")), random.random() / 10
        ids = set()
        for _ in range(2 if asks_twice else 1):
            status, body = self.place(customer, lines, key, loses_answer=loses_answer)
            ids.add(str(body.get("id", "")))
        order_id = next(iter(ids)) if status in {200, 201, 202, 409} else ""
        if order_id and what_then in {"cancel", "both"}:
            path = f"orders/{order_id}/cancellation/"
            self.ask("POST", "order", path, customer, {200, 409})
        if order_id and what_then in {"fulfil", "both"}:
            path = f"reservations/{order_id}/fulfilment/"
            self.ask("POST", "inventory", path, "staff", {200, 404, 409})
        time.sleep(pause)
        return Placed(customer=customer, key=key, lines=lines, ids=frozenset(ids - {""}))

    def register(self, email: str) -> str | None:
        """The id of a new user; None where the answer was lost and the next says: it is taken."""
        name = email.partition("@")[0]
        body = {"email": email, "name": name, "password": f"{self.load.run.seed}-Freehold-x-9"}
        status, user = self.ask("POST", "user", "users/", "", {201, 400}, json=body)
        if status == 400:
            return None
        with self.load._lock:
            self.load.registered[user["id"]] = Person(user["version"], email, name, False)
        return str(user["id"])

    def place(
        self, customer: str, lines: dict[str, int], key: str, *, loses_answer: bool
    ) -> tuple[int, dict[str, Any]]:
        body = {"lines": [{"sku": sku, "quantity": many} for sku, many in lines.items()]}
        headers = {"Idempotency-Key": key}
        expected = {200, 201, 202, 409}
        if loses_answer:
            self.send("POST", "order", "orders/", customer, 0.02, json=body, headers=headers)
        return self.ask("POST", "order", "orders/", customer, expected, json=body, headers=headers)

    def receive(self, sku: str, quantity: int) -> None:
        body = {"quantity": quantity, "reason": "a large delivery"}
        headers = {"Idempotency-Key": str(uuid.uuid5(uuid.NAMESPACE_URL, f"delivery of {sku}"))}
        path = f"stock/{sku}/receipts/"
        self.ask("POST", "inventory", path, "staff", {200, 201}, json=body, headers=headers)

    def ask(
        self,
        method: str,
        service: str,
        path: str,
        who: str,
        expected: Iterable[int],
        **request: Any,
    ) -> tuple[int, dict[str, Any]]:
        """Ask again and again until the answer is one of those expected; NotInTime in the end."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            answer = self.send(method, service, path, who, ANSWER_SECONDS, **request)
            if answer is not None and answer.status_code in expected:
                return answer.status_code, answer.json()
            if time.monotonic() > deadline:
                last = "no answer" if answer is None else f"{answer.status_code} {answer.text}"
                raise NotInTime(f"{method} {service} {path}: {last[:300]}")
            time.sleep(0.1)

    def send(
        self, method: str, service: str, path: str, who: str, seconds: float, **request: Any
    ) -> requests.Response | None:
        """One request; None where there was no answer. Whatever was answered is counted."""
        headers = dict(request.pop("headers", {}))
        if who:
            headers["Authorization"] = f"Bearer {self.tokens[who]}"
        url = f"{self.load.deployment.estate.url(service)}/api/v1/{path}"
        answer = None
        with suppress(requests.RequestException):
            answer = self.http.request(method, url, headers=headers, timeout=seconds, **request)
        with self.load._lock:
            self.load.answers["none" if answer is None else str(answer.status_code)] += 1
        return answer


def sign_token(deployment: Deployment, who: str) -> str:
    """A token as user_project would give it, by the estate's own key: nobody has to log in."""
    (key, *_) = json.loads(deployment.estate.environment("user")["SIGNING_KEYS"])["keys"]
    now = int(time.time())
    claims = {
        "iss": "user",
        "sub": str(uuid.uuid5(uuid.NAMESPACE_URL, who)) if who == "staff" else who,
        "is_staff": who == "staff",
        "token_type": "access",
        "jti": uuid.uuid4().hex,
        "iat": now,
        "exp": now + 3 * 3600,
    }
    private = RSAAlgorithm.from_jwk(key)
    return jwt.encode(claims, private, "RS256", headers={"kid": key["kid"]})  # type: ignore[arg-type]  # a private key
