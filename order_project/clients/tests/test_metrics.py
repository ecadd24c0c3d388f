"""What /metrics tells of the other services."""

from datetime import timedelta

import pytest

from clients import products
from clients.products import ProductsUnavailable, fetch_products
from clients.tests.test_products import NOW, URL, Catalogue, go_down

pytestmark = pytest.mark.django_db


@pytest.fixture
def catalogue(border):
    return Catalogue(border)


@pytest.fixture
def scrape(client):
    """The samples that /metrics shows, and by how much those named have grown since."""
    before: dict[str, float] = {}

    def scrape(*names):
        lines = client.get("/metrics").text.splitlines()
        samples = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        grown = [float(samples[name]) - before.get(name, 0) for name in names]
        before.update((name, float(value)) for name, value in samples.items())
        return grown

    scrape()
    return scrape


class TestPrices:
    HITS = "freehold_price_cache_hits_total"
    MISSES = "freehold_price_cache_misses_total"
    STALE = "freehold_price_stale_answers_total"

    def test_are_counted_by_where_they_came_from(self, catalogue, border, scrape):
        fetch_products(skus=["TARP-3X3"], now=NOW)
        fetch_products(skus=["TARP-3X3", "MUG-ENAMEL"], now=NOW)

        assert scrape(self.HITS, self.MISSES, self.STALE) == [1, 2, 0]

    def test_are_counted_as_stale_once_a_list(self, catalogue, border, scrape):
        fetch_products(skus=["TARP-3X3", "MUG-ENAMEL"], now=NOW)
        go_down(border)
        later = NOW + timedelta(hours=1)
        scrape()

        fetch_products(skus=["TARP-3X3", "MUG-ENAMEL"], now=later, stale_is_allowed=True)

        assert scrape(self.HITS, self.MISSES, self.STALE) == [0, 2, 1]


class TestCircuit:
    STATE = 'freehold_breaker_state{service="product_project"}'

    def test_is_shown_as_who_asked_last_found_it(self, catalogue, border, client, settings):
        def state():
            page = client.get("/metrics").text.splitlines()
            return next(line.rsplit(" ", 1)[1] for line in page if line.startswith(self.STATE))

        fetch_products(skus=["TARP-3X3"], now=NOW)
        assert state() == "0.0"

        go_down(border)
        for _ in range(settings.BREAKER_FAILURES):
            with pytest.raises(ProductsUnavailable):
                fetch_products(skus=["MUG-ENAMEL"], now=NOW)
        assert state() == "2.0"

        products.remote.breaker.half_open()
        products.remote.breaker.close()
        border.remove("GET", URL)
        border.add_callback("GET", URL, catalogue.answer)
        fetch_products(skus=["MUG-ENAMEL"], now=NOW)
        assert state() == "0.0"

    def test_counts_what_is_asked_in_vain_whether_or_not_it_is_open(
        self, catalogue, border, scrape, settings
    ):
        go_down(border)
        scrape()
        for _ in range(settings.BREAKER_FAILURES + 3):
            with pytest.raises(ProductsUnavailable):
                fetch_products(skus=["MUG-ENAMEL"], now=NOW)

        in_vain = 'freehold_breaker_questions_in_vain_total{service="product_project"}'
        assert scrape(in_vain) == [settings.BREAKER_FAILURES + 3]

    def test_of_each_service_is_there_before_it_is_asked(self, client):
        page = client.get("/metrics").text

        for service in ("user_project", "product_project", "inventory_project"):
            assert f'freehold_breaker_state{{service="{service}"}}' in page
