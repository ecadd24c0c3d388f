"""Asking another service: bounded in time, retried with care, answered in contracts or refused."""

import logging
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from http.cookiejar import DefaultCookiePolicy
from typing import Any, ClassVar, TypeVar
from urllib.parse import urlencode

import jwt
import msgspec
import pybreaker
import requests
from django.conf import settings
from django_guid import get_guid
from requests.adapters import HTTPAdapter
from rest_framework import status
from rest_framework.exceptions import APIException
from urllib3.util import Retry

from clients.metrics import BREAKER_STATE, QUESTIONS_IN_VAIN
from order_project.keys import parse_key

logger = logging.getLogger(__name__)

Contract = TypeVar("Contract")

TOKEN_PERIOD_SECONDS = 30  # a token serves for half of the minute it lives at most
CLOCK_SKEW_SECONDS = 10  # how far the other service's clock may be behind ours
BREAKER_STATES = (pybreaker.STATE_CLOSED, pybreaker.STATE_HALF_OPEN, pybreaker.STATE_OPEN)


class Unavailable(APIException):
    """The other service gave no answer that makes sense: whether it did what we asked is unknown.

    `was_asked` is false where its circuit breaker spared it the question.
    """

    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_code = "unavailable"
    service: ClassVar[str]
    wait = 5  # seconds; DRF turns it into Retry-After

    def __init__(self, *, was_asked: bool = True) -> None:
        super().__init__(
            f"{self.service} cannot answer just now; try again in {self.wait} seconds."
        )
        self.was_asked = was_asked


class UnexpectedAnswer(requests.RequestException):
    """An answer whose status is none of those that were asked for."""


class BreakerLog(pybreaker.CircuitBreakerListener):
    """Tells operators when a service is given up, and when it is back."""

    def state_change(self, cb: Any, old_state: Any, new_state: Any) -> None:
        if old_state.name != new_state.name:
            logger.warning("the circuit to %s is %s", cb.name, new_state.name)


class BreakerMemory(pybreaker.CircuitMemoryStorage):
    """Forgets that the circuit was opened in what is now the future: the clock was set back."""

    @property
    def opened_at(self) -> datetime | None:
        opened_at: datetime | None = self._opened_at
        return opened_at if opened_at and opened_at <= datetime.now(UTC) else None

    @opened_at.setter
    def opened_at(self, moment: datetime) -> None:
        self._opened_at = moment


@lru_cache(maxsize=8)
def sign_token(audience: str, key_id: str, period: int) -> str:
    """A service token (RFC 7519) for `audience` that outlasts the given period of 30 seconds."""
    key = next(key for key in settings.SIGNING_KEYS["keys"] if key["kid"] == key_id)
    issued_at = period * TOKEN_PERIOD_SECONDS - CLOCK_SKEW_SECONDS
    claims = {"iss": "order", "aud": audience, "iat": issued_at, "exp": issued_at + 60}
    return jwt.encode(claims, parse_key(**key).key, "RS256", headers={"kid": key_id})


def open_session() -> requests.Session:
    """Connections for the whole process, kept alive; calls that are safe to repeat are repeated."""
    session = requests.Session()
    session.trust_env = False  # no proxy and no .netrc stands between our own services
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))  # one remote's, told to all
    retry = Retry(
        total=settings.CLIENT_RETRIES,
        read=min(1, settings.CLIENT_RETRIES),  # a slow service is not helped by being asked again
        allowed_methods={"GET", "PUT", "DELETE"},
        status_forcelist={502, 503, 504},  # a service that is being restarted
        respect_retry_after_header=False,  # it may ask for longer than anyone here would wait
        raise_on_status=False,
        backoff_factor=0.1,
        backoff_jitter=0.1,
    )
    session.mount("http://", HTTPAdapter(max_retries=retry))
    session.mount("https://", HTTPAdapter(max_retries=retry))
    return session


session = open_session()


class Remote:
    """Another service: where it is, who we are to it, and whether it is worth asking just now."""

    def __init__(
        self, name: str, unavailable: type[Unavailable], *, is_public: bool = False
    ) -> None:
        """`is_public`: asked without a token, as anyone may."""
        self.name = name
        self.unavailable = unavailable
        self.is_public = is_public
        self.breaker = pybreaker.CircuitBreaker(
            name=unavailable.service,
            fail_max=settings.BREAKER_FAILURES,
            reset_timeout=settings.BREAKER_RESET_SECONDS,
            throw_new_error_on_trip=False,
            state_storage=BreakerMemory(pybreaker.STATE_CLOSED),
            listeners=[BreakerLog()],
        )
        self.in_vain = QUESTIONS_IN_VAIN.labels(self.breaker.name)
        self._tell_state()

    def ask(
        self,
        method: str,
        path: str,
        *,
        answers: Mapping[int, type[Contract]],
        query: Mapping[str, str] | None = None,
        body: object = None,
        read_seconds: float | None = None,
    ) -> Contract:
        """Return the answer as the contract that `answers` names for its HTTP status.

        `read_seconds` is for an answer that takes longer to compute than CLIENT_READ_SECONDS.

        Raises this remote's Unavailable for all else: any other status, a body that is not that
        contract, silence, or an open circuit. Retries are over by then.
        """
        try:
            with self.breaker.calling():  # unlike call(), it holds no lock while we wait
                return self._send(method, path, answers, query or {}, body, read_seconds)
        except pybreaker.CircuitBreakerError as error:
            self.in_vain.inc()
            raise self.unavailable(was_asked=False) from error
        except (requests.RequestException, msgspec.DecodeError) as error:
            self.in_vain.inc()
            logger.warning("%s %s%s failed: %s", method, self.unavailable.service, path, error)
            raise self.unavailable from error
        finally:
            self._tell_state()

    def _tell_state(self) -> None:
        state = BREAKER_STATES.index(self.breaker.current_state)
        BREAKER_STATE.labels(self.breaker.name).set(state)

    def _send(
        self,
        method: str,
        path: str,
        answers: Mapping[int, type[Contract]],
        query: Mapping[str, str],
        body: object,
        read_seconds: float | None,
    ) -> Contract:
        url = getattr(settings, f"{self.name.upper()}_URL") + path
        response = session.request(
            method,
            f"{url}?{urlencode(query, safe=',')}" if query else url,
            data=None if body is None else msgspec.json.encode(body),
            headers=self._headers(),
            timeout=(
                settings.CLIENT_CONNECT_SECONDS,
                read_seconds or settings.CLIENT_READ_SECONDS,
            ),
            allow_redirects=False,
        )
        if response.status_code not in answers:
            raise UnexpectedAnswer(f"HTTP {response.status_code}: {response.text[:200]!r}")
        return msgspec.json.decode(response.content, type=answers[response.status_code])

    def _headers(self) -> dict[str, str]:
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if request_id := get_guid():
            headers["X-Request-ID"] = request_id
        if not self.is_public:
            key_id = settings.SIGNING_KEYS["keys"][0]["kid"]
            token = sign_token(self.name, key_id, int(time.time()) // TOKEN_PERIOD_SECONDS)
            headers["Authorization"] = f"Bearer {token}"
        return headers
