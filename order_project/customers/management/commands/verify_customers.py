"""Compares the copy of users with user_project, and on demand makes it equal.

Exit status: 0 if the copy is equal, or is now by --repair; 1 if it differs; 2 if nobody could tell.
"""

import json
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error as DatabaseError
from django.utils import timezone
from django.utils.dateparse import parse_datetime, parse_duration
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from clients.users import UsersUnavailable
from customers.drift import find_recent_suspects, find_suspects
from customers.operations import Scope, Verdict, verify_customers
from customers.projection import UnfitUser

DRIFT, UNKNOWN = 1, 2  # exit statuses


class Command(BaseCommand):
    help = __doc__
    stealth_options = ("wait",)  # for tests, that have no time to wait

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--repair", action="store_true", help="make the copy equal")
        parser.add_argument("--json", action="store_true", help="tell it to a program")
        parser.add_argument(
            "--since",
            metavar="T",
            help="only who changed since, here or there: 2026-01-31T12:00:00+00:00, or how long "
            "ago: PT1H is an hour, P1D a day",
        )
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
        scope: Scope = "all"
        suspects = find_suspects()
        if since := options["since"]:
            scope, suspects = "recent", find_recent_suspects(moment(since))
        columns = SpinnerColumn(), TextColumn("users that differ at first sight")
        more = MofNCompleteColumn(), TimeElapsedColumn()
        try:
            with Progress(*columns, *more, console=Console(file=sys.stderr)) as progress:
                verdict = verify_customers(
                    suspects=progress.track(suspects),
                    scope=scope,
                    repair=repair,
                    lag=lag,
                    wait=wait,
                )
        except (UsersUnavailable, UnfitUser, DatabaseError) as error:
            reason = str(error).partition("\n")[0]  # the rest may quote users
            if options["json"]:
                self.stdout.write(json.dumps({"equal": None, "error": reason}))
            raise CommandError(f"could not verify: {reason}", returncode=UNKNOWN) from error
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


def moment(text: str) -> datetime:
    """A time in ISO 8601 with an offset, or a duration counted back from now."""
    with suppress(ValueError):  # such as of the 31st of February
        if (at := parse_datetime(text)) and at.tzinfo:
            return at
        if text.startswith("P") and (ago := parse_duration(text)):
            return timezone.now() - ago
    raise CommandError(
        f"--since {text!r} is neither a time such as 2026-01-31T12:00:00+00:00 nor a duration "
        "such as PT1H",
        returncode=UNKNOWN,
    )
