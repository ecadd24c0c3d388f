"""What beat starts."""

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from orders import operations


@shared_task
def resume_orders() -> None:
    """Go on with the orders that wait for inventory_project, until it is time for the next such.

    Longer it must not take: it shares the worker with the events of users.
    """
    operations.resume_orders(now=timezone.now(), seconds=settings.RESUME_SECONDS)
