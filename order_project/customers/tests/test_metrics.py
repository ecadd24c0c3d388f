"""How the copy keeps up, in /metrics; what the worker's own port tells is in test_worker.py."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from customers.drift import find_suspects
from customers.models import RejectedEvent
from customers.operations import apply_user_events, apply_users, reject_message, verify_customers
from customers.tests.conftest import Owner
from customers.tests.events import event_of

Samples = dict[str, float]


def scraped(page: str) -> Samples:
    """Each sample under its name and labels."""
    return {
        " ".join([sample.name, *sample.labels.values()]): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


@pytest.fixture
def scrape(db: None, client: Client) -> Callable[[], Samples]:
    def scrape() -> Samples:
        answer = client.get("/metrics")
        assert answer.status_code == 200
        assert answer["Content-Type"].startswith("text/plain")
        return scraped(answer.content.decode())

    return scrape


@pytest.fixture
def growth(scrape: Callable[[], Samples]) -> Callable[[str], float]:
    """By how much a sample grew since the test began."""
    before = scrape()
    return lambda name: scrape()[name] - before.get(name, 0)


class TestEvents:
    def test_are_counted_by_what_became_of_them(
        self, growth: Callable[[str], float], ann: Any, bo: Any
    ) -> None:
        payloads = [event_of(ann.user), event_of(bo.user), event_of(ann.user), {"bad": 1}]

        apply_user_events(payloads=payloads, now=timezone.now())
        reject_message(body=b"{", error="no JSON", now=timezone.now())

        assert growth("freehold_copy_events_applied_total") == 2
        assert growth("freehold_copy_events_stale_total") == 1
        assert growth("freehold_copy_events_rejected_total") == 2

    def test_tell_how_late_they_are(
        self, growth: Callable[[str], float], ann: Any, bo: Any
    ) -> None:
        now = timezone.now()
        late = event_of(ann.user, time=(now - timedelta(seconds=20)).isoformat())
        from_the_future = event_of(bo.user, time=(now + timedelta(hours=1)).isoformat())

        apply_user_events(payloads=[late, from_the_future], now=now)

        assert growth("freehold_copy_lag_seconds_count") == 2
        assert growth("freehold_copy_lag_seconds_bucket 0.005") == 1
        assert growth("freehold_copy_lag_seconds_bucket 10.0") == 1
        assert growth("freehold_copy_lag_seconds_bucket 30.0") == 2
        assert 20 <= growth("freehold_copy_lag_seconds_sum") < 30


class TestDrift:
    def test_is_counted_by_its_kind_and_its_repair(
        self, growth: Callable[[str], float], owner: Owner, ann: Any, bo: Any
    ) -> None:
        owner.add(ann.user)
        apply_users(users=[replace(ann.user, name="Forged"), bo.user], now=timezone.now())

        for repair in (False, True):
            verify_customers(
                suspects=find_suspects(), scope="all", repair=repair, lag=0, wait=lambda _: None
            )

        assert growth("freehold_copy_drift_found_total different") == 2
        assert growth("freehold_copy_drift_found_total extra") == 2
        assert growth("freehold_copy_drift_found_total stale") == 0
        assert growth("freehold_copy_drift_repaired_total") == 2

    @pytest.mark.parametrize("scope", ["recent", "all"])
    def test_was_looked_for_at_a_time_that_is_told(
        self, scrape: Callable[[], Samples], scope: Any
    ) -> None:
        before = timezone.now().timestamp()

        verify_customers(suspects=[], scope=scope, repair=False, lag=0, wait=lambda _: None)

        assert scrape()[f"freehold_copy_verified_timestamp_seconds {scope}"] >= before


class TestRejectedEvents:
    def test_are_counted_until_they_are_resolved(self, scrape: Callable[[], Samples]) -> None:
        apply_user_events(payloads=[{"bad": 1}, {"bad": 2}], now=timezone.now())
        first = RejectedEvent.objects.order_by("id")[:1].get()
        RejectedEvent.objects.filter(pk=first.pk).update(resolved_at=timezone.now())

        assert scrape()["freehold_rejected_events_unresolved"] == 1

    @pytest.mark.skipif(connection.vendor == "mongodb", reason="statements pass no wrapper there")
    def test_are_left_out_while_the_database_is_away(self, scrape: Callable[[], Samples]) -> None:
        def away(*args: Any) -> None:
            raise OperationalError("the database is away")

        with connection.execute_wrapper(away):
            samples = scrape()

        assert "freehold_rejected_events_unresolved" not in samples
        assert "process_start_time_seconds" in samples
