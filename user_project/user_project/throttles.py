"""How often one address may ask."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

from django.core.cache import cache
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from rest_framework.request import Request
from rest_framework.throttling import ScopedRateThrottle
from rest_framework.views import APIView


class ExactThrottle(ScopedRateThrottle):
    """DRF's throttle, but exact under parallel requests: it counts in the cache, atomically.

    A window begins with its first request. While the cache is away nobody is refused.
    """

    cache = cache

    def allow_request(self, request: Request, view: APIView) -> bool:
        self.scope = getattr(view, self.scope_attr)
        limit, self.window = cast(tuple[int, int], self.parse_rate(self.get_rate()))
        key = self.get_cache_key(request, view)
        self.cache.add(key, 0, self.window)
        try:
            return bool(self.cache.incr(key) <= limit)
        except (ValueError, TypeError):  # the window just ended, or the cache is away
            return True

    def get_cache_key(self, request: Request, view: APIView) -> str:
        """By the address alone: who has many accounts may not ask more often."""
        key = {"scope": self.scope, "ident": self.get_ident(request)}
        return str(self.cache_format % key)

    def wait(self) -> float:
        return self.window


# Where one may log in by a page; whoever has an account here may be asked for their password.
LOGIN_PAGES = ("/admin/login/", "/api/login/login/")


def login_pages(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware that counts who tries to log in by a page among those who do so by the API."""
    login: Any = SimpleNamespace(throttle_scope="login")

    def middleware(request: HttpRequest) -> HttpResponseBase:
        if request.method in ("POST", "PUT") and request.path in LOGIN_PAGES:
            throttle, asked = ExactThrottle(), cast(Request, request)
            if not throttle.allow_request(asked, login):
                wait = f"{throttle.wait():.0f}"
                page = f"Too many attempts to log in: try again in {wait} seconds."
                return HttpResponse(page, status=429, headers={"Retry-After": wait})
        return get_response(request)

    return middleware
