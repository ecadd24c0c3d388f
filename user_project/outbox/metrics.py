"""How much waits in the outbox, and how much has left it."""

import logging
from collections.abc import Iterator

from django.db import Error as DatabaseError
from django.db.models import Count, Min
from django.utils import timezone
from prometheus_client import Counter
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from outbox.models import PendingEvent

logger = logging.getLogger(__name__)

EVENTS_PUBLISHED = Counter(
    "freehold_outbox_events_published", "Events that the relay has brought to the broker."
)
PUBLISH_FAILURES = Counter(
    "freehold_outbox_publish_failures", "Times that the broker took nothing of what it was given."
)


class OutboxCollector(Collector):
    """Looks into the outbox when it is asked; says nothing while the database is away."""

    def collect(self) -> Iterator[Metric]:
        try:
            outbox = PendingEvent.objects.aggregate(pending=Count("pk"), oldest=Min("created_at"))
        except DatabaseError as error:
            logger.warning("the outbox cannot be read: %s", error)
            return
        now = timezone.now()
        yield GaugeMetricFamily(
            "freehold_outbox_pending_events", "Rows that wait for the relay.", outbox["pending"]
        )
        yield GaugeMetricFamily(
            "freehold_outbox_oldest_pending_seconds",
            "For how long the oldest of them has waited; 0 where none does.",
            (now - (outbox["oldest"] or now)).total_seconds(),
        )
