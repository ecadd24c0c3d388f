import time
from datetime import UTC, datetime, timedelta

import jwt
import msgspec
import pytest
import requests
from django_guid import set_guid

from clients import http
from clients.http import Remote, Unavailable
from clients.tests.conftest import answer, hang_up, stay_silent
from contracts.inventory import StockLevel
from contracts.products import Money
from order_project.keys import generate_key_set, public_key_set
from order_project.tokens import key_named_by

EUR = b'{"amount": "19.90", "currency": "EUR"}'
URL = "http://127.0.0.1:8004/money/"


class MoneyUnavailable(Unavailable):
    service = "money_project"


@pytest.fixture
def remote():
    return Remote("inventory", MoneyUnavailable)


def ask(remote):
    return remote.ask("GET", "/money/", answers={200: Money})


class TestAsk:
    def test_returns_the_contract(self, remote, border):
        border.get(URL, EUR)

        assert ask(remote) == Money(amount="19.90", currency="EUR")

    def test_ignores_what_a_newer_service_adds(self, remote, border):
        border.get(URL, json={"amount": "1.00", "currency": "EUR", "since": "2031"})

        assert ask(remote) == Money(amount="1.00", currency="EUR")

    def test_returns_the_contract_that_belongs_to_the_status(self, remote, border):
        level = StockLevel(sku="TARP", on_hand=1, reserved=0, available=1)
        border.get(URL, msgspec.json.encode(level), status=409)

        found = remote.ask("GET", "/money/", answers={200: Money, 409: StockLevel})

        assert found == level

    @pytest.mark.parametrize(
        "wrong",
        [
            {"body": "<h1>It works!</h1>", "content_type": "text/html"},
            {"body": '{"amount": "19.90", "curr'},
            {"body": b"\xff\xfe"},
            {"body": ""},
            {"json": {"amount": 19.9, "currency": "EUR"}},
            {"json": {"amount": "19.90"}},
            {"json": [EUR.decode()]},
            {"body": EUR, "status": 500},
            {"body": EUR, "status": 404},
            {"body": EUR, "status": 429, "headers": {"Retry-After": "3600"}},
            {"body": requests.ConnectionError("refused")},
            {"body": requests.ReadTimeout("slow")},
            {"body": requests.exceptions.SSLError("not who it says it is")},
            {"body": requests.exceptions.ContentDecodingError("not gzip")},
        ],
        ids=lambda wrong: str(wrong)[:50],
    )
    def test_takes_anything_else_for_an_outage(self, remote, border, wrong):
        border.get(URL, **wrong)

        with pytest.raises(MoneyUnavailable) as refusal:
            ask(remote)

        assert refusal.value.status_code == 503
        assert refusal.value.wait > 0
        assert "money_project cannot answer just now; try again" in str(refusal.value)
        assert refusal.value.was_asked

    def test_follows_no_redirect(self, remote, border):
        border.get(URL, status=302, headers={"Location": "http://elsewhere.example/"})
        border.get("http://elsewhere.example/", EUR)

        with pytest.raises(MoneyUnavailable):
            ask(remote)

    def test_takes_an_address_that_is_none_for_an_outage(self, remote, settings):
        settings.INVENTORY_URL = "http://[half"

        with pytest.raises(MoneyUnavailable):
            ask(remote)

    def test_hands_on_the_request_id(self, remote, border):
        border.get(URL, EUR)
        set_guid("0123456789abcdef0123456789abcdef")

        ask(remote)

        assert border.calls[0].request.headers["X-Request-ID"] == "0123456789abcdef0123456789abcdef"

    def test_keeps_no_cookies(self, remote, border):
        border.get(URL, EUR, headers={"Set-Cookie": "session=1"})

        ask(remote)
        ask(remote)

        assert "Cookie" not in border.calls[1].request.headers


class TestToken:
    def bearer(self, border):
        return border.calls[-1].request.headers["Authorization"].removeprefix("Bearer ")

    def test_says_who_asks_whom_and_lasts_a_minute_at_most(self, remote, border, settings):
        border.get(URL, EUR)

        ask(remote)

        token = self.bearer(border)
        key = key_named_by(token, public_key_set(settings.SIGNING_KEYS))
        claims = jwt.decode(token, key, algorithms=["RS256"], audience="inventory", issuer="order")
        assert claims["exp"] - claims["iat"] <= 60
        assert claims["exp"] - time.time() > 15

    def test_is_signed_once_for_many_requests(self, remote, border):
        border.get(URL, EUR)
        http.sign_token.cache_clear()

        for _ in range(20):
            ask(remote)

        assert http.sign_token.cache_info().misses <= 2  # two, where a period ends meanwhile

    def test_follows_a_new_key_at_once(self, remote, border, settings):
        border.get(URL, EUR)
        ask(remote)

        settings.SIGNING_KEYS = generate_key_set()
        ask(remote)

        assert key_named_by(self.bearer(border), public_key_set(settings.SIGNING_KEYS))

    def test_is_not_shown_where_anyone_may_ask(self, border):
        border.get(URL, EUR)

        ask(Remote("inventory", MoneyUnavailable, is_public=True))

        assert "Authorization" not in border.calls[0].request.headers


class TestRetries:
    @pytest.fixture(autouse=True)
    def _there(self, settings, rough_server):
        settings.INVENTORY_URL = rough_server.url

    def test_ask_again_when_a_restarting_service_hangs_up(self, remote, rough_server):
        rough_server.script = [hang_up, answer(EUR)]

        assert ask(remote).amount == "19.90"

    def test_ask_again_when_a_restarting_service_says_so(self, remote, rough_server):
        rough_server.script = [answer(b"", 503), answer(EUR)]

        assert ask(remote).amount == "19.90"

    def test_end(self, remote, rough_server):
        rough_server.script = [answer(b"", 503)] * 9

        with pytest.raises(MoneyUnavailable):
            ask(remote)

        assert len(rough_server.heard) == 3

    def test_are_not_for_what_must_not_happen_twice(self, remote, rough_server):
        rough_server.script = [hang_up, answer(EUR)]

        with pytest.raises(MoneyUnavailable):
            remote.ask("POST", "/money/", answers={200: Money})

        assert len(rough_server.heard) == 1

    def test_do_not_wait_for_a_slow_service_longer_than_the_settings_say(
        self, remote, rough_server, settings
    ):
        settings.CLIENT_READ_SECONDS = 0.05
        rough_server.script = [stay_silent] * 9

        with pytest.raises(MoneyUnavailable):
            ask(remote)

        assert len(rough_server.heard) == 2

    def test_do_not_mistake_half_an_answer_for_one(self, remote, rough_server):
        rough_server.script = [answer(EUR, length=len(EUR) + 1)] * 9

        with pytest.raises(MoneyUnavailable):
            ask(remote)


class TestCircuitBreaker:
    def fail(self, remote, border, times):
        for _ in range(times):
            with pytest.raises(MoneyUnavailable):
                ask(remote)

    def test_spares_a_service_that_is_down(self, remote, border, settings):
        border.get(URL, status=500)

        self.fail(remote, border, settings.BREAKER_FAILURES + 20)

        assert len(border.calls) == settings.BREAKER_FAILURES
        with pytest.raises(MoneyUnavailable) as refusal:
            ask(remote)
        assert not refusal.value.was_asked

    def test_lets_one_question_through_after_a_while(self, remote, border, settings):
        border.get(URL, status=500)
        self.fail(remote, border, settings.BREAKER_FAILURES)
        remote.breaker.reset_timeout = 0
        border.replace("GET", URL, EUR)

        assert ask(remote).amount == "19.90"
        assert remote.breaker.current_state == "closed"

    def test_lets_one_through_when_the_clock_was_set_back(self, remote, border, settings):
        border.get(URL, status=500)
        self.fail(remote, border, settings.BREAKER_FAILURES)
        remote.breaker._state_storage.opened_at = datetime.now(UTC) + timedelta(hours=1)
        border.replace("GET", URL, EUR)

        assert ask(remote).amount == "19.90"
        assert remote.breaker.current_state == "closed"

    def test_stays_open_when_that_question_fails_too(self, remote, border, settings):
        border.get(URL, status=500)
        self.fail(remote, border, settings.BREAKER_FAILURES)
        remote.breaker.reset_timeout = 0

        self.fail(remote, border, 1)

        assert remote.breaker.current_state == "open"

    def test_counts_failures_in_a_row_alone(self, remote, border, settings):
        border.get(URL, status=500)
        self.fail(remote, border, settings.BREAKER_FAILURES - 1)
        border.replace("GET", URL, EUR)
        ask(remote)
        border.replace("GET", URL, status=500)

        self.fail(remote, border, settings.BREAKER_FAILURES - 1)

        assert remote.breaker.current_state == "closed"

    def test_tells_operators(self, remote, border, settings, caplog):
        border.get(URL, status=500)

        self.fail(remote, border, settings.BREAKER_FAILURES)

        assert "the circuit to money_project is open" in caplog.text
