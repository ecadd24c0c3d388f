"""Many who write at once, each on a connection of its own."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from django.db import connection

from products import operations
from products.models import Product

pytestmark = pytest.mark.django_db(transaction=True)

MANY = range(8)


def at_once(act: Callable[[int], Product]) -> list[str]:
    """What became of each of many calls of `act`: done, or the name of the refusal."""

    def outcome(number: int) -> str:
        try:
            act(number)
        except Exception as refusal:  # an error of the engine's is an outcome to be seen too
            return type(refusal).__name__
        finally:
            connection.close()
        return "done"

    with ThreadPoolExecutor(len(MANY)) as threads:
        return sorted(threads.map(outcome, MANY))


class TestAtOnce:
    def test_one_gets_the_sku(self, put_on_sale):
        outcomes = at_once(lambda number: put_on_sale(price=Decimal(number)))

        assert outcomes == ["SkuTaken"] * 7 + ["done"]
        assert Product.objects.get().price_changes.count() == 1

    def test_one_changes_what_all_saw(self, tent):
        seen = tent.as_contract()

        outcomes = at_once(
            lambda number: operations.change_product(
                sku=tent.sku, changed_by=str(number), seen=seen, price=Decimal(number)
            )
        )

        assert outcomes == ["ChangedMeanwhile"] * 7 + ["done"]
        assert tent.price_changes.count() == 2

    def test_the_history_ends_with_the_price_that_stands(self, tent):
        outcomes = at_once(
            lambda number: operations.change_product(
                sku=tent.sku, changed_by=str(number), price=Decimal(number)
            )
        )

        tent.refresh_from_db()
        assert outcomes == ["done"] * 8
        assert tent.price_changes.count() == 9
        assert tent.price_changes.latest("pk").price == tent.price
