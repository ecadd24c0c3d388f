"""Whether what Redis moved reaches the ledger, and whether there is room for more."""

import logging
from collections.abc import Iterator

from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from stock.stores import stock_store
from stock.stores.protocol import StockUnavailable
from stock.stores.redis import RedisStore

logger = logging.getLogger(__name__)


class StockCollector(Collector):
    """Looks at the Redis that keeps the stock, where one does; says nothing while it is away."""

    def collect(self) -> Iterator[Metric]:
        number, oldest, full = 0, 0.0, 0.0
        store = stock_store()
        if isinstance(store, RedisStore):
            try:
                number, oldest = store.waiting()
                full = store.fill_level()
            except StockUnavailable as outage:
                logger.warning("the stock store cannot be looked at: %s", outage.detail)
                return
        yield GaugeMetricFamily(
            "freehold_stock_ledger_waiting",
            "Movements in Redis that are yet to be copied to the ledger.",
            number,
        )
        yield GaugeMetricFamily(
            "freehold_stock_ledger_oldest_waiting_seconds",
            "How long ago the oldest of them was made; 0 where there is none.",
            oldest,
        )
        yield GaugeMetricFamily(
            "freehold_stock_memory_share",
            "The share of its memory limit that the Redis of stock uses; 0 where there is none.",
            full,
        )
