"""What Prometheus reads: from the web process, and from a port of the worker's own."""

import os
from typing import Any

from celery.signals import worker_process_shutdown, worker_ready
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    generate_latest,
    start_http_server,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from customers.metrics import CopyCollector
from orders.metrics import OrdersCollector

# Which look into the database when asked.
COLLECTORS: list[Collector] = [CopyCollector(), OrdersCollector()]


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
    """What was counted, and what the database says now."""
    scraped = counted()
    for collector in COLLECTORS:
        scraped.register(collector)
    return HttpResponse(generate_latest(scraped), content_type=CONTENT_TYPE_LATEST)


@worker_ready.connect
def serve_metrics(**kwargs: Any) -> None:
    """The worker's main process tells what its pool counted, where METRICS_PORT is set.

    Once the pool is there: its first children are not forked beside a running thread.
    """
    if settings.METRICS_PORT:
        start_http_server(settings.METRICS_PORT, addr=settings.METRICS_HOST, registry=counted())


@worker_process_shutdown.connect
def forget_gauges(pid: int, **kwargs: Any) -> None:
    """What a pool child that ended had counted stays; what it was doing does not."""
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        mark_process_dead(pid)
