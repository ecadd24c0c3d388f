"""`manage.py move_in`: takes what move_house sends from the old database; not for use by hand."""

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from order_project.moving import NotMoved, unpack


class Command(BaseCommand):
    help = "Stores in this database the rows that `move_house` of the old one sends to stdin."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--replace", action="store_true")

    def handle(self, *args: Any, replace: bool, **options: Any) -> None:
        try:
            moved = unpack(sys.stdin.buffer, replace=replace)
        except NotMoved as refusal:
            raise CommandError(str(refusal)) from refusal
        for label, count in moved.items():
            self.stdout.write(f"{count:>9,} {label}")
        total = f"All {sum(moved.values()):,} rows are in the new database, each as it was."
        self.stdout.write(self.style.SUCCESS(total))
