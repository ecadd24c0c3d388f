"""Says again what changed lately, to a broker or a copy that lost it.

Exit status: 0 if all of it is pending; 1 if the database failed on the way; 2 if nobody can tell
since when. It may run beside itself, and anew: what is said twice changes nothing.
"""

import json
import sys
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error as DatabaseError
from django.utils import timezone
from django.utils.dateparse import parse_datetime, parse_duration
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from users.operations import count_changed, resend_users

FAILED, UNCLEAR = 1, 2  # exit statuses


def moment(text: str) -> datetime:
    """A time in ISO 8601 (UTC where it has no offset), or a duration counted back from now."""
    if at := parse_datetime(text):
        return at if at.tzinfo else at.replace(tzinfo=UTC)
    if text.startswith("P") and (ago := parse_duration(text)):
        return timezone.now() - ago
    raise ValueError(text)


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--since",
            required=True,
            metavar="T",
            help="2026-01-31T12:00:00+00:00, or how long ago: PT2H is two hours, P1D a day",
        )
        parser.add_argument("--json", action="store_true", help="tell it to a program")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            since = moment(options["since"])
        except ValueError as error:
            raise CommandError(
                f"--since {options['since']!r} is neither a time such as 2026-01-31T12:00:00+00:00 "
                "nor a duration such as PT2H",
                returncode=UNCLEAR,
            ) from error
        columns = TextColumn("users"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
        sent = 0
        try:
            with Progress(*columns, console=Console(file=sys.stderr)) as progress:
                bar = progress.add_task("users", total=count_changed(since=since))
                for page in resend_users(since=since):
                    sent += page
                    progress.update(bar, completed=sent)
        except (DatabaseError, KeyboardInterrupt) as error:
            raise CommandError(
                f"stopped after {sent} users ({str(error).strip() or 'interrupted'}): run it again",
                returncode=FAILED,
            ) from error
        if options["json"]:
            self.stdout.write(json.dumps({"since": since.isoformat(), "users": sent}))
            return
        since = since.astimezone(UTC)
        self.stdout.write(f"{sent} users changed since {since:%Y-%m-%d %H:%M:%S} UTC are pending")
