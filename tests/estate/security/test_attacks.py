"""What an attacker tries in the first hour, at all four services: none of it leads anywhere."""

import socket
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from tests.estate.estate import Estate
from tests.estate.settings import SERVICES
from tests.estate.story import (
    Scene,
    ann_registers,
    copy_appears,
    product_goes_on_sale,
    staff_log_in,
)

pytestmark = pytest.mark.parametrize("engines", ["embedded"], indirect=True)

EVIL = "https://evil.example"


@pytest.fixture(scope="module")
def scene(estate: Estate) -> Iterator[Scene]:
    """Ann and Bo have accounts, and there is something to buy."""
    scene, bo = Scene(estate), Scene(estate)
    for step in (staff_log_in, ann_registers, copy_appears, product_goes_on_sale):
        step(scene)
    ann_registers(bo)
    scene.tokens["bo"], scene.made["bo"] = bo.tokens["ann"], bo.made["ann"]
    yield scene
    scene.http.close()
    bo.http.close()


@pytest.fixture(params=SERVICES)
def service(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def logged_in(estate: Estate, service: str, at: str) -> tuple[requests.Session, requests.Response]:
    """A browser of local staff, and how the login page of this path answered."""
    browser, staff = requests.Session(), estate.staff(service)
    page = f"{estate.url(service)}{at}"
    browser.get(page, timeout=10)
    form = {
        "username": staff.login,
        "password": staff.password,
        "csrfmiddlewaretoken": browser.cookies[f"{service}_csrftoken"],
    }
    return browser, browser.post(page, data=form, allow_redirects=False, timeout=10)


class TestMassAssignment:
    def test_makes_nobody_staff_and_nobody_else(self, scene: Scene):
        change = {"is_staff": True, "is_superuser": True, "version": 99, "id": str(uuid.uuid4())}

        me = scene.ask("PATCH", "user", "users/me/", who="ann", expect=200, json=change)

        assert (me["is_staff"], me["version"], me["id"]) == (False, 1, scene.made["ann"])
        scene.ask("GET", "user", "users/", who="ann", expect=403)

    def test_makes_no_order_cheap_or_somebody_elses(self, scene: Scene):
        line = {"sku": scene.sku, "quantity": 1, "unit_price": {"amount": "0.01"}, "name": "Free"}
        wish = {
            "lines": [line],
            "customer_id": scene.made["bo"],
            "status": "fulfilled",
            "total": {"amount": "0.01", "currency": "EUR"},
        }

        order = scene.ask("POST", "order", "orders/", who="ann", expect=201, json=wish)

        assert order["customer_id"] == scene.made["ann"]
        assert (order["status"], order["total"]["amount"]) == ("confirmed", "19.90")


class TestAnIdempotencyKeyOfAnother:
    def test_gives_away_nothing(self, scene: Scene):
        key, lines = {"Idempotency-Key": "guessed"}, [{"sku": scene.sku, "quantity": 1}]
        placed = {}
        for who in ("ann", "bo"):
            url = f"{scene.estate.url('order')}/api/v1/orders/"
            headers = key | {"Authorization": f"Bearer {scene.tokens[who]}"}
            placed[who] = requests.post(url, json={"lines": lines}, headers=headers, timeout=10)

        assert [answer.status_code for answer in placed.values()] == [201, 201]
        assert placed["ann"].json()["id"] != placed["bo"].json()["id"]
        assert placed["bo"].json()["customer_id"] == scene.made["bo"]


class TestText:
    @pytest.mark.parametrize(
        "text",
        ["a\x00b", "\ud800", "\udfff\ud800", "x" * 100_000],
        ids=["NUL", "half", "two", "long"],
    )
    def test_that_no_database_keeps_is_refused(self, scene: Scene, text: str):
        price = {"amount": "1.00", "currency": "EUR"}
        product = {"sku": "A-1", "name": text, "category": "camp", "price": price}
        line = {"sku": text, "quantity": 1}
        receipt = {"quantity": 1, "reason": text}
        account = {"email": "dee@example.com", "name": text, "password": "correct horse"}
        for method, service, path, body in (
            ("POST", "user", "users/", account),
            ("PATCH", "user", "users/me/", {"phone": text}),
            ("POST", "user", "token/", {"email": text, "password": text}),
            ("POST", "order", "orders/", {"lines": [line]}),
            ("POST", "product", "products/", product),
            ("PATCH", "product", f"products/{scene.sku}/", {"description": text}),
            ("POST", "inventory", f"stock/{scene.sku}/receipts/", receipt),
        ):
            answer = ask(scene, method, service, path, json=body)
            assert answer.status_code in (400, 401), (path, answer.text[:200])

    @pytest.mark.parametrize(
        "name", ["Idempotency-Key", "X-Request-ID", "Accept-Language", "If-Match"]
    )
    def test_in_a_header_breaks_nothing(self, scene: Scene, name: str):
        for value in (
            b"\xff\xfe",
            b"x" * 4000,
            b"a\x00b",
            b"'; DROP TABLE orders; --",
            b"\xe2\x80\xa8",
        ):
            for service, path in (
                ("user", "users/"),
                ("order", "orders/"),
                ("product", "products/"),
                ("inventory", f"stock/{scene.sku}/receipts/"),
            ):
                answer = raw(scene, service, path, name.encode() + b": " + value)
                assert int(answer.split()[1]) in range(400, 500), (service, value, answer[:300])


def ask(scene: Scene, method: str, service: str, path: str, **request: Any) -> requests.Response:
    url = f"{scene.estate.url(service)}/api/v1/{path}"
    headers = {"Authorization": f"Bearer {scene.tokens['staff']}"}
    return requests.request(method, url, headers=headers, timeout=10, **request)


def raw(scene: Scene, service: str, path: str, header: bytes) -> bytes:
    """An empty POST of staff with a header that no library would send."""
    head = [
        f"POST /api/v1/{path} HTTP/1.1",
        "Host: 127.0.0.1",
        f"Authorization: Bearer {scene.tokens['staff']}",
        "Content-Type: application/json",
        "Content-Length: 2",
        "Connection: close",
    ]
    with socket.create_connection(("127.0.0.1", scene.estate.ports[service]), 10) as connection:
        connection.sendall("\r\n".join(head).encode() + b"\r\n" + header + b"\r\n\r\n{}")
        return b"".join(iter(lambda: connection.recv(65_536), b""))


class TestABody:
    def test_without_a_length_is_not_read(self, scene: Scene, service: str):
        path = {"user": "users/", "order": "orders/", "product": "products/"}
        parts = (b" " * 65_536 for _ in range(160))  # 10 MiB, in chunks

        answer = ask(
            scene, "POST", service, path.get(service, f"stock/{scene.sku}/receipts/"), data=parts
        )

        assert answer.status_code in (400, 411, 413, 415)


class TestABrowser:
    @pytest.mark.parametrize("page", ["/admin/login/", "/api/login/login/"])
    def test_is_sent_to_no_other_site(self, estate: Estate, service: str, page: str):
        for there in (EVIL, "/\\evil.example"):
            browser, answer = logged_in(estate, service, f"{page}?next={there}")
            browser.close()

            assert answer.status_code == 302
            assert answer.headers["Location"].startswith(("/admin/", "/accounts/", "/api/"))

    def test_keeps_its_cookies_from_scripts_and_other_sites(self, estate: Estate, service: str):
        browser, answer = logged_in(estate, service, "/admin/login/?next=/admin/")
        browser.close()

        (session,) = (cookie for cookie in answer.cookies if "session" in cookie.name)
        attributes = {name.lower(): value for name, value in session._rest.items()}  # type: ignore[attr-defined]
        assert "httponly" in attributes
        assert attributes["samesite"] == "Lax"
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"

    def test_changes_nothing_for_a_page_of_another_site(self, estate: Estate, service: str):
        browser, _ = logged_in(estate, service, "/admin/login/?next=/admin/")
        order = f"orders/{uuid.uuid4()}/cancellation/"
        method, path = {
            "user": ("DELETE", "users/me/"),
            "order": ("POST", order),
            "product": ("POST", "products/"),
            "inventory": ("POST", "stock/TENT-2P/receipts/"),
        }[service]

        with browser:
            url = f"{estate.url(service)}/api/v1/{path}"
            answer = browser.request(method, url, headers={"Origin": EVIL}, timeout=10)

        assert answer.status_code == 403
        assert "CSRF" in answer.json()["detail"]
        assert not [name for name in answer.headers if name.startswith("Access-Control-Allow")]
