"""Whether this process lives, and whether it can serve."""

import logging
from collections.abc import Callable

from django.conf import settings
from django.contrib.sessions.models import Session
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache

from stock.stores import stock_store

logger = logging.getLogger(__name__)


def database() -> None:
    Session.objects.filter(session_key="-").exists()


def stock() -> None:
    stock_store().levels(skus=[])


def vital() -> dict[str, Callable[[], None]]:
    """What no request can do without."""
    return {"database": database} | ({"stock": stock} if settings.STOCK_URL else {})


@never_cache
def live(request: HttpRequest) -> JsonResponse:
    """200 while the process answers at all."""
    return JsonResponse({"status": "ok"})


@never_cache
def ready(request: HttpRequest) -> JsonResponse:
    """200 while requests can be served, 503 otherwise, and the state of each part by its name."""
    parts = {}
    for name, probe in vital().items():
        try:
            probe()
            parts[name] = "ok"
        except Exception as error:  # each driver fails in its own words: all mean "away"
            logger.warning("%s is away: %s", name, error)
            parts[name] = "away"
    if "away" in parts.values():
        return JsonResponse({"status": "unavailable"} | parts, status=503)
    return JsonResponse({"status": "ok"} | parts)
