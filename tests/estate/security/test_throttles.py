"""Of 64 who ask at once, exactly as many get through as may: real processes, a real Valkey."""

import secrets
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
import requests
from tests.estate.conftest import EMBEDDED
from tests.estate.estate import Estate

PARALLEL, WORKERS = 64, 4
LOGINS, REGISTRATIONS = 9, 7  # an hour, so that no window ends within the test


@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Estate]:
    """Users alone, in several processes that count together."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOGIN_RATE", f"{LOGINS}/hour")
        patch.setenv("REGISTRATION_RATE", f"{REGISTRATIONS}/hour")
        with Estate(tmp_path_factory.mktemp("estate"), EMBEDDED) as estate:
            estate.commands = {"user-web": f"{estate.commands['user-web']} --workers {WORKERS}"}
            estate.start()
            yield estate


@pytest.fixture
def forgotten(estate: Estate) -> None:
    """Nobody has asked yet."""
    clear = "from django.core.cache import cache; cache.clear()"
    estate.manage("user", "shell", "--verbosity", "0", "--command", clear)


def all_at_once(ask: Callable[[int], requests.Response]) -> Counter[int]:
    together = Barrier(PARALLEL)

    def wait_and_ask(number: int) -> int:
        together.wait()
        return ask(number).status_code

    with ThreadPoolExecutor(PARALLEL) as pool:
        return Counter(pool.map(wait_and_ask, range(PARALLEL)))


@pytest.mark.usefixtures("forgotten")
class TestOf64AtOnce:
    def test_so_many_log_in_as_may(self, estate: Estate):
        staff = estate.staff("user")
        body = {"email": staff.login, "password": staff.password}
        url = f"{estate.url('user')}/api/v1/token/"

        def log_in(number: int) -> requests.Response:
            return requests.post(url, json=body, timeout=60)

        told = all_at_once(log_in)

        assert told == {200: LOGINS, 429: PARALLEL - LOGINS}

    def test_so_many_guess_passwords_as_may_at_whatever_door(self, estate: Estate):
        user = estate.url("user")

        def guess(number: int) -> requests.Response:
            words = {"password": secrets.token_urlsafe(), "refresh": "none"}
            names = {"email": "ann@example.com", "username": "ann@example.com"}
            doors = ("api/v1/token/", "api/v1/token/refresh/", "admin/login/", "api/login/login/")
            url = f"{user}/{doors[number % len(doors)]}"
            return requests.post(url, json=names | words, timeout=60)

        told = all_at_once(guess)

        # A page refuses (403) the form of who never fetched it; that is an attempt too.
        assert told[429] == PARALLEL - LOGINS
        assert told[401] + told[403] == LOGINS

    def test_so_many_register_as_may(self, estate: Estate):
        def register(number: int) -> requests.Response:
            body = {"name": "Ann", "password": secrets.token_urlsafe()}
            address = {"email": f"ann.{number}@example.com"}
            return requests.post(
                f"{estate.url('user')}/api/v1/users/", json=body | address, timeout=60
            )

        told = all_at_once(register)

        assert told == {201: REGISTRATIONS, 429: PARALLEL - REGISTRATIONS}
