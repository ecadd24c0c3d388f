"""What we ask product_project: names and prices, through a cache that can bridge an outage."""

import logging
import re
import time
from collections.abc import Collection, Set
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
from django.conf import settings
from django.core.cache import cache
from redis import RedisError

from clients.http import Remote, Unavailable
from clients.metrics import PRICE_CACHE_HITS, PRICE_CACHE_MISSES, PRICE_STALE_ANSWERS
from contracts.products import Product, ProductPage

logger = logging.getLogger(__name__)

SKUS_PER_CALL = 100  # the longest order, and within a request line of 4,094 bytes
UNKNOWN_SECONDS = 5  # how long a SKU that was just added may still count as unknown
POLL_SECONDS = 0.02  # how often those who wait look whether the refresh has come
AMOUNT = re.compile(r"[0-9]{1,13}(\.[0-9]{1,2})?")  # what an order can be added up from


class ProductsUnavailable(Unavailable):
    """product_project gave no answer that makes sense, and what is cached is too old."""

    service = "product_project"


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceList:
    """The products that exist of those asked for, none of them read before `read_at`."""

    products: dict[str, Product]
    read_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What the cache keeps of one SKU; `product` is None where the owner knows no such SKU."""

    product: Product | None
    read_at: datetime

    def is_fresh(self, now: datetime) -> bool:
        """Whether it may be served as current; not where another clock dated it in our future."""
        seconds = settings.PRODUCT_CACHE_SECONDS if self.product else UNKNOWN_SECONDS
        return abs(now - self.read_at) < timedelta(seconds=seconds)


remote = Remote("product", ProductsUnavailable, is_public=True)


def fetch_products(
    *, skus: Collection[str], now: datetime, stale_is_allowed: bool = False
) -> PriceList:
    """Return what the SKUs, at most 100, cost: read from the owner within PRODUCT_CACHE_SECONDS.

    Where `stale_is_allowed` and the owner is down, within PRODUCT_STALE_SECONDS; `read_at` tells.
    Raises ProductsUnavailable. Works without the cache, only slower.
    """
    wanted = set(skus)
    try:
        entries = read_cache(wanted)
        fresh = {sku: entry for sku, entry in entries.items() if entry.is_fresh(now)}
        PRICE_CACHE_HITS.inc(len(fresh))
        try:
            entries = fresh | refresh(wanted - fresh.keys(), now=now)
        except ProductsUnavailable:
            if not stale_is_allowed or not all(
                sku in entries and entries[sku].product for sku in wanted
            ):
                raise
            PRICE_STALE_ANSWERS.inc()
            logger.warning("stale prices of %s are used", ", ".join(sorted(wanted - fresh.keys())))
    except RedisError as error:
        logger.warning("the cache is away: %s", error)
        entries = ask(wanted, now=now)
    return PriceList(
        products={sku: entry.product for sku, entry in entries.items() if entry.product},
        read_at=min((entry.read_at for entry in entries.values()), default=now),
    )


def refresh(skus: Set[str], *, now: datetime) -> dict[str, Entry]:
    """Ask the owner once for each SKU, however many callers miss it at once.

    Who claims a SKU asks for it; the others wait for what that brings, as long as they would have
    waited for the owner.
    """
    entries: dict[str, Entry] = {}
    give_up_at = time.monotonic() + settings.CLIENT_READ_SECONDS
    slowest = settings.CLIENT_CONNECT_SECONDS + settings.CLIENT_READ_SECONDS + 1  # with its backoff
    claim_seconds = slowest * (1 + settings.CLIENT_RETRIES)  # a claim outlives its holder's request
    while missing := skus - entries.keys():
        claims = {
            sku: f"product-claim:{sku}"
            for sku in missing
            if cache.add(f"product-claim:{sku}", True, claim_seconds)
        }
        try:
            brought = read_cache(missing)
            entries |= {sku: entry for sku, entry in brought.items() if entry.is_fresh(now)}
            if mine := claims.keys() - entries.keys():
                asked = ask(mine, now=now)
                write_cache(asked)
                entries |= asked
        finally:
            cache.delete_many(claims.values())
        if skus - entries.keys():
            if time.monotonic() > give_up_at:
                raise ProductsUnavailable
            time.sleep(POLL_SECONDS)
    return entries


def ask(skus: Set[str], *, now: datetime) -> dict[str, Entry]:
    """Read the SKUs from the owner in one request."""
    PRICE_CACHE_MISSES.inc(len(skus))
    query = {"sku": ",".join(sorted(skus)), "page_size": str(SKUS_PER_CALL)}
    page = remote.ask("GET", "/api/v1/products/", query=query, answers={200: ProductPage})
    if page.next or not all(AMOUNT.fullmatch(product.price.amount) for product in page.results):
        logger.warning("product_project answered with half a page, or with a price that is none")
        raise ProductsUnavailable
    products = {product.sku: product for product in page.results}
    return {sku: Entry(product=products.get(sku), read_at=now) for sku in skus}


def read_cache(skus: Set[str]) -> dict[str, Entry]:
    entries = {}
    for key, value in cache.get_many([f"product:{sku}" for sku in skus]).items():
        try:
            entries[key.removeprefix("product:")] = msgspec.convert(value, Entry)
        except msgspec.ValidationError:
            logger.warning("what is cached as %s is of another release", key)
    return entries


def write_cache(entries: dict[str, Entry]) -> None:
    values = {f"product:{sku}": msgspec.to_builtins(entry) for sku, entry in entries.items()}
    known = {key: value for key, value in values.items() if value["product"]}
    if known:
        cache.set_many(known, settings.PRODUCT_STALE_SECONDS)
    if unknown := {key: values[key] for key in values.keys() - known.keys()}:
        cache.set_many(unknown, UNKNOWN_SECONDS)
