"""`manage.py seed` and `generate_signing_keys`."""

import json
from io import StringIO
from typing import Any

import jwt
import pytest
from django.core.management import CommandError, call_command

from conftest import client_of, emitted
from user_project.keys import PrivateKeySet, parse_key_set, public_key_set
from users.models import User


def output_of(*command: str) -> str:
    out = StringIO()
    call_command(*command, stdout=out)
    return out.getvalue()


@pytest.mark.django_db
class TestSeed:
    def test_makes_the_shops_people_and_emits(self):
        said = output_of("seed")

        assert said == "15 people are there, 3 of them staff\n"
        assert User.objects.filter(is_staff=True).count() == 3
        assert User.objects.get(is_superuser=True).name == "Greta Lindqvist"
        assert len(emitted()) == 15

    def test_twice_changes_nothing(self):
        output_of("seed")
        emitted()
        before = list(User.objects.order_by("pk").values())

        output_of("seed")

        assert list(User.objects.order_by("pk").values()) == before
        assert emitted() == []

    def test_leaves_nobody_a_password(self):
        output_of("seed")

        assert not any(user.has_usable_password() for user in User.objects.all())

    @pytest.mark.parametrize("given", ["by option", "by environment"])
    def test_gives_all_of_them_the_password_it_is_given(
        self, given: str, monkeypatch: pytest.MonkeyPatch
    ):
        output_of("seed")
        emitted()
        if given == "by environment":
            monkeypatch.setenv("SEED_PASSWORD", "tents and stoves")
            output_of("seed")
        else:
            output_of("seed", "--password", "tents and stoves")

        login = {"email": "tomas.okafor@fieldware.example", "password": "tents and stoves"}
        assert client_of().post("/api/v1/token/", login).status_code == 200
        assert emitted() == []

    def test_lets_customer_care_look_after_accounts(self, client: Any):
        output_of("seed")
        client.force_login(User.objects.get(name="Tomas Okafor"))

        assert client.get("/admin/users/user/").status_code == 200
        assert client.get("/admin/outbox/pendingevent/").status_code == 200


class TestGenerateSigningKeys:
    def test_prints_what_signs(self):
        key_set = parse_key_set(output_of("generate_signing_keys"), PrivateKeySet)

        (key,) = key_set["keys"]
        token = jwt.encode({"sub": "ann"}, jwt.PyJWK(dict(key)).key, "RS256")
        public = jwt.PyJWK(dict(public_key_set(key_set)["keys"][0]))
        assert jwt.decode(token, public, algorithms=["RS256"]) == {"sub": "ann"}

    def test_prints_another_key_each_time(self):
        assert output_of("generate_signing_keys") != output_of("generate_signing_keys")

    def test_prints_the_public_part_of_the_one_in_use(self, settings: Any):
        settings.SIGNING_KEYS_ARE_MADE_UP = False

        (key,) = json.loads(output_of("generate_signing_keys", "--public"))["keys"]

        assert set(key) == {"kty", "n", "e", "kid", "use", "alg"}
        assert key["kid"] == settings.SIGNING_KEYS["keys"][0]["kid"]

    def test_does_not_print_the_public_part_of_what_no_other_process_has(self):
        with pytest.raises(CommandError, match="set SIGNING_KEYS"):
            output_of("generate_signing_keys", "--public")
