"""What is secret stays out of every log, also while everything goes wrong."""

import secrets
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import jwt
import psycopg
import pytest
import requests
from tests.estate.conftest import EMBEDDED
from tests.estate.estate import Estate
from tests.estate.leaks import secrets_in, secrets_of
from tests.estate.settings import SERVICES, generate_key_set
from tests.estate.story import STORY, Scene, ann_registers
from tests.estate.test_moving import log_in_to_admin
from tests.estate.test_outages import wait_until

PASSWORD = "kept-to-oneself/" + secrets.token_hex(8)
TOKEN = jwt.encode({"sub": "ann"}, "a secret of thirty-two characters", "HS256")
ADDRESS = "127.0.0.1:1"  # nothing listens there


class TestSearch:
    @pytest.mark.parametrize(
        ("line", "what"),
        [
            (f"INFO asked with Authorization: Bearer {TOKEN}", "a token"),
            (f"refused {TOKEN.rpartition('.')[0]}", "a token"),
            ("-----BEGIN RSA PRIVATE KEY-----", "a private key"),
            (f"set SIGNING_KEYS={generate_key_set()!r}", "a private key"),
            ("password='pbkdf2_sha256$1000000$salt$abcdefghijklmnopq='", "a password's hash"),
            ("cannot connect to amqp://guest:guest@127.0.0.1:5672//", "a URL's password"),
            ("cannot connect to redis://:hunter22@cache/1", "a URL's password"),
            ("body was {'email': 'ann@example.com', 'password': 'x'}", "a password"),
            (f"could not log in with {PASSWORD}.", "a person's password"),
        ],
    )
    def test_finds(self, tmp_path: Path, line: str, what: str):
        log = tmp_path / "order-web.log"
        log.write_text(f"all is well\n{line}\n")

        found = secrets_in([log], passwords=[PASSWORD])

        assert found == [f"order-web.log:2 shows {what}"]

    @pytest.mark.parametrize(
        "line",
        [
            '"GET /api/v1/users/" 200 in 7 ms',
            "transport: amqp://relay:**@broker:5672//",
            "GET http://127.0.0.1:8001/api/v1/users/?search=ann@example.com",
            '{"password": ["This password is too common."]}',
            "no key 'a1b2c3d4e5f60718' is known",
        ],
    )
    def test_lets_pass(self, tmp_path: Path, line: str):
        log = tmp_path / "order-web.log"
        log.write_text(line)

        assert secrets_in([log], passwords=[PASSWORD]) == []

    def test_knows_what_an_estate_was_told(self, tmp_path: Path):
        url = f"amqp://relay:{PASSWORD.replace('/', '%2F')}@{ADDRESS}"
        with Estate(tmp_path, replace(EMBEDDED, broker=url)) as estate:
            told = secrets_of(estate)
            (tmp_path / "log").write_text("\n".join(["well", *told]))

            found = secrets_in([tmp_path / "log"], estate)

        assert PASSWORD in told
        assert len(told) == len(found) == len(SERVICES) * 2 + 2 * 6 + 2
        assert all(secret not in line for secret in told for line in found)


def tells_of_it(log: Path) -> bool:
    return "Connection refused" in log.read_text()


@pytest.fixture
def estate(tmp_path: Path, lend: Callable[[str], str]) -> Iterator[Estate]:
    """An estate of our own, with passwords in the URLs of what is to break."""
    home = lend("postgresql").replace(
        "://postgres@", f"://postgres:{PASSWORD.replace('/', '%2F')}@"
    )
    databases = EMBEDDED.databases | {"user": home}
    with Estate(tmp_path / "estate", replace(EMBEDDED, databases=databases)) as estate:
        estate.start()
        yield estate


class TestLogs:
    def test_tell_no_secret_whatever_breaks(self, estate: Estate):
        scene = Scene(estate)
        for _, step in STORY:
            step(scene)
        passwords = [PASSWORD, self.fail_to_log_in(estate), *self.stray(scene)]
        self.lose_broker_and_cache(estate)
        self.lose_the_database(estate)

        logs = sorted(estate.logs.iterdir())

        assert len(logs) == len(estate.commands) + 1
        assert "does not exist" in estate.log("user-web").read_text()
        assert secrets_in(logs, estate, passwords=passwords) == []

    def fail_to_log_in(self, estate: Estate) -> str:
        """With a wrong password, at the API and at each admin; return that password."""
        wrong = secrets.token_urlsafe()
        body = {"email": estate.staff("user").login, "password": wrong}
        token = f"{estate.url('user')}/api/v1/token/"
        assert requests.post(token, json=body, timeout=10).status_code == 401
        assert requests.post(token, data=f"{body}", timeout=10).status_code == 415
        right = [estate.staff(service) for service in SERVICES]
        for service in SERVICES:
            assert "Log in" in log_in_to_admin(estate, service, password=wrong)
        assert all(staff.password != wrong for staff in right)
        return wrong

    def stray(self, scene: Scene) -> list[str]:
        """Secrets where they do not belong: in paths, in queries, in headers; return the words."""
        word = secrets.token_urlsafe()
        for service in SERVICES:
            api = f"{scene.estate.url(service)}/api/v1/"
            for token in (TOKEN, scene.tokens["ann"], scene.tokens["staff"][:-3], word):
                headers = {"Authorization": f"Bearer {token}"}
                requests.get(api, headers=headers, timeout=10)
                requests.get(f"{api}?token={token}&password={word}", timeout=10)
                requests.post(api, json={"password": word, "refresh": token}, timeout=10)
        return [word]

    def lose_broker_and_cache(self, estate: Estate) -> None:
        """Start what talks to them with the URLs of a server that is not there."""
        word = PASSWORD.replace("/", "%2F")
        there = estate.engines
        for broker in (f"amqp://relay:{word}@{ADDRESS}/shop", f"redis://:{word}@{ADDRESS}/0"):
            away = replace(there, broker=broker, cache=f"redis://:{word}@{ADDRESS}/1")
            own = [name for name in estate.commands if name.startswith(("user-", "order-"))]
            with estate.without(*own):
                estate.engines = away
            ann_registers(Scene(estate))  # so that the relay has something to tell
            for name in ("user-relay", "order-worker"):
                wait_until(partial(tells_of_it, estate.log(name)), f"{name} tells of it")
            for service in ("user", "order"):
                assert requests.get(f"{estate.url(service)}/health/ready", timeout=20).ok
            with estate.without(*own):
                estate.engines = there

    def lose_the_database(self, estate: Estate) -> None:
        """Drop users' database below the running processes."""
        url = estate.environment("user")["DATABASE_URL"]
        server, _, name = url.rpartition("/")
        with psycopg.connect(f"{server}/postgres", autocommit=True) as session:
            session.execute(f"DROP DATABASE {name} WITH (FORCE)")
            body = {"email": "ann@example.com", "password": PASSWORD}
            for _ in range(3):
                answer = requests.post(f"{estate.url('user')}/api/v1/token/", json=body, timeout=30)
                assert answer.status_code == 503
            session.execute(f"CREATE DATABASE {name}")
