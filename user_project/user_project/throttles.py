"""How often one address may ask."""

from typing import cast

from django.core.cache import cache
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

    def wait(self) -> float:
        return self.window
