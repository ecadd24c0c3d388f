"""Makes the key that signs what this service asks of the others, and prints both halves."""

import json
from typing import Any

from django.core.management.base import BaseCommand

from order_project.keys import generate_key_set, public_key_set


class Command(BaseCommand):
    help = __doc__
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        key_set = generate_key_set()
        self.stdout.write("For this service alone:")
        self.stdout.write(f"SIGNING_KEYS={json.dumps(key_set)}")
        self.stdout.write("For user_project and inventory_project:")
        self.stdout.write(f"ORDER_PUBLIC_KEYS={json.dumps(public_key_set(key_set))}")
