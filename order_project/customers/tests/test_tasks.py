"""What beat starts finds drift and mends it without anyone looking."""

import logging
from typing import Any

import pytest
import responses
from django.utils import timezone

from customers import tasks
from customers.models import Customer
from customers.operations import apply_users
from customers.tests.conftest import Owner

VERIFICATIONS = [tasks.verify_recent_customers, tasks.verify_all_customers]


@pytest.fixture(autouse=True)
def _no_lag(settings: Any) -> None:
    settings.COPY_LAG_SECONDS = 0


@pytest.mark.django_db
class TestVerification:
    @pytest.mark.parametrize("verify", VERIFICATIONS)
    def test_mends_what_an_event_failed_to_bring(
        self, owner: Owner, ann: Any, bo: Any, caplog: Any, verify: Any
    ) -> None:
        owner.add(ann.user, bo.user)
        apply_users(users=[ann.user], now=timezone.now())

        verify()

        assert list(Customer.objects.order_by("id").as_users()) == [ann.user, bo.user]
        assert "1 missing; 1 repaired" in caplog.text

    @pytest.mark.parametrize("verify", VERIFICATIONS)
    def test_tells_that_all_is_well(self, owner: Owner, ann: Any, caplog: Any, verify: Any) -> None:
        owner.add(ann.user)
        apply_users(users=[ann.user], now=timezone.now())

        with caplog.at_level(logging.INFO):
            verify()

        assert "the copy equals its owner" in caplog.text

    @pytest.mark.parametrize("verify", VERIFICATIONS)
    def test_tells_that_the_owner_does_not_answer(self, caplog: Any, verify: Any) -> None:
        with responses.RequestsMock():
            verify()

        assert "the copy was not verified" in caplog.text
