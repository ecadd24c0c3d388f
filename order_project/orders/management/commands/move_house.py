"""`manage.py move_house --to URL`: the whole service to another database, of any engine."""

import os
import subprocess
import sys
from contextlib import suppress
from typing import IO, Any, cast

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from order_project.moving import NotMoved, pack


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
        environment = {**os.environ, "DATABASE_URL": to}
        environment.pop("DATABASE_URL_FILE", None)  # it would come first
        move_in = [sys.executable, "manage.py", "move_in", *["--replace"] * replace]
        with subprocess.Popen(  # noqa: S603  # a command of this very project
            move_in, cwd=settings.BASE_DIR, env=environment, stdin=subprocess.PIPE
        ) as new_home:
            lines = cast(IO[bytes], new_home.stdin)
            try:
                lines.writelines(pack())
                lines.close()
            except BrokenPipeError:  # it refused before it had read all, and says why
                with suppress(BrokenPipeError):
                    lines.close()  # which would try once more to write what is left
            except NotMoved as refusal:
                raise CommandError(str(refusal)) from refusal
        if new_home.returncode:
            raise CommandError("The move was not made.", returncode=new_home.returncode)
