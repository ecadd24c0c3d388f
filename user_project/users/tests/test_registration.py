"""POST users/: who may have an account, and what is refused."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection
from rest_framework.test import APIClient

from conftest import PASSWORD, client_of
from outbox.models import PendingEvent
from users.models import User

URL = "/api/v1/users/"
DEE = {"email": "dee@example.com", "name": "Dee", "password": PASSWORD}

pytestmark = pytest.mark.django_db


class TestRegistration:
    def test_makes_an_account_and_emits(self, anyone: APIClient):
        answer = anyone.post(URL, DEE | {"phone": "+49 30 1234"})

        dee = User.objects.get()
        assert answer.status_code == 201
        assert answer.json() == {
            "id": str(dee.pk),
            "email": "dee@example.com",
            "name": "Dee",
            "phone": "+49 30 1234",
            "is_staff": False,
            "version": 1,
            "created_at": dee.created_at.isoformat().replace("+00:00", "Z"),
        }
        assert dee.check_password(PASSWORD)
        assert PendingEvent.objects.get().user_id == dee.pk

    def test_keeps_the_address_in_lower_case(self, anyone: APIClient):
        answer = anyone.post(URL, DEE | {"email": " Dee@Example.COM "})

        assert answer.json()["email"] == "dee@example.com"

    @pytest.mark.parametrize("email", ["ann@example.com", "ANN@Example.com"])
    def test_refuses_an_address_that_has_an_account(self, anyone: APIClient, ann: User, email: str):
        answer = anyone.post(URL, DEE | {"email": email})

        assert answer.status_code == 400
        assert answer.json() == {
            "email": ["This e-mail address has an account: log in, or use another."]
        }

    def test_tells_addresses_apart_that_differ_in_an_accent(self, anyone: APIClient):
        assert anyone.post(URL, DEE | {"email": "dee@exämple.com"}).status_code == 201
        assert anyone.post(URL, DEE | {"email": "dee@example.com"}).status_code == 201

    def test_accepts_names_of_any_script(self, anyone: APIClient):
        name = "Zoë Ørsted-阿部 👩🏽‍🌾"

        answer = anyone.post(URL, DEE | {"name": name})

        assert answer.status_code == 201
        assert User.objects.get().name == name

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("email", ""),
            ("email", None),
            ("email", "dee"),
            ("email", "dée@example.com"),
            ("email", "d" * 300 + "@example.com"),
            (
                "email",
                f"dee@{'İ' * 60}.{'İ' * 60}.{'İ' * 60}.{'İ' * 60}.com",
            ),  # grows in lower case
            ("email", {"a": 1}),
            ("name", ""),
            ("name", "   "),
            ("name", "n" * 151),
            ("name", "a\x00b"),
            ("name", ["Dee"]),
            ("phone", "1" * 33),
            ("phone", None),
            ("password", ""),
            ("password", "short1!"),
            ("password", "password1234"),
            ("password", "8305718442"),
            ("password", "p" * 129),
        ],
    )
    def test_refuses_what_is_no_account(self, anyone: APIClient, field: str, value: Any):
        body = json.dumps(DEE | {field: value})

        answer = anyone.post(URL, body, content_type="application/json")

        assert answer.status_code == 400
        assert list(answer.json()) == [field]
        assert not User.objects.exists()

    @pytest.mark.parametrize("password", ["Deirdre-Mahoney", "deirdre.mahoney@example.com"])
    def test_refuses_a_password_like_the_person(self, anyone: APIClient, password: str):
        dee = {"email": "deirdre.mahoney@example.com", "name": "Deirdre Mahoney"}

        answer = anyone.post(URL, dee | {"password": password})

        assert answer.status_code == 400
        assert "too similar" in answer.json()["password"][0]

    def test_names_every_missing_field(self, anyone: APIClient):
        assert set(anyone.post(URL, {}).json()) == {"email", "name", "password"}

    def test_gives_nobody_rights(self, anyone: APIClient):
        anyone.post(URL, DEE | {"is_staff": True, "is_superuser": True, "version": 7, "id": "x"})

        dee = User.objects.get()
        assert (dee.is_staff, dee.is_superuser, dee.version) == (False, False, 1)

    def test_is_open_to_who_still_carries_a_token(self, ann: User, as_ann: APIClient):
        ann.delete()

        assert as_ann.post(URL, DEE).status_code == 201


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_for_one_address_one_wins():
    def register(number: int) -> int:
        try:
            return client_of().post(URL, DEE | {"name": f"Dee {number}"}).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(pool.map(register, range(8)))

    assert statuses == [201] + [400] * 7
    assert PendingEvent.objects.count() == User.objects.count() == 1


class TestTheBody:
    @pytest.mark.parametrize(
        "body",
        [
            b"{",
            b"[" * 100_000,
            b"\xff",
            b'{"name": NaN}',
            b"[]",
            b"7",
            b"null",
            b'{"name": "\\ud800"}',
        ],
    )
    @pytest.mark.parametrize("accept", ["application/json", "text/html"])
    def test_that_is_no_object_is_refused(self, anyone: APIClient, body: bytes, accept: str):
        answer = anyone.post(URL, body, content_type="application/json", HTTP_ACCEPT=accept)

        assert answer.status_code == 400
        assert answer["Content-Type"].startswith(accept)

    @pytest.mark.parametrize(
        "content_type", ["application/json", "multipart/form-data; boundary=x"]
    )
    def test_that_is_ten_megabytes_is_refused_unread(self, anyone: APIClient, content_type: str):
        answer = anyone.post(URL, b" " * 10_000_000, content_type=content_type)

        assert answer.status_code == 413
        assert answer.json() == {
            "detail": "The body may have at most 262144 bytes; send less at a time."
        }

    def test_of_another_type_is_refused(self, anyone: APIClient):
        assert anyone.post(URL, b"<dee/>", content_type="text/xml").status_code == 415

    def test_may_be_a_form_as_the_browsable_api_sends_it(self, anyone: APIClient):
        assert anyone.post(URL, DEE, format="multipart").status_code == 201
