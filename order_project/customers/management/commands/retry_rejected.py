"""Tries all again that could not be applied and nobody has resolved, dead letters included.

Exit status: 0 if all of it is applied, or there is none; 1 if some cannot be, for the reasons that
are told; 2 if the broker or the database is away.
"""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error as DatabaseError
from django.utils import timezone
from kombu.exceptions import OperationalError

from customers.deadletters import collect_dead_letters
from customers.operations import Retried, retry_all_rejected
from order_project.celery import app

IN_VAIN, UNKNOWN = 1, 2  # exit statuses


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="tell it to a program")

    def handle(self, *args: Any, **options: Any) -> None:
        broker = app.connection_for_read()
        failures = (OperationalError, *broker.connection_errors, *broker.channel_errors)
        try:
            collect_dead_letters()
            retried = retry_all_rejected(by="manage.py retry_rejected", now=timezone.now())
        except (DatabaseError, *failures) as error:
            raise CommandError(
                f"could not retry: {type(error).__name__}", returncode=UNKNOWN
            ) from error
        tell = self.tell_program if options["json"] else self.tell_person
        tell(retried)
        if retried.in_vain:
            raise CommandError(
                f"{retried.in_vain.total()} still cannot be applied; retry or dismiss them in the "
                "admin",
                returncode=IN_VAIN,
            )

    def tell_person(self, retried: Retried) -> None:
        self.stdout.write(f"{retried.applied} applied")
        for reason, count in retried.in_vain.most_common():
            self.stdout.write(f"{count} in vain: {reason}")

    def tell_program(self, retried: Retried) -> None:
        self.stdout.write(json.dumps({"applied": retried.applied, "in_vain": retried.in_vain}))
