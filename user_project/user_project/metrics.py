"""What Prometheus reads: from the web process, and from a port of the relay's own."""

import os

from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from outbox.metrics import OutboxCollector


def counted() -> CollectorRegistry:
    """What this process counted, or all that share a PROMETHEUS_MULTIPROC_DIR."""
    registry = CollectorRegistry()
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        MultiProcessCollector(registry)
    else:
        registry.register(REGISTRY)
    return registry


@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """What was counted, and what the outbox holds now."""
    scraped = counted()
    scraped.register(OutboxCollector())
    return HttpResponse(generate_latest(scraped), content_type=CONTENT_TYPE_LATEST)
