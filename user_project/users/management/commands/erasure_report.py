"""Looks for what this service still holds of a user, place by place, to prove that they are erased.

Exit status: 0 if nothing was found; 1 if something was; 2 if some place could not be looked at.
"""

import json
import sys
from dataclasses import asdict
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error as DatabaseError
from rich.console import Console
from rich.table import Table

from users.traces import Trace, find_traces

FOUND, UNKNOWN = 1, 2  # exit statuses


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user_id", type=UUID, metavar="USER_ID")
        parser.add_argument("--json", action="store_true", help="tell it to a program")
        parser.add_argument(
            "--words",
            action="store_true",
            help="look everywhere also for what stdin has, a line each: the address they had, ...",
        )

    def handle(self, *args: Any, user_id: UUID, words: bool, **options: Any) -> None:
        lines = sys.stdin.read().splitlines() if words else []
        try:
            traces = list(find_traces(user_id, [line.strip() for line in lines if line.strip()]))
        except DatabaseError as error:
            raise CommandError(
                f"could not look: the database is away ({type(error).__name__})",
                returncode=UNKNOWN,
            ) from error
        tell = self.tell_program if options["json"] else self.tell_person
        tell(user_id, traces)
        if any(trace.found for trace in traces):
            raise CommandError("something of them is still here", returncode=FOUND)
        if any(trace.found is None for trace in traces):
            raise CommandError("some places could not be looked at", returncode=UNKNOWN)

    def tell_person(self, user_id: UUID, traces: list[Trace]) -> None:
        table = Table("place", "looked for", "found")
        for trace in traces:
            found = "cannot tell" if trace.found is None else str(trace.found)
            table.add_row(trace.place, trace.looked_for, found)
        Console(file=self.stdout, width=100).print(table)  # type: ignore[arg-type] # it writes

    def tell_program(self, user_id: UUID, traces: list[Trace]) -> None:
        answer = {"user_id": str(user_id), "places": [asdict(trace) for trace in traces]}
        self.stdout.write(json.dumps(answer))
