import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from urllib.parse import parse_qs, urlparse

import pytest
import requests
from django.core.cache import cache
from django.utils import timezone

from clients.products import ProductsUnavailable, fetch_products

URL = "http://127.0.0.1:8003/api/v1/products/"
PRICES = {"TARP-3X3": "59.90", "MAT-AIR": "119.00", "MUG-ENAMEL": "9.90"}
NOW = timezone.now()


def product(sku, amount):
    return {
        "sku": sku,
        "name": sku.title(),
        "description": "",
        "category": "shelter",
        "price": {"amount": amount, "currency": "EUR"},
        "is_active": True,
    }


def page(products, following=None):
    return {"count": len(products), "next": following, "previous": None, "results": products}


class Catalogue:
    """product_project: counts what it is asked, and can be made to wait."""

    def __init__(self, border):
        self.asked = []
        self.prices = PRICES
        self.heard = threading.Semaphore(0)
        self.gate = threading.Event()
        self.gate.set()
        border.add_callback("GET", URL, self.answer)

    def answer(self, request):
        query = parse_qs(urlparse(request.url).query)
        skus = query["sku"][0].split(",")
        self.asked.append(sorted(skus))
        self.heard.release()
        assert self.gate.wait(30)
        assert int(query["page_size"][0]) >= len(skus)
        found = [product(sku, self.prices[sku]) for sku in skus if sku in self.prices]
        return 200, {}, json.dumps(page(found))


@pytest.fixture
def catalogue(border):
    return Catalogue(border)


def go_down(border):
    border.replace("GET", URL, body=requests.ConnectionError("refused"))


def prices(*skus, now=NOW, **options):
    answer = fetch_products(skus=skus, now=now, **options)
    return {sku: found.price.amount for sku, found in answer.products.items()}


@pytest.fixture(params=["memory", "valkey"])
def either_cache(request):
    if request.param == "valkey":
        request.getfixturevalue("real_cache")


@pytest.mark.usefixtures("either_cache")
class TestFetchProducts:
    def test_asks_once_for_many(self, catalogue):
        assert prices(*PRICES) == PRICES
        assert catalogue.asked == [sorted(PRICES)]

    def test_asks_anonymously(self, catalogue, border):
        prices("TARP-3X3")

        assert "Authorization" not in border.calls[0].request.headers

    def test_asks_for_nothing_that_is_fresh(self, catalogue):
        prices("TARP-3X3")
        prices("TARP-3X3", "MAT-AIR", now=NOW + timedelta(seconds=29))

        assert catalogue.asked == [["TARP-3X3"], ["MAT-AIR"]]

    def test_is_never_older_than_the_fresh_window(self, catalogue):
        prices("TARP-3X3")
        catalogue.prices = {"TARP-3X3": "61.00"}

        assert prices("TARP-3X3", now=NOW + timedelta(seconds=29)) == {"TARP-3X3": "59.90"}
        assert prices("TARP-3X3", now=NOW + timedelta(seconds=30)) == {"TARP-3X3": "61.00"}

    def test_does_not_believe_an_entry_from_the_future(self, catalogue):
        prices("TARP-3X3", now=NOW + timedelta(hours=1))
        catalogue.prices = {"TARP-3X3": "61.00"}

        assert prices("TARP-3X3") == {"TARP-3X3": "61.00"}

    def test_tells_when_the_oldest_was_read(self, catalogue):
        later = NOW + timedelta(seconds=10)
        prices("TARP-3X3")

        assert fetch_products(skus=["MAT-AIR"], now=later).read_at == later
        assert fetch_products(skus=["MAT-AIR", "TARP-3X3"], now=later).read_at == NOW

    def test_remembers_an_unknown_sku_for_seconds_alone(self, catalogue):
        assert prices("NOPE", "TARP-3X3") == {"TARP-3X3": "59.90"}
        assert prices("NOPE", now=NOW + timedelta(seconds=4)) == {}
        assert prices("NOPE", now=NOW + timedelta(seconds=5)) == {}

        assert catalogue.asked == [["NOPE", "TARP-3X3"], ["NOPE"]]

    def test_forgets_what_another_release_cached(self, catalogue):
        cache.set("product:TARP-3X3", {"price": 5990})

        assert prices("TARP-3X3") == {"TARP-3X3": "59.90"}


@pytest.mark.usefixtures("either_cache")
class TestOutage:
    def test_is_bridged_while_the_price_is_fresh(self, catalogue, border):
        prices("TARP-3X3")
        go_down(border)

        assert prices("TARP-3X3", now=NOW + timedelta(seconds=29)) == {"TARP-3X3": "59.90"}

    def test_is_an_outage_once_it_is_not(self, catalogue, border):
        prices("TARP-3X3")
        go_down(border)

        with pytest.raises(ProductsUnavailable):
            prices("TARP-3X3", now=NOW + timedelta(seconds=30))

    def test_is_bridged_with_stale_prices_where_these_are_allowed(self, catalogue, border):
        prices("TARP-3X3")
        go_down(border)
        later = NOW + timedelta(hours=1)

        answer = fetch_products(skus=["TARP-3X3"], now=later, stale_is_allowed=True)

        assert answer.products["TARP-3X3"].price.amount == "59.90"
        assert answer.read_at == NOW

    def test_cannot_be_bridged_with_prices_never_seen(self, catalogue, border):
        prices("TARP-3X3", "NOPE")
        go_down(border)

        for unseen in ("MAT-AIR", "NOPE"):
            with pytest.raises(ProductsUnavailable):
                prices("TARP-3X3", unseen, now=NOW + timedelta(hours=1), stale_is_allowed=True)

    def test_keeps_nobody_from_asking_again(self, catalogue, border, settings):
        go_down(border)
        for _ in range(settings.BREAKER_FAILURES - 1):
            with pytest.raises(ProductsUnavailable):
                prices("TARP-3X3")
        border.remove("GET", URL)
        border.add_callback("GET", URL, catalogue.answer)

        assert prices("TARP-3X3") == {"TARP-3X3": "59.90"}

    @pytest.mark.parametrize(
        "wrong",
        [
            {"body": requests.ReadTimeout("slow")},
            {"body": "<h1>Welcome to nginx!</h1>"},
            {"status": 500},
            {
                "json": page(
                    [product("TARP-3X3", "59.90")], following="http://127.0.0.1:8003/?page=2"
                )
            },
            {"json": page([product("TARP-3X3", "-1.00")])},
            {"json": page([product("TARP-3X3", "NaN")])},
            {"json": page([product("TARP-3X3", "1e9")])},
            {"json": page([product("TARP-3X3", "0.999")])},
        ],
        ids=lambda wrong: str(wrong)[:120],
    )
    def test_is_any_answer_that_makes_no_sense(self, border, wrong):
        border.get(URL, **wrong)

        with pytest.raises(ProductsUnavailable):
            prices("TARP-3X3")


@pytest.mark.usefixtures("either_cache")
class TestStampede:
    def test_of_many_callers_makes_one_request_for_each_sku(self, catalogue, settings):
        settings.CLIENT_READ_SECONDS = 30  # however busy the machine is
        everyone = threading.Barrier(16)

        def call(number):
            everyone.wait(30)
            return prices(*PRICES)

        with ThreadPoolExecutor(16) as pool:
            found = list(pool.map(call, range(16)))

        assert found == [PRICES] * 16
        asked = [sku for skus in catalogue.asked for sku in skus]
        assert sorted(asked) == sorted(PRICES)

    def test_does_not_wait_longer_than_for_the_owner(self, catalogue, settings):
        settings.CLIENT_READ_SECONDS = 0.05
        catalogue.gate.clear()

        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(prices, "TARP-3X3")
            assert catalogue.heard.acquire(timeout=30)
            with pytest.raises(ProductsUnavailable):
                prices("TARP-3X3")
            catalogue.gate.set()

            assert first.result() == {"TARP-3X3": "59.90"}
        assert len(catalogue.asked) == 1

    def test_takes_stale_prices_where_these_are_allowed(self, catalogue, settings):
        settings.CLIENT_READ_SECONDS = 0.05
        prices("TARP-3X3")
        later = NOW + timedelta(seconds=30)
        assert catalogue.heard.acquire(timeout=30)
        catalogue.gate.clear()

        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(prices, "TARP-3X3", now=later)
            assert catalogue.heard.acquire(timeout=30)
            stale = prices("TARP-3X3", now=later, stale_is_allowed=True)
            catalogue.gate.set()
            first.result()

        assert stale == {"TARP-3X3": "59.90"}


@pytest.fixture
def dead_cache(settings):
    living = settings.CACHES
    settings.CACHES = {
        "default": {
            "BACKEND": "django_redis.cache.RedisCache",
            "LOCATION": "redis://127.0.0.1:1/0",  # nobody listens there
        }
    }
    yield
    settings.CACHES = living


@pytest.mark.usefixtures("dead_cache")
class TestCacheOutage:
    def test_costs_a_request_each_time_and_no_more(self, catalogue):
        assert prices("TARP-3X3") == {"TARP-3X3": "59.90"}
        assert prices("TARP-3X3") == {"TARP-3X3": "59.90"}

        assert len(catalogue.asked) == 2

    def test_does_not_hide_the_owners_outage(self, catalogue, border):
        go_down(border)

        with pytest.raises(ProductsUnavailable):
            prices("TARP-3X3")
