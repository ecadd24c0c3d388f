"""Makes the exchange, the queues and their bindings on the broker, once, at deployment."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from kombu import Queue
from kombu.exceptions import OperationalError

from order_project.celery import app


class Command(BaseCommand):
    help = __doc__

    def handle(self, *args: Any, **options: Any) -> None:
        dead_letters = [settings.DEAD_LETTERS] if settings.BROKER_DEAD_LETTERS else []
        with app.connection_for_write() as connection:
            failures = (OperationalError, *connection.connection_errors, *connection.channel_errors)
            try:
                connection.ensure_connection(max_retries=0)
                for queue in (*dead_letters, *settings.CELERY_TASK_QUEUES):
                    declare(queue, connection.default_channel)
                    self.stdout.write(f"{queue.name} is there")
            except failures as error:
                raise CommandError(
                    f"cannot declare the queues at BROKER_URL={connection.as_uri()} ({error}): "
                    "start that broker, or name a user and virtual host in which this may be done"
                ) from error


def declare(queue: Queue, channel: Any) -> None:
    """Declare a queue, even one that workers are told not to, with its exchange and binding."""
    bound = queue(channel)
    bound.no_declare = False
    bound.declare()
