"""What people and staff notice while a part of the estate is away: as little as can be."""

import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.estate.estate import Estate
from tests.estate.story import (
    Scene,
    ann_registers,
    copy_appears,
    product_goes_on_sale,
    staff_log_in,
)


@pytest.fixture
def scene(estate: Estate) -> Iterator[Scene]:
    """Staff are logged in; nobody else is known yet."""
    scene = Scene(estate)
    staff_log_in(scene)
    yield scene
    scene.http.close()


@pytest.fixture
def ann(scene: Scene) -> Scene:
    """Ann has an account, is known to orders, and there is something to buy."""
    for step in (ann_registers, copy_appears, product_goes_on_sale):
        step(scene)
    return scene


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.05)


class TestWithoutTheBroker:
    def test_people_register_and_orders_learn_of_them_later(self, scene: Scene):
        if "valkey" not in scene.estate.processes:
            pytest.skip("the broker is not ours to stop: BROKER_URL and CACHE_URL name others")

        with scene.estate.without("valkey"):
            begun = time.monotonic()
            ann_registers(scene)
            seconds = time.monotonic() - begun

        assert seconds < 10, "registering waited for the broker"
        copy_appears(scene)


class TestWithoutTheWorker:
    def test_events_wait_for_it(self, scene: Scene):
        with scene.estate.without("order-worker"):
            ann_registers(scene)

        copy_appears(scene)


class TestWithoutInventory:
    def test_an_order_waits_and_is_confirmed_when_it_is_back(self, ann: Scene):
        with ann.estate.without("inventory-web"):
            order = ann.order(2, expect=202)
            assert order["status"] == "pending"

        def confirmed() -> bool:
            path = f"orders/{order['id']}/"
            seen = ann.ask("GET", "order", path, who="ann", expect=200)
            return bool(seen["status"] == "confirmed")

        wait_until(confirmed, "the pending order is confirmed", 40)
        level = ann.ask("GET", "inventory", f"stock/{ann.sku}/", expect=200)
        assert level["reserved"] == 2


class TestWithoutProducts:
    def test_what_was_asked_lately_can_still_be_ordered(self, ann: Scene):
        ann.order(1, expect=201)

        with ann.estate.without("product-web"):
            ann.order(1, expect=201)

    def test_what_nobody_asked_for_lately_is_refused_with_a_time_to_come_back(self, ann: Scene):
        with ann.estate.without("product-web"):
            refusal = ann.order(1, expect=503)

        assert "product_project" in refusal["detail"]


class TestARequestId:
    def test_follows_a_change_through_relay_and_worker(self, scene: Scene):
        request_id = uuid.uuid4().hex
        scene.http.headers["X-Request-ID"] = request_id

        ann_registers(scene)
        del scene.http.headers["X-Request-ID"]
        copy_appears(scene)

        logs = [scene.estate.log(name) for name in ("user-web", "user-relay", "order-worker")]
        wait_until(lambda: all(names(log, request_id) for log in logs), "all three name it")

    def test_follows_an_order_to_products_and_inventory(self, ann: Scene):
        request_id = uuid.uuid4().hex
        ann.http.headers["X-Request-ID"] = request_id

        ann.order(1, expect=201)

        logs = [ann.estate.log(name) for name in ("order-web", "product-web", "inventory-web")]
        wait_until(lambda: all(names(log, request_id) for log in logs), "all three name it")


def names(log: Path, request_id: str) -> bool:
    return f"[{request_id}]" in log.read_text()
