"""Logging in, refreshing, and what a token is worth after its person or key has changed."""

import uuid
from typing import Any

import jwt
import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher, make_password
from rest_framework.test import APIClient

from conftest import PASSWORD, client_of
from user_project.keys import PrivateKey, generate_key_set
from user_project.tokens import PersonToken
from users.models import User
from users.tests.forgeries import signed, signed_with_the_public_key, unsigned

LOGIN, REFRESH, ME = "/api/v1/token/", "/api/v1/token/refresh/", "/api/v1/users/me/"
JWKS = "/.well-known/jwks.json"

pytestmark = pytest.mark.django_db


@pytest.fixture
def tokens(ann: User, anyone: APIClient) -> dict[str, str]:
    """Ann's, of a login."""
    answer: dict[str, str] = anyone.post(LOGIN, {"email": ann.email, "password": PASSWORD}).json()
    return answer


def bearer(token: str) -> APIClient:
    client = client_of()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    return client


ITERATIONS = 300


class CountingHasher(PBKDF2PasswordHasher):
    """Django's own, which counts its rounds: they take all the time that a login takes."""

    iterations = ITERATIONS
    work = 0

    def encode(self, password: str, salt: str, iterations: int | None = None) -> Any:
        CountingHasher.work += iterations or self.iterations
        return super().encode(password, salt, iterations)


class ErasingHasher(CountingHasher):
    """Takes so long that meanwhile everybody is erased."""

    algorithm = "erasing"

    def verify(self, password: str, encoded: str) -> bool:
        User.objects.all().delete()
        return super().verify(password, encoded)


class TestLogin:
    def test_gives_a_token_that_says_who_and_whether_staff(self, cleo: User, anyone: APIClient):
        answer = anyone.post(LOGIN, {"email": "CLEO@example.com", "password": PASSWORD})

        claims = jwt.decode(answer.json()["access"], options={"verify_signature": False})
        assert claims["sub"] == str(cleo.pk)
        assert claims["is_staff"] is True
        assert claims["iss"] == "user"
        assert claims["exp"] - claims["iat"] == 15 * 60
        assert not {"email", "name", "phone"} & set(claims)
        cleo.refresh_from_db()
        assert cleo.last_login is not None

    @pytest.mark.django_db(transaction=True)
    def test_of_somebody_who_is_erased_meanwhile_is_refused_and_leaves_nothing(
        self, ann: User, anyone: APIClient, settings
    ):
        settings.PASSWORD_HASHERS = [f"{__name__}.ErasingHasher"]
        User.objects.update(password=ErasingHasher().encode(PASSWORD, "salt"))

        answer = anyone.post(LOGIN, {"email": ann.email, "password": PASSWORD})

        assert answer.status_code == 401
        assert "No account has this" in answer.json()["detail"]
        ann.refresh_from_db()
        assert ann.last_login is None

    def test_tells_nobody_whether_there_is_such_an_account(
        self, ann: User, anyone: APIClient, settings
    ):
        settings.PASSWORD_HASHERS = [f"{__name__}.CountingHasher"]
        for address in ("erased", "locked", "outdated", "seeded"):
            User.objects.create_user(f"{address}@example.com", PASSWORD, name=address)
        User.objects.get(name="erased").delete()
        User.objects.filter(name="locked").update(is_active=False)
        User.objects.filter(name="seeded").update(password=make_password(None))
        outdated = CountingHasher().encode(PASSWORD, "salt", iterations=ITERATIONS // 3)
        User.objects.filter(name="outdated").update(password=outdated)
        answers, work = [], []

        for address, password in (
            ("nobody", PASSWORD),
            ("erased", PASSWORD),
            ("locked", PASSWORD),
            ("locked", "wrong"),
            ("outdated", "wrong"),
            ("seeded", "wrong"),
        ):
            CountingHasher.work = 0
            body = {"email": f"{address}@example.com", "password": password}
            answers.append(anyone.post(LOGIN, body))
            work.append(CountingHasher.work)

        assert {answer.status_code for answer in answers} == {401}
        assert len({answer.content for answer in answers}) == 1
        assert "check both, or register" in answers[0].json()["detail"]
        told = [dict(answer.headers) | {"X-Request-ID": ""} for answer in answers]
        assert all(headers == told[0] for headers in told)
        assert work == [ITERATIONS] * len(work)

    def test_keeps_the_blanks_around_a_password(self, anyone: APIClient):
        password = f" {PASSWORD} "
        anyone.post(
            "/api/v1/users/", {"email": "d@example.com", "name": "Dee", "password": password}
        )

        right = anyone.post(LOGIN, {"email": "d@example.com", "password": password})
        wrong = anyone.post(LOGIN, {"email": "d@example.com", "password": PASSWORD})

        assert (right.status_code, wrong.status_code) == (200, 401)

    @pytest.mark.parametrize("email", ["a\x00b@example.com", "a" * 100_000])
    def test_refuses_what_is_no_address(self, anyone: APIClient, email: str):
        answer = anyone.post(LOGIN, {"email": email, "password": PASSWORD})

        assert answer.status_code in (400, 401)


class TestRefresh:
    def test_gives_a_new_access_token(self, tokens: dict[str, str], anyone: APIClient):
        answer = anyone.post(REFRESH, {"refresh": tokens["refresh"]})

        assert answer.status_code == 200
        assert bearer(answer.json()["access"]).get(ME).json()["name"] == "Ann"

    def test_says_what_rights_are_left(self, cleo: User, anyone: APIClient):
        refresh = anyone.post(LOGIN, {"email": cleo.email, "password": PASSWORD}).json()["refresh"]
        User.objects.filter(pk=cleo.pk).update(is_staff=False)

        access = anyone.post(REFRESH, {"refresh": refresh}).json()["access"]

        assert jwt.decode(access, options={"verify_signature": False})["is_staff"] is False

    def test_ends_with_the_password_that_it_was_given_for(
        self, ann: User, tokens: dict[str, str], anyone: APIClient
    ):
        ann.set_password("another horse battery")
        ann.save()

        answer = anyone.post(REFRESH, {"refresh": tokens["refresh"]})

        assert answer.status_code == 401
        assert "log in with the new one" in answer.json()["detail"]

    def test_refuses_an_access_token(self, tokens: dict[str, str], anyone: APIClient):
        assert anyone.post(REFRESH, {"refresh": tokens["access"]}).status_code == 401

    def test_is_no_access_token(self, tokens: dict[str, str]):
        assert bearer(tokens["refresh"]).get(ME).status_code == 401


class TestAfterErasure:
    def test_the_tokens_that_still_live_are_worth_nothing(
        self, ann: User, tokens: dict[str, str], anyone: APIClient
    ):
        ann.delete()

        for answer, told in (
            (bearer(tokens["access"]).get(ME), "log in for a new one"),
            (bearer(tokens["access"]).delete(ME), "log in for a new one"),
            (anyone.post(REFRESH, {"refresh": tokens["refresh"]}), "register anew"),
        ):
            assert answer.status_code == 401
            assert told in answer.json()["detail"]


class TestKeys:
    def test_are_published_without_their_private_members(self, anyone: APIClient):
        answer = anyone.get(JWKS)

        (key,) = answer.json()["keys"]
        assert set(key) == {"kty", "n", "e", "kid", "use", "alg"}
        assert "max-age" in answer["Cache-Control"]

    def test_check_a_token_by_pyjwt_alone(self, ann: User, anyone: APIClient):
        token = str(PersonToken.for_user(ann))

        published = jwt.PyJWKSet.from_dict(anyone.get(JWKS).json())
        key = published[jwt.get_unverified_header(token)["kid"]]
        claims = jwt.decode(token, key, algorithms=["RS256"], issuer="user")

        assert claims["sub"] == str(ann.pk)

    def test_rotate_without_a_refused_token(self, ann: User, anyone: APIClient, settings):
        old = PersonToken.for_user(ann)
        old_token = str(old)
        second = generate_key_set()
        settings.SIGNING_KEYS = {"keys": second["keys"] + settings.SIGNING_KEYS["keys"]}

        new_token = str(PersonToken.for_user(ann))

        assert jwt.get_unverified_header(new_token)["kid"] == second["keys"][0]["kid"]
        assert bearer(old_token).get(ME).status_code == 200
        assert bearer(new_token).get(ME).status_code == 200
        settings.SIGNING_KEYS = second
        assert bearer(old_token).get(ME).status_code == 401
        assert bearer(new_token).get(ME).status_code == 200


class TestForgeries:
    @pytest.fixture
    def claims(self, ann: User) -> dict[str, Any]:
        return dict(PersonToken.for_user(ann).payload) | {"iss": "user"}

    @pytest.fixture
    def key(self, settings) -> PrivateKey:
        key: PrivateKey = settings.SIGNING_KEYS["keys"][0]
        return key

    def test_honest_claims_are_accepted(self, claims: dict[str, Any], key: PrivateKey):
        assert bearer(signed(claims, key)).get(ME).status_code == 200

    @pytest.mark.parametrize("forge", [unsigned, signed_with_the_public_key])
    def test_without_the_private_key_are_refused(self, claims, key, forge):
        answer = bearer(forge(claims, key)).get(ME)

        assert answer.status_code == 401
        assert "log in for a new one" in answer.json()["detail"]
        assert "WWW-Authenticate" in answer

    def test_by_another_key_are_refused(self, claims, key):
        stranger = generate_key_set()["keys"][0]

        for token in (signed(claims, stranger), signed(claims, stranger, kid=key["kid"])):
            assert bearer(token).get(ME).status_code == 401

    @pytest.mark.parametrize(
        "claim", [{"exp": 1}, {"exp": None}, {"iss": "order"}, {"token_type": "refresh"}]
    )
    def test_with_a_wrong_claim_are_refused(self, claims, key, claim):
        said = {name: value for name, value in (claims | claim).items() if value is not None}

        answer = bearer(signed(said, key)).get(ME)

        assert answer.status_code == 401
        assert "log in for a new one" in answer.json()["detail"]

    def test_of_somebody_unknown_are_refused(self, claims, key):
        said = claims | {"sub": str(uuid.uuid4())}

        assert bearer(signed(said, key)).get(ME).status_code == 401

    @pytest.mark.parametrize("token", ["", "x", "a.b.c", "é.é.é", "a" * 10_000, "e30.e30.e30"])
    def test_that_are_no_tokens_are_refused(self, token: str):
        assert bearer(token).get(ME).status_code == 401
