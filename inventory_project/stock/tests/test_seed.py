"""The shop that `manage.py seed` fills."""

import pytest
from django.core.management import CommandError, call_command
from rest_framework.test import APIClient

from stock.stores.redis import RedisStore

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("store")]


class TestSeed:
    def test_fills_the_shelves_of_a_small_shop(self, anyone: APIClient) -> None:
        call_command("seed")

        levels = anyone.get("/api/v1/stock/").json()["results"]
        on_hand = {level["sku"]: level["on_hand"] for level in levels}
        assert len(on_hand) == 16
        assert (on_hand["TENT-4P"], on_hand["LAMP-OIL"], on_hand["MUG-ENAMEL"]) == (8, 0, 120)

    def test_changes_nothing_when_run_again(self, anyone: APIClient) -> None:
        call_command("seed")
        before = anyone.get("/api/v1/stock/").json()

        call_command("seed")

        assert anyone.get("/api/v1/stock/").json() == before

    @pytest.mark.parametrize("store", ["redis"], indirect=True)
    def test_says_what_to_do_about_a_store_that_was_never_filled(self, store: RedisStore) -> None:
        store.close()

        with pytest.raises(CommandError, match=r"manage\.py rebuild_stock"):
            call_command("seed")
