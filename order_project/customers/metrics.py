"""How the copy keeps up with its owner, as Prometheus reads it."""

import logging
from collections.abc import Iterable, Iterator
from datetime import datetime

from django.db import Error as DatabaseError
from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from customers.drift import Kind
from customers.models import RejectedEvent
from customers.projection import Row

logger = logging.getLogger(__name__)

EVENTS_APPLIED = Counter(
    "freehold_copy_events_applied", "Events that brought a newer state into the copy."
)
EVENTS_STALE = Counter(
    "freehold_copy_events_stale", "Events that told what the copy had already, or newer."
)
EVENTS_REJECTED = Counter(
    "freehold_copy_events_rejected", "Events and messages that could not be applied."
)
LAG = Histogram(
    "freehold_copy_lag_seconds",
    "From the commit of a change at its owner to the commit of its event in the copy.",
    buckets=(
        *(0.005, 0.01, 0.015, 0.025, 0.04, 0.06, 0.1, 0.25, 0.5),
        *(1, 2.5, 5, 10, 30, 60, 120, 300, 900),
    ),
)
DRIFT_FOUND = Counter(
    "freehold_copy_drift_found", "Users in whom the copy was found to differ.", ["kind"]
)
DRIFT_REPAIRED = Counter(
    "freehold_copy_drift_repaired", "Users whose copy was made equal to the owner."
)
VERIFIED = Gauge(
    "freehold_copy_verified_timestamp_seconds",
    "When the copy was last compared with its owner to the end; nothing until it was.",
    ["scope"],
    multiprocess_mode="max",
)
for kind in Kind:
    DRIFT_FOUND.labels(kind)  # 0 from the start, so that the first is an increase


def count_lags(rows: Iterable[Row], *, committed_at: datetime) -> None:
    """Count the lag of what events brought; none where the owner's clock is ahead of ours."""
    for row in rows:
        if row.changed_at is not None:
            LAG.observe(max(0.0, (committed_at - row.changed_at).total_seconds()))


class CopyCollector(Collector):
    """Looks for what staff have to deal with; says nothing while the database is away."""

    def collect(self) -> Iterator[Metric]:
        try:
            unresolved = RejectedEvent.objects.unresolved().count()
        except DatabaseError as error:
            logger.warning("the rejected events cannot be counted: %s", error)
            return
        yield GaugeMetricFamily(
            "freehold_rejected_events_unresolved",
            "Events and messages that wait for staff to retry or dismiss them.",
            unresolved,
        )
