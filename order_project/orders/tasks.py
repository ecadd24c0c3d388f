"""What beat starts."""

from celery import shared_task
from django.utils import timezone

from orders import operations


@shared_task
def resume_orders() -> None:
    """Go on with the orders that wait for inventory_project."""
    operations.resume_orders(now=timezone.now())
