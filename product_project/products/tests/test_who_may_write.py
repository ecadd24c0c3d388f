"""Who gets in: tokens good and forged, and bodies that are not what they say."""

import base64
import hashlib
import hmac
import json
import time

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from rest_framework.test import APIClient

from conftest import USER_KEYS, client_with, make_key_set, make_token, public_part
from product_project.keys import parse_key
from products.models import Product

pytestmark = pytest.mark.django_db

URL = "/api/v1/products/"
TENT_URL = f"{URL}TENT-2P/"
MUG = {
    "sku": "MUG-ENAMEL",
    "name": "Enamel mug",
    "category": "kitchen",
    "price": {"amount": "9.90", "currency": "EUR"},
}
WRITES = [("post", URL, MUG), ("patch", TENT_URL, {"name": "Mine"}), ("delete", TENT_URL, {})]


def encoded(part: object) -> bytes:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")


def forged(algorithm: str, secret: bytes | None, **header: str) -> str:
    """A staff token of our own making: unsigned, or signed with a secret by HMAC."""
    claims = jwt.decode(make_token(is_staff=True), options={"verify_signature": False})
    head = {"typ": "JWT", "alg": algorithm, "kid": "user-1"} | header
    signed = encoded(head) + b"." + encoded(claims)
    signature = hmac.digest(secret, signed, hashlib.sha256) if secret is not None else b""
    return (signed + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


def public_pem() -> bytes:
    key: RSAPublicKey = parse_key(**public_part(USER_KEYS)["keys"][0]).key
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


FORGED = {
    "expired": lambda: make_token(is_staff=True, exp=int(time.time()) - 10),
    "without an end": lambda: make_token(is_staff=True, exp=None),
    "not yet valid": lambda: make_token(is_staff=True, nbf=int(time.time()) + 60),
    "unsigned (alg=none)": lambda: forged("none", None),
    "signed with the public key as a secret": lambda: forged("HS256", public_pem()),
    "signed with the public modulus as a secret": lambda: forged(
        "HS256", USER_KEYS["keys"][0]["n"].encode()
    ),
    "of an unknown key": lambda: make_token(is_staff=True, key_set=make_key_set("stranger")),
    "of another key under a known name": lambda: make_token(
        is_staff=True, key_set=make_key_set("stranger"), kid="user-1"
    ),
    "naming no key": lambda: forged("HS256", b"secret", kid=""),
    "of a service": lambda: make_token(
        key_set=make_key_set("order-1"), iss="order", aud="product", is_staff=True
    ),
    "of a service under a person's key": lambda: make_token(iss="order", is_staff=True),
    "a refresh token": lambda: make_token(token_type="refresh", is_staff=True),
    "about nobody": lambda: make_token(sub=None, is_staff=True),
    "not a token": lambda: "not.a.token",
    "text": lambda: "nonsense",
}


class TestWriting:
    @pytest.mark.parametrize("make", FORGED.values(), ids=FORGED.keys())
    def test_is_refused_to_a_token_that_is(self, tent, make):
        response = client_with(make()).patch(TENT_URL, {"name": "Mine"})

        assert response.status_code == 401
        assert "log in for a new one" in response.json()["detail"]
        assert "WWW-Authenticate" in response.headers
        assert Product.objects.get().as_contract() == tent.as_contract()

    @pytest.mark.parametrize(("method", "url", "body"), WRITES, ids=lambda value: str(value)[:6])
    def test_is_refused_to_who_is_not_staff(self, ann, tent, method, url, body):
        response = getattr(ann.client, method)(url, body)

        assert response.status_code == 403
        assert "Only staff may change the catalogue" in response.json()["detail"]
        assert Product.objects.get().as_contract() == tent.as_contract()

    @pytest.mark.parametrize(("method", "url", "body"), WRITES, ids=lambda value: str(value)[:6])
    def test_is_refused_to_who_does_not_say_who_they_are(self, tent, method, url, body):
        response = getattr(APIClient(), method)(url, body)

        assert response.status_code == 401
        assert Product.objects.get().as_contract() == tent.as_contract()

    def test_is_refused_to_a_page_of_another_site(self, clerk, tent):
        browser = APIClient(enforce_csrf_checks=True)
        browser.force_login(clerk)

        response = browser.delete(TENT_URL)

        assert response.status_code == 403
        assert "CSRF" in response.json()["detail"]

    def test_is_open_to_a_token_from_a_clock_that_is_a_little_ahead(self, tent):
        token = make_token(is_staff=True, iat=int(time.time()) + 3)

        assert client_with(token).patch(TENT_URL, {"name": "Tent"}).status_code == 200

    def test_goes_on_while_user_project_rotates_its_keys(self, settings, tent):
        new = make_key_set("user-2")
        settings.USER_PUBLIC_KEYS = {
            "keys": public_part(USER_KEYS)["keys"] + public_part(new)["keys"]
        }

        for key_set in (USER_KEYS, new):
            client = client_with(make_token(is_staff=True, key_set=key_set))
            assert client.patch(TENT_URL, {"name": "Tent"}).status_code == 200


class TestABody:
    @pytest.mark.parametrize(
        ("content", "word"),
        [
            (b'{"sku": ', "JSON parse error"),
            (b"\xff\xfe", "JSON parse error"),
            (b'{"price": NaN}', "JSON parse error"),
            (b"[" * 100_000, "nested too deeply"),
        ],
        ids=["cut off", "not UTF-8", "not a number", "nested"],
    )
    def test_is_refused_when_it_is_malformed(self, cleo, content, word):
        response = cleo.client.post(URL, content, content_type="application/json")

        assert response.status_code == 400
        assert word in response.json()["detail"]

    @pytest.mark.parametrize(
        "content_type", ["application/json", "multipart/form-data; boundary=x"]
    )
    def test_is_refused_when_it_has_10_megabytes(self, cleo, content_type):
        file = b'--x\r\nContent-Disposition: form-data; name="name"; filename="mug"\r\n\r\n'

        response = cleo.client.post(URL, file + b" " * 10_000_000, content_type=content_type)

        assert response.status_code == 413
        assert "at most 262144 bytes" in response.json()["detail"]

    @pytest.mark.parametrize("content_type", ["text/csv", "application/x-www-form-urlencoded"])
    def test_is_refused_when_it_is_of_another_kind(self, cleo, content_type):
        response = cleo.client.post(URL, b"sku,name", content_type=content_type)

        assert response.status_code == 415
        assert content_type in response.json()["detail"]
