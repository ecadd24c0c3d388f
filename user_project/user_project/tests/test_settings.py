"""The environment: what must be there, what is refused, and what production is like."""

import json
import os
import re
import runpy
import subprocess
import sys
from collections.abc import Callable
from io import StringIO

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command

from conftest import PROJECT
from user_project.keys import generate_key_set, public_key_set

PROCESS = {"PORT", "WEB_CONCURRENCY", "PROMETHEUS_MULTIPROC_DIR"}  # not for settings.py

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def example() -> dict[str, str]:
    """What .env.example sets, and the variables it leaves to be filled in, as ''."""
    lines = (PROJECT / ".env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


PRODUCTION = example() | {
    "SECRET_KEY": "only-a-test-knows-this-one-but-it-is-long-enough-for-django-to-like",
    "SIGNING_KEYS": json.dumps(generate_key_set()),
    "ORDER_PUBLIC_KEYS": json.dumps(public_key_set(generate_key_set())),
    "ALLOWED_HOSTS": "people.example.com",
}


@pytest.fixture
def manage() -> Run:
    """Runs `manage.py` in a process of its own, whose environment is what it is given."""

    def run(*command: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "manage.py", *command],
            cwd=PROJECT,
            env={"PATH": os.environ["PATH"], **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


class TestAnEmptyEnvironment:
    def test_refuses_to_start_and_names_all_that_is_missing(self, manage: Run):
        done = manage("check")

        assert done.returncode == 1
        assert done.stdout == ""
        assert "Traceback" not in done.stderr
        assert done.stderr == (
            "user_project cannot start: set SECRET_KEY, ALLOWED_HOSTS, BROKER_URL, CACHE_URL, "
            "SIGNING_KEYS, ORDER_PUBLIC_KEYS in the environment (.env.example explains each), "
            "or DEBUG=1 to try the service out\n"
        )


class TestProduction:
    def test_as_the_example_has_it_passes_djangos_deployment_checks(self, manage: Run):
        done = manage("check", "--deploy", "--fail-level", "WARNING", **PRODUCTION)

        assert done.returncode == 0, done.stderr
        assert "no issues" in done.stdout

    def test_leaves_to_be_filled_in_what_has_no_safe_value(self):
        assert {name for name, value in example().items() if not value} == {
            "SECRET_KEY",
            "SIGNING_KEYS",
            "ORDER_PUBLIC_KEYS",
            "ALLOWED_HOSTS",
        }

    def test_reads_what_the_example_explains_and_nothing_else(self):
        source = (PROJECT / "user_project/settings.py").read_text()
        read = set(
            re.findall(r'(?:env\.\w+|key_set)\(\s*"([A-Z_]+)"|one_like\(".*?", "([A-Z_]+)"', source)
        )
        explained = re.findall(r"^(?:# )?([A-Z_]+)=", (PROJECT / ".env.example").read_text(), re.M)

        assert {one or other for one, other in read} - {"DEBUG"} == set(explained) - PROCESS

    def test_may_take_a_secret_from_a_file(self, manage: Run, tmp_path):
        file = tmp_path / "signing_keys"
        file.write_text(PRODUCTION["SIGNING_KEYS"])
        environment = {**PRODUCTION, "SIGNING_KEYS_FILE": str(file)}
        del environment["SIGNING_KEYS"]

        done = manage("generate_signing_keys", "--public", **environment)

        assert json.loads(done.stdout) == public_key_set(json.loads(PRODUCTION["SIGNING_KEYS"]))


@pytest.mark.parametrize(
    ("variable", "value", "reason"),
    [
        (
            "DATABASE_URL",
            "oracle://host/name",
            "must start with sqlite://, postgres:// or mysql://",
        ),
        ("SIGNING_KEYS", PRODUCTION["ORDER_PUBLIC_KEYS"], "missing required field `d`"),
        ("SIGNING_KEYS", "secret", "malformed"),
        ("SIGNING_KEYS", '{"keys": []}', "it has no keys"),
        ("ORDER_PUBLIC_KEYS", '{"keys": [{"kty": "EC"}]}', "Invalid enum value 'EC'"),
        ("LOGIN_RATE", "often", "must look like 20/min, not like 'often'"),
        ("NUM_PROXIES", "two", "must look like 0, not like 'two'"),
    ],
)
def test_a_wrong_value_stops_the_start_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, reason: str
):
    for name, text in (PRODUCTION | {variable: value}).items():
        monkeypatch.setenv(name, text)

    with pytest.raises(ImproperlyConfigured, match=variable) as refusal:
        runpy.run_path(str(PROJECT / "user_project/settings.py"))

    assert reason in str(refusal.value)
    assert "secret" not in str(refusal.value)


@pytest.mark.django_db
def test_the_migrations_say_what_the_models_say():
    call_command("makemigrations", "--check", "--dry-run", stdout=StringIO())
