"""What Prometheus reads: requests, and how the store of stock is."""

import os

from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from stock.metrics import StockCollector


@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """What this process counted, or all that share a PROMETHEUS_MULTIPROC_DIR, and the stock."""
    registry = CollectorRegistry()
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        MultiProcessCollector(registry)
    else:
        registry.register(REGISTRY)
    registry.register(StockCollector())
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
