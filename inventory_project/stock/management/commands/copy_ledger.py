"""The worker that copies a Redis store's movements to the ledger."""

import logging
import signal
from threading import Event
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError, close_old_connections

from stock.operations import copy_ledger
from stock.stores import stock_store
from stock.stores.protocol import StockUnavailable
from stock.stores.redis import RedisStore

logger = logging.getLogger(__name__)

IDLE_SECONDS = 0.2  # how late the ledger may be; an empty read costs Redis 0.1 ms
AWAY_SECONDS = 2.0


class Command(BaseCommand):
    help = "Copies movements from Redis to the ledger until SIGTERM; any number may run."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="copy what there is, then end")

    def handle(self, *args: Any, once: bool, **options: Any) -> None:
        store = stock_store()
        if not isinstance(store, RedisStore):
            raise CommandError(
                "STOCK_URL is empty: the SQL store writes its ledger itself. Run this where stock "
                "is in Redis."
            )
        if once:
            while copy_ledger(store=store):
                pass
            return
        stop = Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        while not stop.is_set():
            stop.wait(self.copy_some(store))

    def copy_some(self, store: RedisStore) -> float:
        """Copies once; returns for how long to rest then."""
        close_old_connections()
        try:
            return 0 if copy_ledger(store=store) else IDLE_SECONDS
        except (StockUnavailable, OperationalError) as error:
            logger.warning("the ledger waits: %s", error)
            return AWAY_SECONDS
