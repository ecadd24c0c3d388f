"""Levels and reservations from the ledger, into the store that STOCK_URL names."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from stock.operations import Overdrawn, rebuild_stock
from stock.stores import redis_store, stock_store
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
        parser.add_argument(
            "--from",
            metavar="URL",
            dest="source",
            help="the Redis that held the stock so far, as in STOCK_URL: it is closed, and what it "
            "has yet to tell the ledger counts; implies --replace",
        )

    def handle(self, *args: Any, replace: bool, source: str | None, **options: Any) -> None:
        try:
            if stock_store().is_open() and not (replace or source):
                message = "The stock store is complete; --replace rebuilds it all the same."
                self.stdout.write(message)
                return
            before = redis_store(source, settings.STOCK_PREFIX) if source else None
            overdrawn = rebuild_stock(source=before)
        except StockUnavailable as refusal:
            raise CommandError(str(refusal.detail)) from refusal
        except Overdrawn as refusal:
            told = f"The levels here are as they were. {refusal}"
            if source:
                told += " The Redis is closed: rebuild_stock with it in STOCK_URL opens it again."
            raise CommandError(told) from refusal
        if overdrawn:
            self.stderr.write(self.style.WARNING(str(Overdrawn(overdrawn))))
        self.stdout.write(self.style.SUCCESS("The stock store says what the ledger says."))
