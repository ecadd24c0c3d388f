import base64
import json
from datetime import timedelta

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.utils import timezone
from rest_framework.test import APIClient

from clients.http import sign_token
from conftest import USER_KEYS, make_token
from order_project.keys import generate_key_set, parse_key, public_key_set

URL = "/api/v1/orders/"

pytestmark = pytest.mark.django_db


def get(token):
    return APIClient().get(URL, headers={"Authorization": f"Bearer {token}"})


def part(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def claims_of(token):
    return jwt.decode(token, options={"verify_signature": False})


class TestToken:
    def test_of_user_project_is_accepted(self, ann):
        assert get(ann.token).status_code == 200

    def test_stays_good_while_keys_rotate(self, ann, settings):
        newer = generate_key_set()
        settings.USER_PUBLIC_KEYS = public_key_set({"keys": [*newer["keys"], *USER_KEYS["keys"]]})

        assert get(ann.token).status_code == 200
        assert get(make_token(ann.id, key_set=newer)).status_code == 200

    def test_is_refused_once_its_key_is_gone(self, ann, settings):
        settings.USER_PUBLIC_KEYS = public_key_set(generate_key_set())

        assert get(ann.token).status_code == 401


class TestAttack:
    def refused(self, token):
        response = get(token)
        assert response.status_code == 401
        assert "log in for a new one" in response.json()["detail"]
        assert "WWW-Authenticate" in response
        return True

    def test_by_an_expired_token(self, ann):
        past = int((timezone.now() - timedelta(seconds=6)).timestamp())

        assert self.refused(make_token(ann.id, exp=past))

    def test_by_a_token_that_never_expires(self, ann):
        claims = claims_of(ann.token)
        del claims["exp"]
        key = USER_KEYS["keys"][0]
        headers = {"kid": key["kid"]}

        assert self.refused(jwt.encode(claims, parse_key(**key).key, "RS256", headers=headers))

    @pytest.mark.parametrize("algorithm", ["none", "None", "NONE"])
    def test_by_a_token_without_a_signature(self, cleo, algorithm):
        header = {"alg": algorithm, "typ": "JWT", "kid": USER_KEYS["keys"][0]["kid"]}

        assert self.refused(f"{part(header)}.{part(claims_of(cleo.token))}.")

    def test_by_a_token_signed_with_the_public_key_as_hmac_secret(self, cleo):
        key = USER_KEYS["keys"][0]
        public = parse_key(**public_key_set(USER_KEYS)["keys"][0]).key
        pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        signed = f"{part({'alg': 'HS256', 'kid': key['kid']})}.{part(claims_of(cleo.token))}"
        hmac = jwt.get_algorithm_by_name("HS256")

        signature = hmac.sign(signed.encode(), pem)
        forged = f"{signed}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"

        assert self.refused(forged)

    def test_by_a_key_of_ones_own_under_the_name_of_a_known_one(self, cleo):
        own = generate_key_set()
        own["keys"][0]["kid"] = USER_KEYS["keys"][0]["kid"]

        assert self.refused(make_token(cleo.id, key_set=own, is_staff=True))

    def test_by_a_key_that_the_token_brings_along(self, cleo):
        own = generate_key_set()
        key = own["keys"][0]
        headers = {"kid": key["kid"], "jwk": public_key_set(own)["keys"][0]}

        assert self.refused(
            jwt.encode(claims_of(cleo.token), parse_key(**key).key, "RS256", headers=headers)
        )

    def test_by_a_changed_claim(self, ann):
        header, _, signature = ann.token.split(".")

        forged = part(claims_of(ann.token) | {"is_staff": True})

        assert self.refused(f"{header}.{forged}.{signature}")

    @pytest.mark.parametrize(
        "claims",
        [
            {"iss": "order"},
            {"iss": "order", "aud": "order"},
            {"token_type": None, "aud": "order"},
            {"token_type": "refresh"},
            {"sub": "not-a-uuid"},
            {"sub": None},
            {"sub": 7},
        ],
        ids=str,
    )
    def test_by_a_token_that_was_made_for_something_else(self, ann, claims):
        assert self.refused(make_token(ann.id, **claims))

    @pytest.mark.parametrize("audience", ["user", "inventory", "order"])
    def test_by_our_own_service_token(self, settings, audience):
        kid = settings.SIGNING_KEYS["keys"][0]["kid"]
        period = int(timezone.now().timestamp()) // 30

        assert self.refused(sign_token(audience, kid, period))

    def test_by_our_own_service_key_in_a_persons_place(self, ann, settings):
        assert self.refused(make_token(ann.id, key_set=settings.SIGNING_KEYS))

    @pytest.mark.parametrize("token", ["", "x", "a.b.c", "..", "\u00e9.x.y", "a" * 5000])
    def test_by_nonsense(self, token):
        assert self.refused(token)
