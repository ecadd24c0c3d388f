"""Beat reminds in time, and what it asked for in vain is dropped by the worker, not the broker."""

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from kombu import Connection

from customers.management.commands.declare_queues import declare
from order_project.beat import Scheduler
from order_project.celery import app


@pytest.mark.parametrize("reminder", settings.CELERY_BEAT_SCHEDULE)
class TestReminder:
    def test_expires_at_the_worker_and_not_at_the_broker(self, reminder: str) -> None:
        entry: Any = settings.CELERY_BEAT_SCHEDULE[reminder]

        with Connection("memory://") as connection:
            declare(app.amqp.queues["order.tasks"], connection.default_channel)
            app.send_task(entry["task"], connection=connection, **entry["options"])
            message = app.amqp.queues["order.tasks"](connection.default_channel).get()

        assert message.headers["expires"]
        assert "expiration" not in message.properties


class Remembering(Scheduler):
    """Notes what it would have sent, and needs no broker for it."""

    producer: Any = None

    def apply_entry(self, entry: Any, producer: Any = None) -> None:
        self.sent: list[str] = [*getattr(self, "sent", []), entry.name]


class TestBeat:
    def test_reminds_in_time_after_the_clock_was_set_back(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real = app.now()
        entry: Any = {"task": "orders.tasks.resume_orders", "schedule": 5}
        monkeypatch.setattr(app, "now", lambda: real + timedelta(hours=1))
        beat = Remembering(app, lazy=True)
        beat.merge_inplace({"resume": entry})

        for seconds in (0, 6, 12, 18):
            monkeypatch.setattr(app, "now", lambda: real + timedelta(seconds=seconds))  # noqa: B023
            for _ in range(3):
                beat.tick()

        assert beat.sent == ["resume"] * 3
