"""Who may pass each door, and which tokens are refused at all."""

import base64
import json
import time
from typing import Any
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from conftest import TokenMaker, calling_with
from stock.operations import receive_stock
from stock.stores.protocol import StockStore

pytestmark = pytest.mark.django_db

RESERVATION = "/api/v1/reservations/0190a5c8-1f2e-7c3d-9e4f-5a6b7c8d9e0f/"
RECEIPTS = "/api/v1/stock/TENT-2P/receipts/"
LINES = {"lines": [{"sku": "TENT-2P", "quantity": 1}]}
DELIVERY = {"quantity": 5, "reason": "delivery"}


@pytest.fixture
def _one_tent(store: StockStore) -> None:
    receive_stock(sku="TENT-2P", quantity=1, reason="delivery", by="cleo")


@pytest.mark.usefixtures("_one_tent")
class TestEachDoor:  # test_routes.py has the table of who may pass
    def test_says_of_what_it_has_not_that_it_has_it_not(self, order_service: APIClient) -> None:
        assert order_service.options(RESERVATION).status_code == 405
        assert order_service.patch(RESERVATION, LINES).status_code == 405

    def test_knows_local_staff_by_their_session(self, anyone: APIClient, admin_user: User) -> None:
        anyone.force_login(admin_user)

        assert anyone.post(RECEIPTS, DELIVERY).status_code == 201
        assert anyone.put(RESERVATION, LINES).status_code == 403


def unsigned(claims: dict[str, Any], kid: str) -> str:
    return jwt.encode(claims, "", "none", headers={"kid": kid})


def signed_with_the_public_key(claims: dict[str, Any], key: rsa.RSAPrivateKey, kid: str) -> str:
    """HMAC with the public key's text as the secret, by hand: PyJWT refuses to."""
    secret = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    parts = [{"alg": "HS256", "typ": "JWT", "kid": kid}, claims]
    signed = b".".join(
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts
    )
    hmac = jwt.get_algorithm_by_name("HS256").sign(signed, secret)
    return b".".join([signed, base64.urlsafe_b64encode(hmac).rstrip(b"=")]).decode()


def claims_of(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


class TestServiceTokens:
    @pytest.mark.parametrize(
        "claims",
        [
            {"aud": "user"},
            {"aud": None},
            {"exp": time.time() - 60, "iat": time.time() - 100},
            {"exp": time.time() + 3600},
            {"exp": time.time() + 10, "iat": time.time() - 3600},
            {"iat": time.time() + 3600, "exp": time.time() + 3610},
            {"exp": None},
            {"exp": "tomorrow"},
            {"iat": None},
        ],
        ids=lambda claims: ", ".join(claims),
    )
    def test_are_refused_with_claims_that_do_not_hold(
        self, service_token: TokenMaker, claims: dict[str, Any]
    ) -> None:
        token = service_token(
            **{name: value and int_or_text(value) for name, value in claims.items()}
        )

        answer = calling_with(token).put(RESERVATION, LINES)

        assert answer.status_code == 401
        assert answer.json()["detail"].startswith("The service token is refused: ")
        if "aud" in claims:
            assert "sign a fresh one for 'inventory'" in answer.json()["detail"]

    def test_are_refused_without_a_signature(self, service_token: TokenMaker) -> None:
        token = unsigned(claims_of(service_token()), "order-1")

        assert calling_with(token).put(RESERVATION, LINES).status_code == 401

    def test_are_refused_when_the_public_key_was_the_secret(
        self, service_token: TokenMaker, order_key: rsa.RSAPrivateKey
    ) -> None:
        token = signed_with_the_public_key(claims_of(service_token()), order_key, "order-1")

        assert calling_with(token).put(RESERVATION, LINES).status_code == 401

    @pytest.mark.parametrize("kid", ["order-1", "user-1", "order-2"])
    def test_are_refused_when_signed_with_a_key_that_is_not_orders(
        self, service_token: TokenMaker, user_key: rsa.RSAPrivateKey, kid: str
    ) -> None:
        claims = claims_of(service_token())
        token = jwt.encode(claims, user_key, "RS256", headers={"kid": kid})

        assert calling_with(token).put(RESERVATION, LINES).status_code == 401

    def test_do_not_open_the_doors_of_staff(self, service_token: TokenMaker) -> None:
        token = service_token(is_staff=True, sub=str(uuid4()), token_type="access", jti="1")

        assert calling_with(token).post(RECEIPTS, DELIVERY).status_code == 403


def int_or_text(value: float | str) -> int | str:
    return value if isinstance(value, str) else int(value)


class TestPersonTokens:
    @pytest.mark.parametrize(
        "claims",
        [
            {"exp": 1_700_000_000},
            {"exp": None},
            {"iss": "somebody"},
            {"iss": "order"},
            {"token_type": "refresh"},
            {"sub": None},
        ],
        ids=lambda claims: ", ".join(f"{name} {value}" for name, value in claims.items()),
    )
    @pytest.mark.parametrize("path", [RECEIPTS, f"{RESERVATION}fulfilment/"])
    def test_are_refused_with_claims_that_do_not_hold(
        self, person_token: TokenMaker, path: str, claims: dict[str, Any]
    ) -> None:
        token = person_token(is_staff=True, **claims)

        assert calling_with(token).post(path, DELIVERY).status_code == 401

    def test_are_refused_without_a_signature(self, person_token: TokenMaker) -> None:
        token = unsigned(claims_of(person_token(is_staff=True)), "user-1")

        answer = calling_with(token).post(RECEIPTS, DELIVERY)

        assert answer.status_code == 401
        assert "log in for a new one" in answer.json()["detail"]

    def test_are_refused_when_the_public_key_was_the_secret(
        self, person_token: TokenMaker, user_key: rsa.RSAPrivateKey
    ) -> None:
        claims = claims_of(person_token(is_staff=True))
        token = signed_with_the_public_key(claims, user_key, "user-1")

        assert calling_with(token).post(RECEIPTS, DELIVERY).status_code == 401

    @pytest.mark.parametrize("kid", ["user-1", "order-1"])
    def test_are_refused_when_signed_with_the_key_of_a_service(
        self, person_token: TokenMaker, order_key: rsa.RSAPrivateKey, kid: str
    ) -> None:
        claims = claims_of(person_token(is_staff=True))
        token = jwt.encode(claims, order_key, "RS256", headers={"kid": kid})

        assert calling_with(token).post(RECEIPTS, DELIVERY).status_code == 401

    @pytest.mark.parametrize(
        "token", ["", "x", "a.b.c", "a.b.c d", "\N{LATIN SMALL LETTER E WITH ACUTE}.b.c"]
    )
    def test_are_refused_when_they_are_none(self, token: str) -> None:
        for path in (RECEIPTS, f"{RESERVATION}fulfilment/"):
            assert calling_with(token).post(path, DELIVERY).status_code == 401


class TestBodies:
    @pytest.mark.parametrize("path", [RECEIPTS, RESERVATION])
    @pytest.mark.parametrize(
        "body",
        [
            "{",
            "",
            "{'lines': 1}",
            "\xff",
            '{"lines": NaN}',
            '{"lines": ' + "[" * 100_000,
            "[[]]",
            "4",
        ],
        ids=lambda body: repr(body)[:20],
    )
    def test_that_are_not_what_is_expected_are_refused(
        self, cleo: APIClient, order_service: APIClient, path: str, body: str
    ) -> None:
        send = cleo.post if path == RECEIPTS else order_service.put

        answer = send(path, body.encode("latin-1"), content_type="application/json")

        assert answer.status_code == 400

    @pytest.mark.parametrize("path", [RECEIPTS, RESERVATION])
    def test_of_ten_megabytes_are_refused(
        self, cleo: APIClient, order_service: APIClient, path: str
    ) -> None:
        send = cleo.post if path == RECEIPTS else order_service.put

        answer = send(path, b'"' + b"x" * 10_000_000 + b'"', content_type="application/json")

        assert answer.status_code == 413
        assert "262144 bytes" in answer.json()["detail"]

    def test_of_ten_megabytes_are_refused_as_forms_too(self, cleo: APIClient) -> None:
        body = DELIVERY | {"reason": "x" * 10_000_000}

        assert cleo.post(RECEIPTS, body, format="multipart").status_code == 413

    def test_of_another_kind_are_refused(self, order_service: APIClient) -> None:
        answer = order_service.put(RESERVATION, "<lines/>", content_type="application/xml")

        assert answer.status_code == 415
