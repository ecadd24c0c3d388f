"""What the environment must say before the service starts, as a deployment would see it."""

import json
import re
import secrets

import pytest
from django.core.management import call_command

from conftest import PROJECT, USER_KEYS, manage, public_part

FILLED_IN = {
    "SECRET_KEY": secrets.token_urlsafe(50),
    "USER_PUBLIC_KEYS": json.dumps(public_part(USER_KEYS)),
    "ALLOWED_HOSTS": "products.example.com",
}


def example() -> dict[str, str]:
    lines = (PROJECT / ".env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if re.match("[A-Z]", line))


class TestSettings:
    def test_refuse_an_empty_environment_and_name_what_is_missing(self):
        started = manage("check", env={})

        assert started.returncode != 0
        assert started.stderr == (
            "product_project cannot start: set SECRET_KEY, ALLOWED_HOSTS, USER_PUBLIC_KEYS in the "
            "environment (.env.example explains each), or DEBUG=1 to try the service out\n"
        )

    def test_are_fit_for_production_with_the_example_filled_in(self):
        env = example()
        assert {name for name, value in env.items() if not value} == set(FILLED_IN)

        checked = manage("check", "--deploy", "--fail-level", "WARNING", env=env | FILLED_IN)

        assert checked.returncode == 0, checked.stderr
        assert "no issues" in checked.stdout

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("nonsense", "malformed"),
            ('{"keys": [{"kty": "oct", "kid": "1", "k": "c2VjcmV0"}]}', "$.keys[0]"),
            (
                '{"keys": [{"kty": "RSA", "kid": "1", "n": "AQAB", "e": "!"}]}',
                "key '1' make no RSA",
            ),
        ],
    )
    def test_refuse_keys_that_are_none(self, text, reason):
        started = manage("check", env=example() | FILLED_IN | {"USER_PUBLIC_KEYS": text})

        assert started.returncode != 0
        assert "USER_PUBLIC_KEYS is not what user_project shows" in started.stderr
        assert reason in started.stderr
        assert "Traceback" not in started.stderr

    @pytest.mark.parametrize("name", ["PRODUCT_MAX_AGE_SECONDS", "DATABASE_POOL_SIZE"])
    def test_refuse_a_number_that_is_none(self, name):
        started = manage("check", env=example() | FILLED_IN | {name: "many"})

        assert started.returncode != 0
        assert f"{name} must look like" in started.stderr
        assert "Traceback" not in started.stderr


@pytest.mark.django_db
def test_migrations_say_all_that_models_say():
    call_command("makemigrations", "--check", "--dry-run")
