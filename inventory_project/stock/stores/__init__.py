"""Where stock is kept: in the service's database, or in Redis."""

from functools import cache

from django.conf import settings

from stock.stores.protocol import StockStore
from stock.stores.redis import RedisStore
from stock.stores.sql import SqlStore


def stock_store() -> StockStore:
    """The store that STOCK_URL names."""
    if settings.STOCK_URL:
        return redis_store(settings.STOCK_URL, settings.STOCK_PREFIX)
    return SqlStore()


@cache
def redis_store(url: str, prefix: str) -> RedisStore:
    """One store, with its pool of connections, for each Redis."""
    return RedisStore(url=url, prefix=prefix)
