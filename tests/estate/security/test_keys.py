"""Signing keys change under load, and users are away for as long as they like: nobody notices."""

import json
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import Any

import jwt
import psutil
import pytest
import requests
from rich.console import Console
from tests.estate.conftest import EMBEDDED
from tests.estate.estate import STOP_SECONDS, Estate
from tests.estate.settings import KeySet, generate_key_set, public_key_set
from tests.estate.story import (
    Scene,
    ann_registers,
    copy_appears,
    product_goes_on_sale,
    staff_log_in,
)
from tests.estate.test_outages import wait_until

console = Console(highlight=False)

OUTAGE_SECONDS = 600 if os.environ.get("LONG") else 10
TOKEN_SECONDS = 15 * 60  # the life that user_project gives a token
STOCK = 1_000_000

# Where each key set goes; the names are those of docker/secrets/.
FILES = {
    "user": {"SIGNING_KEYS": "user_signing_keys", "ORDER_PUBLIC_KEYS": "order_public_keys"},
    "order": {"SIGNING_KEYS": "order_signing_keys", "USER_PUBLIC_KEYS": "user_public_keys"},
    "product": {"USER_PUBLIC_KEYS": "user_public_keys"},
    "inventory": {
        "USER_PUBLIC_KEYS": "user_public_keys",
        "ORDER_PUBLIC_KEYS": "order_public_keys",
    },
}
READERS = {"user": ("order", "product", "inventory"), "order": ("user", "inventory")}


class KeyedEstate(Estate):
    """An estate whose keys are in files, as in a deployment, so that they can change as it runs."""

    def environment(self, service: str) -> dict[str, str]:
        told = super().environment(service)
        for variable, name in FILES[service].items():
            file = self.folder / name
            if not file.exists():
                file.write_text(told[variable])
            del told[variable]
            told[f"{variable}_FILE"] = str(file)
        return told

    def keys(self, name: str) -> KeySet:
        read: KeySet = json.loads((self.folder / name).read_text())
        return read

    def write_keys(self, name: str, *key_sets: KeySet) -> None:
        keys = [key for key_set in key_sets for key in key_set["keys"]]
        (self.folder / name).write_text(json.dumps({"keys": keys}))

    def renew(self, service: str) -> None:
        """Let a new gunicorn read everything anew at the same port, and the one before finish."""
        old = psutil.Process(self.processes[f"{service}-web"].pid)
        old.send_signal(signal.SIGUSR2)
        masters: list[psutil.Process] = []

        def started() -> bool:
            masters[:] = [child for child in old.children() if child.children()]
            return bool(masters)

        wait_until(started, f"a new {service}-web has workers", 60)
        old.terminate()
        wait_until(lambda: not old.is_running() or old.status() == "zombie", "the old is gone")
        self.processes[f"{service}-web"].wait(STOP_SECONDS)
        self.processes[f"{service}-web"] = Adopted(masters[0].pid)  # type: ignore[assignment]


class Adopted(psutil.Process):
    """A process that another than this one has started."""

    def poll(self) -> int | None:
        return None if self.is_running() else 0


@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeyedEstate]:
    with KeyedEstate(tmp_path_factory.mktemp("estate"), EMBEDDED) as estate:
        estate.start()
        yield estate


@pytest.fixture
def scene(estate: KeyedEstate) -> Iterator[Scene]:
    """Ann has an account, is known to orders, and there is enough to buy."""
    scene = Scene(estate)
    for step in (staff_log_in, ann_registers, copy_appears, product_goes_on_sale):
        step(scene)
    receipt = {"quantity": STOCK, "reason": "for any order"}
    path = f"stock/{scene.sku}/receipts/"
    scene.ask("POST", "inventory", path, who="staff", expect=201, json=receipt)
    yield scene
    scene.http.close()


class Load:
    """People and staff who go on asking until they are told to stop; counts what they are told."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.done = Event()
        self.answers: Counter[str] = Counter()
        self.failures: list[str] = []

    def ask(
        self, http: requests.Session, who: str, method: str, service: str, path: str, **request: Any
    ) -> None:
        url = f"{self.scene.estate.url(service)}/api/v1/{path}"
        headers = {"Authorization": f"Bearer {self.scene.tokens[who]}"}
        try:
            answer = http.request(method, url, headers=headers, timeout=30, **request)
        except requests.RequestException as error:
            self.failures.append(f"{method} {url}: {error}")
            return
        self.answers[f"{method} {service}"] += 1
        if not answer.ok or answer.status_code == 202:
            self.failures.append(f"{method} {url}: {answer.status_code} {answer.text[:200]}")

    def go_on(self, requests_of: Callable[["Load", requests.Session], None]) -> None:
        with requests.Session() as http:
            while not self.done.is_set():
                requests_of(self, http)

    @contextmanager
    def running(self, *loops: Callable[["Load", requests.Session], None]) -> Iterator[None]:
        with ThreadPoolExecutor(len(loops)) as pool:
            running = [pool.submit(self.go_on, loop) for loop in loops]
            try:
                yield
            finally:
                self.done.set()
            for loop in running:
                loop.result()
        console.print(f"{self.answers.total():,} requests, {len(self.failures)} failed")


def ann_looks_and_orders(load: Load, http: requests.Session) -> None:
    lines = [{"sku": load.scene.sku, "quantity": 1}]
    load.ask(http, "ann", "GET", "order", "orders/")
    load.ask(http, "ann", "POST", "order", "orders/", json={"lines": lines})


def ann_reads_her_account(load: Load, http: requests.Session) -> None:
    load.ask(http, "ann", "GET", "user", "users/me/")


def staff_work(load: Load, http: requests.Session) -> None:
    receipt = {"quantity": 1, "reason": "found"}
    load.ask(http, "staff", "POST", "inventory", f"stock/{load.scene.sku}/receipts/", json=receipt)
    load.ask(
        http, "staff", "PATCH", "product", f"products/{load.scene.sku}/", json={"name": "Stool"}
    )
    load.ask(http, "staff", "GET", "order", "customers/")


class TestNewKeys:
    def test_of_users_are_taken_up_without_a_failed_request(
        self, estate: KeyedEstate, scene: Scene
    ):
        old, new = estate.keys("user_signing_keys"), generate_key_set()
        old_token = scene.tokens["ann"]
        load = Load(scene)

        with load.running(ann_looks_and_orders, ann_reads_her_account, staff_work):
            # Publish: first to all who check, then sign, and retire when no old token lives.
            estate.write_keys("user_public_keys", public_key_set(old), public_key_set(new))
            for service in READERS["user"]:
                estate.renew(service)
            estate.write_keys("user_signing_keys", new, old)
            estate.renew("user")
            published = requests.get(f"{estate.url('user')}/.well-known/jwks.json", timeout=10)
            both = load.answers.total()
            time.sleep(1)
            assert load.answers.total() > both, "the old tokens are asked with all the while"
            staff_log_in(scene)
            scene.log_in("ann", scene.email, scene.made["password"])
            time.sleep(1)
            estate.write_keys("user_public_keys", public_key_set(new))
            estate.write_keys("user_signing_keys", new)
            for service in (*READERS["user"], "user"):
                estate.renew(service)
            time.sleep(1)

        assert load.failures == []
        assert set(load.answers) >= {"GET user", "POST order", "POST inventory", "PATCH product"}
        kid = new["keys"][0]["kid"]
        assert [key["kid"] for key in published.json()["keys"]] == [kid, old["keys"][0]["kid"]]
        assert jwt.get_unverified_header(scene.tokens["ann"])["kid"] == kid
        for service, path in (("user", "users/me/"), ("order", "orders/")):
            url = f"{estate.url(service)}/api/v1/{path}"
            headers = {"Authorization": f"Bearer {old_token}"}
            assert requests.get(url, headers=headers, timeout=10).status_code == 401

    def test_of_orders_are_taken_up_without_a_failed_request(
        self, estate: KeyedEstate, scene: Scene
    ):
        old, new = estate.keys("order_signing_keys"), generate_key_set()
        load = Load(scene)

        with load.running(ann_looks_and_orders, ann_looks_and_orders, staff_work):
            estate.write_keys("order_public_keys", public_key_set(old), public_key_set(new))
            for service in READERS["order"]:
                estate.renew(service)
            estate.write_keys("order_signing_keys", new)
            estate.renew("order")
            with estate.without("order-worker"):
                ordered = load.answers["POST order"]
                wait_until(lambda: load.answers["POST order"] > ordered, "orders go on")
            estate.write_keys("order_public_keys", public_key_set(new))
            for service in READERS["order"]:
                estate.renew(service)
            ordered = load.answers["POST order"]
            wait_until(lambda: load.answers["POST order"] > ordered + 5, "orders go on")

        assert load.failures == []
        refused = [name for name in estate.commands if "refused" in estate.log(name).read_text()]
        assert refused == []


class TestUsersAway:
    def test_for_ten_minutes_are_missed_by_nobody(self, estate: KeyedEstate, scene: Scene):
        for who in ("ann", "staff"):
            scene.tokens[who] = aged(scene.tokens[who], estate, TOKEN_SECONDS - OUTAGE_SECONDS - 60)
        load = Load(scene)

        with (
            estate.without("user-web", "user-relay"),
            load.running(ann_looks_and_orders, staff_work),
        ):
            time.sleep(OUTAGE_SECONDS)

        assert load.failures == []
        assert set(load.answers) >= {"GET order", "POST order", "POST inventory", "PATCH product"}
        asked = [line for line in estate.log("user-web").read_text().splitlines() if "jwks" in line]
        assert len(asked) <= 1, "no service need ask for keys"  # the test above did, once


def aged(token: str, estate: KeyedEstate, seconds: int) -> str:
    """The token as user_project would have made it so many seconds ago."""
    claims = jwt.decode(token, options={"verify_signature": False})
    key = estate.keys("user_signing_keys")["keys"][0]
    for name in ("iat", "exp"):
        claims[name] -= seconds
    return jwt.encode(claims, jwt.PyJWK(key).key, "RS256", headers={"kid": key["kid"]})
