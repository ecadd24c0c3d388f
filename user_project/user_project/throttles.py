"""How often one address may ask."""

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
        self.scope = getattr(view, self.scope_attr, None)
        if not self.scope:
            return True
        self.rate = self.get_rate()
        self.num_requests, self.duration = self.parse_rate(self.rate)
        key = self.get_cache_key(request, view)
        if key is None or self.num_requests is None or self.cache.add(key, 1, self.duration):
            return True
        try:
            return bool(self.cache.incr(key) <= self.num_requests)
        except (ValueError, TypeError):  # the window just ended, or the cache is away
            return True

    def wait(self) -> float | None:
        return float(self.duration) if self.duration else None
