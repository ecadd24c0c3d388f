"""Whether this process lives, and whether it can serve."""

import logging
from collections.abc import Callable

from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache

from order_project.celery import app

logger = logging.getLogger(__name__)


def database() -> None:
    Session.objects.filter(session_key="-").exists()


def broker() -> None:
    with app.connection_for_write() as connection:
        connection.ensure_connection(max_retries=0)
        connection.channel()


def cache_server() -> None:
    cache.set("health", "ok", timeout=5)
    if cache.get("health") is None:
        raise ConnectionError("what was written could not be read")


# What no request can do without, and what requests survive the loss of.
VITAL: dict[str, Callable[[], None]] = {"database": database}
SURVIVABLE: dict[str, Callable[[], None]] = {"broker": broker, "cache": cache_server}


@never_cache
def live(request: HttpRequest) -> JsonResponse:
    """200 while the process answers at all."""
    return JsonResponse({"status": "ok"})


@never_cache
def ready(request: HttpRequest) -> JsonResponse:
    """200 while requests can be served, 503 otherwise, and the state of each part by its name."""
    parts = {}
    for name, probe in (VITAL | SURVIVABLE).items():
        try:
            probe()
            parts[name] = "ok"
        except Exception as error:  # each driver fails in its own words: all mean "away"
            logger.warning("%s is away: %s", name, error)
            parts[name] = "away"
    if any(parts[name] == "away" for name in VITAL):
        return JsonResponse({"status": "unavailable"} | parts, status=503)
    status = "degraded" if "away" in parts.values() else "ok"
    return JsonResponse({"status": status} | parts)
