"""What Prometheus reads."""

import os

from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from outbox.metrics import OutboxCollector


@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """The metrics of this process, or of all that share a PROMETHEUS_MULTIPROC_DIR."""
    scraped = CollectorRegistry()
    scraped.register(OutboxCollector())
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        MultiProcessCollector(scraped)
    else:
        scraped.register(REGISTRY)
    return HttpResponse(generate_latest(scraped), content_type=CONTENT_TYPE_LATEST)
