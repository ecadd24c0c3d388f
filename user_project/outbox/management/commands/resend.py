"""`manage.py resend`: say again what changed lately, to a broker or a copy that lost it."""

from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from django.utils.dateparse import parse_datetime, parse_duration

from users.operations import resend_users


def moment(text: str) -> datetime:
    """A time in ISO 8601 (UTC where it has no offset), or a duration counted back from now."""
    if at := parse_datetime(text):
        return at if at.tzinfo else at.replace(tzinfo=UTC)
    if text.startswith("P") and (ago := parse_duration(text)):
        return timezone.now() - ago
    raise ValueError(text)


class Command(BaseCommand):
    help = "Put the users changed since a moment into the outbox again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--since",
            required=True,
            metavar="T",
            help="2026-01-31T12:00:00+00:00, or how long ago: PT2H is two hours, P1D a day",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            since = moment(options["since"])
        except ValueError as error:
            raise CommandError(
                f"--since {options['since']!r} is neither a time such as 2026-01-31T12:00:00+00:00 "
                "nor a duration such as PT2H"
            ) from error
        sent = resend_users(since=since)
        self.stdout.write(f"{sent} users changed since {since:%Y-%m-%d %H:%M:%S} UTC are pending")
