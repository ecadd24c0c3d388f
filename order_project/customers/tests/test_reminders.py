"""Beat reminds in time, and what it asked for in vain is dropped by the worker, not the broker."""

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from kombu import Connection

from order_project.celery import app
from order_project.intervals import Every


@pytest.mark.parametrize("reminder", settings.CELERY_BEAT_SCHEDULE)
class TestReminder:
    def test_expires_at_the_worker_and_not_at_the_broker(self, reminder: str) -> None:
        entry: Any = settings.CELERY_BEAT_SCHEDULE[reminder]

        with Connection("memory://") as connection:
            app.send_task(entry["task"], connection=connection, **entry["options"])
            message = app.amqp.queues["order.tasks"](connection.default_channel).get()

        assert message.headers["expires"]
        assert "expiration" not in message.properties


class TestEvery:
    @pytest.mark.parametrize(
        ("ago", "is_due"),
        [(timedelta(seconds=4), False), (timedelta(seconds=6), True), (-timedelta(hours=1), True)],
        ids=["too soon", "after its interval", "before the clock was set back"],
    )
    def test_is_due(self, ago: timedelta, is_due: bool) -> None:
        every = Every(timedelta(seconds=5), app=app)

        assert every.is_due(app.now() - ago).is_due is is_due
