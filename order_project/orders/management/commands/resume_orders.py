"""`manage.py resume_orders`: go on, now, with the orders that wait for inventory_project."""

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from orders import operations
from orders.models import Order


class Command(BaseCommand):
    help = "Reserve or release the stock of the orders that are due. Beat does so all the time."

    def handle(self, *args: Any, **options: Any) -> None:
        settled = operations.resume_orders(now=timezone.now())
        waiting = Order.objects.filter(resume_at__isnull=False).count()
        self.stdout.write(f"{settled} orders settled, {waiting} still wait")
