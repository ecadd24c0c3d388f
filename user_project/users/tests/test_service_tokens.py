"""Who may ask as a service: order_project, with a short-lived token for this service."""

import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from rest_framework.test import APIClient

from conftest import client_of
from user_project.keys import PrivateKeySet, generate_key_set, public_key_set
from users.models import User
from users.tests.forgeries import signed, signed_with_the_public_key, unsigned

URLS = ["/api/v1/internal/users/", "/api/v1/internal/users/digest/"]
NOW = int(time.time())

pytestmark = [pytest.mark.django_db, pytest.mark.parametrize("url", URLS)]


def ask(url: str, token: str) -> tuple[int, str]:
    """The status and the detail of the answer to who carries this token."""
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    answer = client.get(url)
    return answer.status_code, answer.json().get("detail", "")


@pytest.fixture
def key(order_keys: PrivateKeySet, service_token: Callable[..., str]) -> Any:
    return order_keys["keys"][0]


@pytest.fixture
def claims(service_token: Callable[..., str]) -> dict[str, Any]:
    """What an honest token claims."""
    return jwt.decode(service_token(), options={"verify_signature": False})


def test_an_honest_token_is_accepted(url, service_token):
    assert ask(url, service_token()) == (200, "")


def test_clocks_may_differ_by_a_few_seconds(url, service_token):
    ahead = int(time.time()) + 3

    assert ask(url, service_token(iat=ahead, exp=ahead + 60)) == (200, "")


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"aud": "inventory"}, "Audience doesn't match; sign a fresh one for 'user'"),
        ({"aud": None}, 'missing the "aud" claim'),
        ({"iss": "product"}, "Invalid issuer"),
        ({"iss": None}, 'missing the "iss" claim'),
        ({"iat": NOW, "exp": NOW + 61}, "lives longer than 60 s"),
        ({"iat": NOW + 3600, "exp": NOW + 3660}, "not yet valid"),
        ({"iat": NOW - 70, "exp": NOW - 10}, "expired"),
        ({"iat": None}, 'missing the "iat" claim'),
        ({"exp": None}, 'missing the "exp" claim'),
        ({"exp": "soon"}, "must be an integer"),
    ],
)
def test_a_wrong_claim_is_refused_with_the_reason(url, service_token, changed, reason):
    status, detail = ask(url, service_token(**changed))

    assert status == 401
    assert detail.startswith("The service token is refused: ")
    assert reason in detail


@pytest.mark.parametrize("forge", [unsigned, signed_with_the_public_key])
def test_a_forgery_is_refused(url, claims, key, forge):
    status, detail = ask(url, forge(claims, key))

    assert status == 401
    assert "alg" in detail


def test_an_unknown_key_is_refused(url, claims, key):
    stranger = generate_key_set()["keys"][0]

    status, detail = ask(url, signed(claims, stranger))

    assert (status, f"no key '{stranger['kid']}' is known" in detail) == (401, True)
    assert ask(url, signed(claims, stranger, kid=key["kid"]))[0] == 401


def test_keys_rotate_without_a_refused_token(url, claims, key, settings):
    second = generate_key_set()
    settings.ORDER_PUBLIC_KEYS = {
        "keys": public_key_set(second)["keys"] + settings.ORDER_PUBLIC_KEYS["keys"]
    }

    assert ask(url, signed(claims, second["keys"][0]))[0] == 200
    assert ask(url, signed(claims, key))[0] == 200


def test_a_person_is_refused_whoever_they_are(url, ann: User, cleo: User, service_token):
    for person in (ann, cleo):
        answer = client_of(person).get(url)

        assert answer.status_code == 401
        assert "The service token is refused" in answer.json()["detail"]


def test_a_session_is_refused(url, admin_of_cleo):
    assert admin_of_cleo.get(url).status_code == 401


def test_nobody_is_told_how_to_come_in(url, anyone: APIClient):
    answer = anyone.get(url)

    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == 'Bearer realm="service"'


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "é.é.é", "e30.e30.e30"])
def test_what_is_no_token_is_refused(url, token, service_token):
    assert ask(url, token)[0] == 401


def test_a_service_is_no_person(url, order_service: APIClient):
    for path in ("/api/v1/users/me/", "/api/v1/users/"):
        assert order_service.get(path).status_code == 401
