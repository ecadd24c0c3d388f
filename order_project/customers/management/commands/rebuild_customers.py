"""Fills the copy of users from user_project's snapshot, while orders and events go on.

Exit status: 0 if the snapshot was applied to its end; 2 if not, and then where to go on is told.
"""

import json
import sys
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error as DatabaseError
from django.utils import timezone
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from clients.users import UsersUnavailable, fetch_digests
from customers.operations import rebuild_page
from customers.projection import UnfitUser

STOPPED = 2  # exit status


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--after", type=UUID, metavar="ID", help="go on behind this user")
        parser.add_argument("--json", action="store_true", help="tell it to a program")

    def handle(self, *args: Any, **options: Any) -> None:
        after = str(options["after"]) if options["after"] else None
        users = applied = 0
        columns = TextColumn("users"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
        stopped: str | None = None
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
        except (UsersUnavailable, UnfitUser, DatabaseError, KeyboardInterrupt) as error:
            stopped = str(error).partition("\n")[0] or "interrupted"  # the rest may quote users
        if options["json"]:
            answer = {
                "complete": stopped is None,
                "users": users,
                "applied": applied,
                "after": after if stopped else None,
                "error": stopped,
            }
            self.stdout.write(json.dumps(answer))
        if stopped:
            how = f" --after {after}" if after else ""
            raise CommandError(
                f"stopped after {users} users: {stopped}\n"
                f"Go on with: manage.py rebuild_customers{how}",
                returncode=STOPPED,
            )
        if not options["json"]:
            self.stdout.write(f"{users} users, of which {applied} were news to the copy")
