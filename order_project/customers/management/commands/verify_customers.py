"""Compares the copy of users with user_project, and on demand makes it equal.

Exit status: 0 if the copy is equal, or is now by --repair; 1 if it differs; 2 if nobody could tell.
"""

import json
import time
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error as DatabaseError

from clients.users import UsersUnavailable
from customers.drift import find_suspects
from customers.operations import Verdict, verify_customers
from customers.projection import UnfitUser

DRIFT, UNKNOWN = 1, 2  # exit statuses


class Command(BaseCommand):
    help = __doc__
    stealth_options = ("wait",)  # for tests, that have no time to wait

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--repair", action="store_true", help="make the copy equal")
        parser.add_argument("--json", action="store_true", help="tell it to a program")
        parser.add_argument(
            "--lag",
            type=float,
            default=settings.COPY_LAG_SECONDS,
            metavar="SECONDS",
            help="how late an event may be before its absence is drift (default: %(default)s)",
        )

    def handle(
        self,
        *args: Any,
        repair: bool,
        lag: float,
        wait: Callable[[float], None] = time.sleep,
        **options: Any,
    ) -> None:
        try:
            verdict = verify_customers(
                suspects=find_suspects(), scope="all", repair=repair, lag=lag, wait=wait
            )
        except (UsersUnavailable, UnfitUser, DatabaseError) as error:
            raise CommandError(f"could not verify: {error}", returncode=UNKNOWN) from error
        tell = self.tell_program if options["json"] else self.tell_person
        tell(verdict)
        if verdict.drifted > verdict.repaired:
            raise CommandError(
                f"{verdict.drifted} customers differ; run manage.py verify_customers --repair",
                returncode=DRIFT,
            )

    def tell_person(self, verdict: Verdict) -> None:
        for drift in verdict.examples:
            self.stdout.write(f"{drift.kind:>9} {drift.id}")
        self.stdout.write(str(verdict))

    def tell_program(self, verdict: Verdict) -> None:
        drifts = [{"id": drift.id, "kind": drift.kind} for drift in verdict.examples]
        answer = {
            "equal": verdict.drifted == verdict.repaired,
            "drift": verdict.kinds,
            "repaired": verdict.repaired,
            "examples": drifts,
        }
        self.stdout.write(json.dumps(answer))
