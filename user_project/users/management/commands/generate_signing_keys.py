"""`manage.py generate_signing_keys`: what goes into SIGNING_KEYS, here and at those who check."""

import json
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from user_project.keys import generate_key_set, public_key_set


class Command(BaseCommand):
    help = "Print a new private key set for SIGNING_KEYS, or the public part of the one in use."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--public", action="store_true", help="the public part of the one in use"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["public"]:
            self.stdout.write(json.dumps(generate_key_set()))
        elif settings.SIGNING_KEYS_ARE_MADE_UP:
            raise CommandError("set SIGNING_KEYS: without it each process makes up keys of its own")
        else:
            self.stdout.write(json.dumps(public_key_set(settings.SIGNING_KEYS)))
