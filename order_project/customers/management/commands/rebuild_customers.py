"""Fills the copy of users from user_project's snapshot, while orders and events go on."""

import sys
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from clients.users import UsersUnavailable, fetch_digests
from customers.operations import rebuild_page
from customers.projection import UnfitUser


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--after", type=UUID, metavar="ID", help="go on behind this user")

    def handle(self, *args: Any, **options: Any) -> None:
        after = str(options["after"]) if options["after"] else None
        users = applied = 0
        columns = TextColumn("users"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
        try:
            total = sum(digest.count for digest in fetch_digests("").digests)
            with Progress(*columns, console=Console(file=sys.stderr)) as progress:
                bar = progress.add_task("users", total=None if after else total)
                while True:
                    page = rebuild_page(after=after, now=timezone.now())
                    users, applied = users + page.users, applied + page.applied
                    progress.update(bar, completed=users)
                    if page.after is None:
                        break
                    after = page.after
        except (UsersUnavailable, UnfitUser, KeyboardInterrupt) as error:
            how = f" --after {after}" if after else ""
            reason = str(error) or "interrupted"
            raise CommandError(
                f"stopped after {users} users: {reason}\n"
                f"Go on with: manage.py rebuild_customers{how}"
            ) from error
        self.stdout.write(f"{users} users, of which {applied} were news to the copy")
