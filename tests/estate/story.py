"""One story that takes all four services, told over HTTP and through the broker.

Each step acts, sees for itself that the estate did what it promises, and says what it saw. The
demo shows the steps to a person; a test runs the same ones.
"""

import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import requests
from tests.estate.estate import Estate

LAG_SECONDS = 20  # far above any honest lag: what takes longer is lost


class StoryFailed(Exception):
    """The estate did not do what it promises; `process` names whose log tells why."""

    def __init__(self, message: str, process: str) -> None:
        super().__init__(message)
        self.process = process


@dataclass
class Scene:
    """What the steps share: the estate, who acts, and what was made so far."""

    estate: Estate
    mark: str = field(default_factory=lambda: secrets.token_hex(4).upper())
    http: requests.Session = field(default_factory=requests.Session)
    tokens: dict[str, str] = field(default_factory=dict)
    made: dict[str, Any] = field(default_factory=dict)

    @property
    def sku(self) -> str:
        return f"CAMP-{self.mark}"

    @property
    def email(self) -> str:
        return f"ann.{self.mark.lower()}@example.com"

    def ask(
        self, method: str, service: str, path: str, *, who: str = "", expect: int, **request: Any
    ) -> Any:
        """One request as somebody; StoryFailed where the status is not the expected one."""
        headers = {"Authorization": f"Bearer {self.tokens[who]}"} if who else {}
        url = f"{self.estate.url(service)}/api/v1/{path}"
        try:
            answer = self.http.request(method, url, headers=headers, timeout=10, **request)
        except requests.RequestException as error:
            raise StoryFailed(f"{method} {url}: {error}", f"{service}-web") from error
        if answer.status_code != expect:
            raise StoryFailed(
                f"{method} {url} answered {answer.status_code}, not {expect}: {answer.text[:500]}",
                f"{service}-web",
            )
        return answer.json() if answer.content else None

    def log_in(self, who: str, login: str, password: str) -> None:
        answer = self.ask(
            "POST", "user", "token/", expect=200, json={"email": login, "password": password}
        )
        self.tokens[who] = answer["access"]

    def await_copy(self, what: str, condition: Callable[[], bool]) -> float:
        """Wait until orders' copy shows it; the seconds it took."""
        begun = time.monotonic()
        while not condition():
            if time.monotonic() - begun > LAG_SECONDS:
                raise StoryFailed(f"{what} did not reach orders in {LAG_SECONDS} s", "order-worker")
            time.sleep(0.01)
        return time.monotonic() - begun

    def order(self, quantity: int, *, expect: int) -> Any:
        lines = [{"sku": self.sku, "quantity": quantity}]
        return self.ask("POST", "order", "orders/", who="ann", expect=expect, json={"lines": lines})


def staff_log_in(scene: Scene) -> str:
    staff = scene.estate.staff("user")
    scene.log_in("staff", staff.login, staff.password)
    return "a token of user_project, which the other three accept without asking it"


def ann_registers(scene: Scene) -> str:
    password = secrets.token_urlsafe(12)
    body = {"email": scene.email, "name": "Ann", "password": password, "phone": "+49 30 1234567"}
    ann = scene.ask("POST", "user", "users/", expect=201, json=body)
    scene.made |= {"ann": ann["id"], "password": password}
    scene.log_in("ann", scene.email, password)
    return f"201, version {ann['version']}"


def copy_appears(scene: Scene) -> str:
    path = f"customers/?search={scene.email}"

    def copied() -> bool:
        found = scene.ask("GET", "order", path, who="staff", expect=200)
        return bool(found["count"] == 1)

    lag = scene.await_copy("Ann's registration", copied)
    copy = scene.ask("GET", "order", f"customers/{scene.made['ann']}/", who="staff", expect=200)
    if "phone" in copy:
        raise StoryFailed("the copy holds Ann's phone number", "order-worker")
    return f"after {lag * 1000:.0f} ms, by an event; her phone number stayed at home"


def product_goes_on_sale(scene: Scene) -> str:
    product = {
        "sku": scene.sku,
        "name": "Camp stool",
        "description": "Folds flat and carries 120 kg.",
        "category": "camp",
        "price": {"amount": "19.90", "currency": "EUR"},
    }
    scene.ask("POST", "product", "products/", who="staff", expect=201, json=product)
    receipt = {"quantity": 5, "reason": "first delivery"}
    path = f"stock/{scene.sku}/receipts/"
    scene.ask("POST", "inventory", path, who="staff", expect=201, json=receipt)
    return f"{scene.sku} at 19.90 EUR, 5 on the shelf"


def ann_orders(scene: Scene) -> str:
    order = scene.order(2, expect=201)
    scene.made["order"] = order["id"]
    level = scene.ask("GET", "inventory", f"stock/{scene.sku}/", expect=200)
    if (order["status"], order["total"]["amount"], level["reserved"]) != ("confirmed", "39.80", 2):
        raise StoryFailed(f"unexpected order {order} with stock {level}", "order-web")
    return "confirmed, 39.80 EUR; inventory holds 2 for it"


def ann_renames_herself(scene: Scene) -> str:
    scene.ask("PATCH", "user", "users/me/", who="ann", expect=200, json={"name": "Ann Archer"})

    def shown() -> bool:
        path = f"orders/{scene.made['order']}/"
        order = scene.ask("GET", "order", path, who="ann", expect=200)
        return bool(order["customer_name"] == "Ann Archer")

    return f"her order shows it after {scene.await_copy('the new name', shown) * 1000:.0f} ms"


def users_are_down_and_orders_go_on(scene: Scene) -> str:
    with scene.estate.without("user-relay", "user-web"):
        order = scene.order(1, expect=201)
        path = f"orders/{order['id']}/"
        seen = scene.ask("GET", "order", path, who="ann", expect=200)
    if (seen["status"], seen["customer_name"]) != ("confirmed", "Ann Archer"):
        raise StoryFailed(f"unexpected order {seen}", "order-web")
    return "confirmed, with her name, from the copy and the published key"


def overselling_is_refused(scene: Scene) -> str:
    refusal = scene.order(3, expect=409)
    (short,) = refusal["short"]
    if (short["requested"], short["available"]) != (3, 2):
        raise StoryFailed(f"unexpected refusal {refusal}", "inventory-web")
    return f"409: {short['requested']} asked for, {short['available']} available"


def ann_is_erased(scene: Scene) -> str:
    scene.ask("DELETE", "user", "users/me/", who="ann", expect=204)

    def forgotten() -> bool:
        path = f"orders/{scene.made['order']}/"
        order = scene.ask("GET", "order", path, who="staff", expect=200)
        return bool(order["customer_name"] == order["customer_email"] == "")

    lag = scene.await_copy("Ann's erasure", forgotten)
    scene.order(1, expect=403)
    return f"her orders stay without a name after {lag * 1000:.0f} ms; her token buys no more"


STORY: list[tuple[str, Callable[[Scene], str]]] = [
    ("staff log in", staff_log_in),
    ("Ann registers", ann_registers),
    ("orders learn of her", copy_appears),
    ("a product goes on sale", product_goes_on_sale),
    ("Ann orders two", ann_orders),
    ("Ann changes her name", ann_renames_herself),
    ("users go down, orders go on", users_are_down_and_orders_go_on),
    ("three of the last two", overselling_is_refused),
    ("Ann is erased", ann_is_erased),
]


def play(estate: Estate) -> Iterator[tuple[str, str, float]]:
    """Play the steps; for each its title, what was seen, and the seconds it took."""
    scene = Scene(estate)
    for title, step in STORY:
        begun = time.monotonic()
        seen = step(scene)
        yield title, seen, time.monotonic() - begun
