"""Levels and reservations from the ledger, into the store that STOCK_URL names."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from stock.operations import rebuild_stock
from stock.stores import stock_store
from stock.stores.protocol import StockUnavailable


class Command(BaseCommand):
    help = (
        "Fills a stock store that is new, or lost its data, from the ledger. One that is complete "
        "is left alone: run it after each deployment."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--replace",
            action="store_true",
            help="also replace what is there; with the SQL store, stop its other users first",
        )

    def handle(self, *args: Any, replace: bool, **options: Any) -> None:
        try:
            if stock_store().is_open() and not replace:
                message = "The stock store is complete; --replace rebuilds it all the same."
                self.stdout.write(message)
                return
            rebuild_stock()
        except StockUnavailable as refusal:
            raise CommandError(str(refusal.detail)) from refusal
        self.stdout.write(self.style.SUCCESS("The stock store says what the ledger says."))
