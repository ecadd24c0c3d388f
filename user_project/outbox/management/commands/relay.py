"""`manage.py relay`: the outbox's way to the broker."""

import signal
from queue import SimpleQueue
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error as DatabaseError
from prometheus_client import start_http_server

from outbox.publisher import NotDelivered, Publisher
from outbox.relay import drain, run
from user_project.metrics import counted


class Command(BaseCommand):
    help = "Publish pending events as they come; several relays may run side by side."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="publish what is pending, and end")

    def handle(self, *args: Any, **options: Any) -> None:
        publisher = Publisher()
        if options["once"]:
            try:
                self.stdout.write(f"{drain(publisher)} pending events relayed")
            except (NotDelivered, DatabaseError) as error:
                raise CommandError(f"the events stay in the outbox: {error}") from error
            finally:
                publisher.close()
            return
        stop: SimpleQueue[int] = SimpleQueue()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda received, _: stop.put(received))
        if settings.METRICS_PORT:
            start_http_server(settings.METRICS_PORT, settings.METRICS_HOST, counted())
        run(publisher, stop)
        publisher.close()
