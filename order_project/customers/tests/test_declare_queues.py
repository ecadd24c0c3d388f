"""After declare_queues the broker takes events, and before it the producer can tell."""

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from kombu import Connection, Exchange

from order_project.celery import app


@pytest.fixture
def broker(valkey_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    url = f"{valkey_url}/4"
    monkeypatch.setitem(app.conf, "broker_url", url)
    return url


def queues_for(url: str, routing_key: str) -> list[str]:
    """The queues that take what is published to `events`, as user_project looks them up."""
    with Connection(url) as connection:
        channel: Any = connection.channel()
        Exchange("events", "topic")(channel).declare()
        table = channel.get_table("events")
        return list(channel.typeof("events").lookup(table, "events", routing_key, None))


class TestDeclareQueues:
    def test_binds_the_queue_to_what_user_project_publishes(self, broker: str) -> None:
        out = StringIO()
        for _ in range(2):
            call_command("declare_queues", stdout=out)

        assert queues_for(broker, "user.events") == ["order.user-events"]
        assert queues_for(broker, "product.events") == []
        assert "order.user-events is there" in out.getvalue()

    def test_names_the_variable_when_the_broker_is_away(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(app.conf, "broker_url", "redis://:secret@127.0.0.1:1/0")
        monkeypatch.setitem(app.conf, "broker_connection_timeout", 0.1)

        with pytest.raises(CommandError, match="BROKER_URL") as error:
            call_command("declare_queues")

        assert "secret" not in str(error.value)
