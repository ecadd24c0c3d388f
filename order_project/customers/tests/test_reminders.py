"""What beat asks for while no worker is there is dropped by the worker, not kept by the broker."""

import pytest
from django.conf import settings
from kombu import Connection

from order_project.celery import app


@pytest.mark.parametrize("reminder", settings.CELERY_BEAT_SCHEDULE)
class TestReminder:
    def test_expires_at_the_worker_and_not_at_the_broker(self, reminder: str) -> None:
        entry = settings.CELERY_BEAT_SCHEDULE[reminder]

        with Connection("memory://") as connection:
            app.send_task(entry["task"], connection=connection, **entry["options"])
            message = app.amqp.queues["order.tasks"](connection.default_channel).get()

        assert message.headers["expires"]
        assert "expiration" not in message.properties
