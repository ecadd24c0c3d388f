"""Pending events in the admin: to be seen, and not to be touched."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from outbox.models import PendingEvent
from users.models import User

LIST = "/admin/outbox/pendingevent/"


def text(answer: Any) -> str:
    assert answer.status_code == 200
    return str(answer.content.decode())


@pytest.mark.parametrize("size", [1, 150])
def test_the_list_takes_the_same_statements_for_few_and_many(
    admin_of_cleo: Client, size: int, django_assert_num_queries: Any
):
    User.objects.bulk_create([User(email=f"p{n}@example.com", name="Person") for n in range(size)])

    with django_assert_num_queries(5):  # session, who asks, two counts, the page
        page = text(admin_of_cleo.get(LIST))

    assert "user_created" in page or "Created" in page


def test_the_list_shows_how_long_each_has_waited(admin_of_cleo: Client, ann: User):
    PendingEvent.objects.update(created_at=timezone.now() - timedelta(minutes=90, seconds=5))

    assert "1:30:0" in text(admin_of_cleo.get(LIST))


def test_the_list_is_searched_by_user_and_request(admin_of_cleo: Client, ann: User):
    PendingEvent.objects.filter(user_id=ann.pk).update(request_id="feed")

    for search in (str(ann.pk), "feed"):
        page = text(admin_of_cleo.get(LIST, {"q": search}))
        assert "1 pending event\n" in page
        assert str(ann.pk) in page


def test_nothing_can_be_changed(admin_of_cleo: Client, ann: User):
    pending = PendingEvent.objects.get(user_id=ann.pk)

    assert "Save" not in text(admin_of_cleo.get(f"{LIST}{pending.pk}/change/"))
    for page in ("add/", f"{pending.pk}/delete/"):
        assert admin_of_cleo.get(LIST + page).status_code == 403
    assert admin_of_cleo.post(f"{LIST}{pending.pk}/change/", {}).status_code == 403
    assert "delete_selected" not in text(admin_of_cleo.get(LIST))
