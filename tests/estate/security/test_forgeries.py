"""Tokens as attackers make them, at every service: each is refused, and an honest one is not."""

import base64
import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
import requests
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.estate.estate import Estate
from tests.estate.settings import generate_key_set, public_key_set
from tests.estate.story import (
    Scene,
    ann_registers,
    copy_appears,
    product_goes_on_sale,
    staff_log_in,
)

pytestmark = pytest.mark.parametrize("engines", ["embedded"], indirect=True)

ORDER_ID = "0190a5c8-1f2e-7c3d-9e4f-5a6b7c8d9e0f"
# Where staff get in, and what they are told; and where order_project does.
STAFF_DOORS = {
    "user": ("GET", "users/", 200),
    "order": ("GET", "customers/", 200),
    "product": ("POST", "products/", 400),
    "inventory": ("POST", "stock/TENT-2P/receipts/", 400),
}
SERVICE_DOORS = {
    "user": ("GET", "internal/users/", 200),
    "inventory": ("PUT", f"reservations/{ORDER_ID}/", 400),
}
KeySet = dict[str, list[dict[str, Any]]]


class Forger:
    """Knows every public key, and one private key that is nobody's; also borrows the real ones."""

    def __init__(self, estate: Estate) -> None:
        self.keys: dict[str, dict[str, Any]] = {
            name: json.loads(estate.environment(name)["SIGNING_KEYS"])["keys"][0]
            for name in ("user", "order")
        }
        self.own = generate_key_set()["keys"][0]
        now = int(time.time())
        self.person = {
            "iss": "user",
            "sub": "",
            "is_staff": True,
            "token_type": "access",
            "jti": "1",
            "iat": now,
            "exp": now + 900,
        }
        self.service = {"iss": "order", "iat": now, "exp": now + 60}

    def sign(self, claims: dict[str, Any], key: dict[str, Any], **header: Any) -> str:
        said = {name: value for name, value in claims.items() if value is not None}
        named = {"kid": key["kid"]} | header
        return jwt.encode(said, jwt.PyJWK(key).key, "RS256", headers=named)

    def unsigned(self, claims: dict[str, Any], kid: str, algorithm: str) -> str:
        return f"{part({'alg': algorithm, 'typ': 'JWT', 'kid': kid})}.{part(claims)}."

    def signed_with_the_public_key(self, claims: dict[str, Any], key: dict[str, Any]) -> str:
        pem = jwt.PyJWK(public_key_set({"keys": [key]})["keys"][0]).key.public_bytes(
            Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
        )
        content = f"{part({'alg': 'HS256', 'kid': key['kid']})}.{part(claims)}"
        signature = jwt.get_algorithm_by_name("HS256").sign(content.encode(), pem)
        return f"{content}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"

    def forge(
        self, claims: dict[str, Any], key: dict[str, Any], other: dict[str, Any]
    ) -> dict[str, str]:
        """Tokens with claims that the key would honestly sign, by what is wrong with each."""
        now = int(time.time())
        honest = self.sign(claims, key)
        head, _, signature = honest.split(".")
        return {
            "unsigned": self.unsigned(claims, key["kid"], "none"),
            "unsigned, in capitals": self.unsigned(claims, key["kid"], "NONE"),
            "without its signature": honest.rpartition(".")[0] + ".",
            "the public key as a secret": self.signed_with_the_public_key(claims, key),
            "changed": f"{head}.{part(claims | {'jti': '2'})}.{signature}",
            "of an unknown key": self.sign(claims, self.own),
            "of an unknown key under a known name": self.sign(claims, self.own, kid=key["kid"]),
            "of another's key": self.sign(claims, other),
            "of another's key under this name": self.sign(claims, other, kid=key["kid"]),
            "that brings its key": self.sign(
                claims, self.own, jwk=public_key_set({"keys": [self.own]})["keys"][0]
            ),
            "that says where its key is": self.sign(
                claims, self.own, jku="http://127.0.0.1:1/jwks.json", x5u="http://127.0.0.1:1/"
            ),
            "whose key is a path": self.sign(claims, key, kid="../../../../dev/null"),
            "whose key is a query": self.sign(claims, key, kid="' OR 1=1 --"),
            "whose key has no name": self.sign(claims, key, kid=""),
            "expired": self.sign(claims | {"iat": now - 930, "exp": now - 30}, key),
            "without an end": self.sign(claims | {"exp": None}, key),
            "not yet valid": self.sign(claims | {"nbf": now + 60}, key),
            "of another issuer": self.sign(claims | {"iss": "product"}, key),
            "without an issuer": self.sign(claims | {"iss": None}, key),
        }


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@pytest.fixture
def forger(estate: Estate) -> Forger:
    forger, staff = Forger(estate), estate.staff("user")
    scene = Scene(estate)
    scene.log_in("staff", staff.login, staff.password)
    forger.person["sub"] = jwt.decode(scene.tokens["staff"], options={"verify_signature": False})[
        "sub"
    ]
    return forger


def told(estate: Estate, service: str, door: tuple[str, str, int]) -> Callable[[str], int]:
    """What is answered there to who carries a token."""
    method, path, _ = door
    url = f"{estate.url(service)}/api/v1/{path}"

    def ask(token: str) -> int:
        headers = {"Authorization": f"Bearer {token}"}
        json_body: dict[str, str] | None = None if method == "GET" else {}
        return requests.request(
            method, url, headers=headers, json=json_body, timeout=10
        ).status_code

    return ask


@pytest.mark.parametrize("service", STAFF_DOORS)
def test_of_a_person_is_refused(estate: Estate, forger: Forger, service: str):
    door = STAFF_DOORS[service]
    ask, user, order = told(estate, service, door), forger.keys["user"], forger.keys["order"]
    audience = {"aud": service}
    forged = forger.forge(forger.person, user, order) | {
        "a refresh token": forger.sign(forger.person | {"token_type": "refresh"}, user),
        "of no type": forger.sign(forger.person | {"token_type": None}, user),
        "about nobody": forger.sign(forger.person | {"sub": None}, user),
        "of a service for another": forger.sign(forger.service | {"aud": "nobody"}, order),
        "of a service that claims to be staff": forger.sign(
            forger.person | forger.service | audience, order
        ),
    }

    statuses = {what: ask(token) for what, token in forged.items()}

    assert ask(forger.sign(forger.person, user)) == door[2]
    # Stock knows the service for what it is, and that it is no staff.
    known = {"of a service that claims to be staff": 403} if service == "inventory" else {}
    assert statuses == dict.fromkeys(forged, 401) | known


@pytest.mark.parametrize("service", SERVICE_DOORS)
def test_of_a_service_is_refused(estate: Estate, forger: Forger, service: str):
    door = SERVICE_DOORS[service]
    ask, user, order = told(estate, service, door), forger.keys["user"], forger.keys["order"]
    claims, now = forger.service | {"aud": service}, int(time.time())
    forged = forger.forge(claims, order, user) | {
        "for another": forger.sign(claims | {"aud": "product"}, order),
        "for nobody": forger.sign(claims | {"aud": None}, order),
        "that lives too long": forger.sign(claims | {"exp": now + 3600}, order),
        "of unknown age": forger.sign(claims | {"iat": None}, order),
        "from tomorrow": forger.sign(claims | {"iat": now + 86_400, "exp": now + 86_460}, order),
    }
    if service == "user":  # stock lets staff fulfil, and so knows people: 403, see below
        forged["of a person"] = forger.sign(forger.person, user)

    statuses = {what: ask(token) for what, token in forged.items()}

    assert ask(forger.sign(claims, order)) == door[2]
    assert statuses == dict.fromkeys(forged, 401)
    if service == "inventory":
        assert ask(forger.sign(forger.person, user)) == 403


def test_of_who_was_erased_is_worth_nothing(estate: Estate):
    scene = Scene(estate)
    for step in (staff_log_in, ann_registers, copy_appears, product_goes_on_sale):
        step(scene)
    scene.ask("DELETE", "user", "users/me/", who="ann", expect=204)

    def erased() -> bool:
        path = f"customers/{scene.made['ann']}/"
        return bool(scene.ask("GET", "order", path, who="staff", expect=200)["is_deleted"])

    scene.await_copy("Ann's erasure", erased)

    scene.ask("GET", "user", "users/me/", who="ann", expect=401)
    scene.order(1, expect=403)
    change = {"name": "Mine"}
    scene.ask("PATCH", "product", f"products/{scene.sku}/", who="ann", expect=403, json=change)
    path = f"stock/{scene.sku}/receipts/"
    scene.ask("POST", "inventory", path, who="ann", expect=403, json={"quantity": 1, "reason": "x"})
