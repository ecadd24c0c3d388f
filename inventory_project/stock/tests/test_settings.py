"""What the environment must say before the service starts, as a deployment would see it."""

import json
import re
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

PROJECT = Path(__file__).parents[2]


@pytest.fixture
def filled_in(settings: Any) -> dict[str, str]:
    """What .env.example leaves to whoever deploys."""
    return {
        "SECRET_KEY": secrets.token_urlsafe(50),
        "USER_PUBLIC_KEYS": json.dumps(settings.USER_PUBLIC_KEYS),
        "ORDER_PUBLIC_KEYS": json.dumps(settings.ORDER_PUBLIC_KEYS),
        "ALLOWED_HOSTS": "inventory.example.com",
    }


@pytest.fixture
def production(filled_in: dict[str, str]) -> dict[str, str]:
    return example() | filled_in


def example() -> dict[str, str]:
    lines = (PROJECT / ".env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if re.match("[A-Z]", line))


def check(*arguments: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "manage.py", "check", *arguments]
    return subprocess.run(
        command, cwd=PROJECT, env=env, capture_output=True, text=True, check=False
    )  # our own command


class TestSettings:
    def test_refuse_an_empty_environment_and_name_what_is_missing(self) -> None:
        started = check(env={})

        assert started.returncode != 0
        assert started.stderr == (
            "inventory_project cannot start: set SECRET_KEY, ALLOWED_HOSTS, USER_PUBLIC_KEYS, "
            "ORDER_PUBLIC_KEYS in the environment (.env.example explains each), or DEBUG=1 to try "
            "the service out\n"
        )

    def test_are_fit_for_production_with_the_example_filled_in(
        self, production: dict[str, str], filled_in: dict[str, str]
    ) -> None:
        assert {name for name, value in example().items() if not value} == set(filled_in)

        started = check("--deploy", "--fail-level", "WARNING", env=production)

        assert started.returncode == 0, started.stderr
        assert "no issues" in started.stdout

    @pytest.mark.parametrize(
        ("name", "value", "reason"),
        [
            ("DATABASE_URL", "oracle://user:secret@127.0.0.1/name", "must start with sqlite://"),
            ("STOCK_URL", "memcached://127.0.0.1", "must start with redis://"),
            ("USER_PUBLIC_KEYS", "nonsense", "is not a public JSON Web Key Set"),
            (
                "ORDER_PUBLIC_KEYS",
                '{"keys": [{"kty": "oct", "kid": "1", "k": "c2V"}]}',
                "$.keys[0]",
            ),
        ],
    )
    def test_refuse_a_wrong_value_in_one_sentence(
        self, production: dict[str, str], name: str, value: str, reason: str
    ) -> None:
        started = check(env=production | {name: value})

        assert started.returncode != 0
        assert f"inventory_project cannot start: {name} " in started.stderr
        assert reason in started.stderr
        assert "Traceback" not in started.stderr
        assert "secret" not in started.stderr


@pytest.mark.django_db
class TestMigrations:
    def test_say_all_that_models_say(self) -> None:
        call_command("makemigrations", "--check", "--dry-run")
