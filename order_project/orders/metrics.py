"""How many orders wait for inventory_project, and for how long."""

import logging
from collections.abc import Iterator

from django.db import Error as DatabaseError
from django.db.models import Count, Min
from django.utils import timezone
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from orders.models import Order

logger = logging.getLogger(__name__)


class OrdersCollector(Collector):
    """Looks at the orders when it is asked; says nothing while the database is away."""

    def collect(self) -> Iterator[Metric]:
        try:
            waiting = Order.objects.pending().aggregate(number=Count("pk"), oldest=Min("placed_at"))
            owed = Order.objects.owing_release().count()
        except DatabaseError as error:
            logger.warning("the orders cannot be read: %s", error)
            return
        now = timezone.now()
        yield GaugeMetricFamily(
            "freehold_orders_pending",
            "Orders whose stock is yet to be reserved.",
            waiting["number"],
        )
        yield GaugeMetricFamily(
            "freehold_orders_oldest_pending_seconds",
            "How long ago the oldest of them was placed; 0 where there is none.",
            (now - (waiting["oldest"] or now)).total_seconds(),
        )
        yield GaugeMetricFamily(
            "freehold_orders_releases_owed",
            "Orders that have ended and may still hold stock at inventory_project.",
            owed,
        )
