"""Looks for what this service still holds of a user, place by place, to prove that they are erased.

Exit status: 0 if nothing was found; 1 if something was; 2 if some place could not be looked at.
"""

import json
from dataclasses import asdict
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error as DatabaseError

from customers.traces import Trace, find_traces
from orders.models import Order

FOUND, UNKNOWN = 1, 2  # exit statuses


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user_id", type=UUID, metavar="USER_ID")
        parser.add_argument("--json", action="store_true", help="tell it to a program")

    def handle(self, *args: Any, user_id: UUID, **options: Any) -> None:
        try:
            traces = list(find_traces(user_id))
            orders = Order.objects.of_customer(user_id).count()
        except DatabaseError as error:
            raise CommandError(
                f"could not look: the database is away ({type(error).__name__})",
                returncode=UNKNOWN,
            ) from error
        tell = self.tell_program if options["json"] else self.tell_person
        tell(user_id, traces, orders)
        if any(trace.found for trace in traces):
            raise CommandError("something of them is still here", returncode=FOUND)
        if any(trace.found is None for trace in traces):
            raise CommandError("some places could not be looked at", returncode=UNKNOWN)

    def tell_person(self, user_id: UUID, traces: list[Trace], orders: int) -> None:
        for trace in traces:
            found = "cannot tell" if trace.found is None else f"{trace.found} found"
            self.stdout.write(f"{trace.place} ({trace.looked_for}): {found}")
        self.stdout.write(f"orders (stay, under the id alone): {orders}")

    def tell_program(self, user_id: UUID, traces: list[Trace], orders: int) -> None:
        answer = {
            "user_id": str(user_id),
            "places": [asdict(trace) for trace in traces],
            "orders": orders,
        }
        self.stdout.write(json.dumps(answer))
