"""The outbox in /metrics."""

import socket
import time
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone

from conftest import Manage, Subscriber
from outbox.models import PendingEvent
from users.models import User

pytestmark = pytest.mark.django_db(transaction=True)


def scraped(page: str) -> dict[str, float]:
    """The samples without labels."""
    lines = [line for line in page.splitlines() if line and not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


@pytest.fixture
def scrape(client: Client) -> Any:
    def scrape() -> dict[str, float]:
        answer = client.get("/metrics")
        assert answer.status_code == 200
        assert answer["Content-Type"].startswith("text/plain")
        return scraped(answer.content.decode())

    return scrape


class TestTheOutbox:
    def test_empty_has_nothing_pending(self, scrape: Any):
        samples = scrape()

        assert samples["freehold_outbox_pending_events"] == 0
        assert samples["freehold_outbox_oldest_pending_seconds"] == 0

    def test_is_counted_and_timed_when_it_is_asked_for(
        self, scrape: Any, ann: User, bo: User, django_assert_num_queries: Any
    ):
        oldest = PendingEvent.objects.earliest("pk")
        PendingEvent.objects.filter(pk=oldest.pk).update(
            created_at=timezone.now() - timedelta(seconds=90)
        )

        with django_assert_num_queries(1):
            samples = scrape()

        assert samples["freehold_outbox_pending_events"] == 2
        assert 90 <= samples["freehold_outbox_oldest_pending_seconds"] < 120

    def test_is_left_out_while_the_database_is_away(self, scrape: Any):
        def away(*args: Any) -> None:
            raise OperationalError("the database is away")

        with connection.execute_wrapper(away):
            samples = scrape()

        assert "freehold_outbox_pending_events" not in samples
        assert "process_start_time_seconds" in samples


def test_what_the_relay_published_is_told_by_the_web_process(
    start: Manage, subscriber: Subscriber, ann: User, bo: User, tmp_path: Path
):
    """Two processes that share a PROMETHEUS_MULTIPROC_DIR."""
    folder = {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    script = (
        "from django.test import Client; "
        "print(Client(HTTP_HOST='localhost').get('/metrics').content.decode())"
    )

    assert start("relay", "--once", **folder).wait() == 0
    page, errors = start("shell", "-v0", "-c", script, **folder).communicate()

    assert scraped(page)["freehold_outbox_events_published_total"] == 2, errors
    assert scraped(page)["freehold_outbox_pending_events"] == 0


def test_what_the_relay_failed_at_is_told_on_its_own_port(start: Manage, ann: User, tmp_path: Path):
    """Nobody is subscribed, so that the broker takes nothing."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}/metrics"

    start("relay", METRICS_PORT=str(port), PROMETHEUS_MULTIPROC_DIR=str(tmp_path))

    def failures() -> float:
        try:
            page = urlopen(url, timeout=1).read().decode()
        except OSError:
            return 0
        return scraped(page).get("freehold_outbox_publish_failures_total", 0)

    deadline = time.monotonic() + 30
    while not failures() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert failures() >= 1
