"""`manage.py move_house --to URL`: the whole service to another database."""

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser

from product_project import moving


class Command(BaseCommand):
    help = (
        "Copies every row to the database at a URL, of any engine that is supported, and compares "
        "them all. Stop the service first; then start it with that URL as DATABASE_URL."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--to", required=True, metavar="URL", help="as in DATABASE_URL")
        parser.add_argument(
            "--replace", action="store_true", help="drop other rows that are in the new database"
        )

    def handle(self, *args: Any, to: str, replace: bool, **options: Any) -> None:
        try:
            with moving.connected(to, "--to"):
                moved = moving.move_house(replace=replace)
        except (ImproperlyConfigured, moving.NotMoved) as refusal:
            raise CommandError(f"Nothing was moved: {refusal}.") from refusal
        for label, count in moved.items():
            self.stdout.write(f"{count:>9,} {label}")
        total = f"All {sum(moved.values()):,} rows are in the new database, each as it is here."
        self.stdout.write(self.style.SUCCESS(total))
