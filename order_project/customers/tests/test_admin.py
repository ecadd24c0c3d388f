"""Staff see the copy and the rejected events, and can have one tried again; nothing else."""

import json
from dataclasses import replace
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission, User
from django.test import Client
from django.utils import timezone

from contracts import users
from customers.models import Customer, RejectedEvent
from customers.operations import apply_user_events, apply_users, reject_message
from customers.tests.events import event_of

CUSTOMERS = "/admin/customers/customer/"
REJECTED = "/admin/customers/rejectedevent/"


@pytest.fixture
def admin(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("cleo"))
    return client


def member(*permissions: str) -> Client:
    """Staff with these permissions alone."""
    user = User.objects.create_user("dora", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


def reject(event: dict[str, Any]) -> RejectedEvent:
    apply_user_events(payloads=[event], now=timezone.now())
    return RejectedEvent.objects.get()


def retry(client: Client, rejected: RejectedEvent) -> Any:
    data = {"action": "retry", "_selected_action": [str(rejected.pk)]}
    return client.post(REJECTED, data, follow=True)


def dismiss(client: Client, rejected: RejectedEvent, **form: str) -> Any:
    data = {"action": "dismiss", "_selected_action": [str(rejected.pk)]} | form
    return client.post(REJECTED, data, follow=True)


class TestCustomerAdmin:
    def test_lists_searches_and_filters(self, admin: Client, ann: Any, bo: Any) -> None:
        erased = replace(bo.user, deleted=True)
        apply_users(users=[ann.user, erased], now=timezone.now())

        both = admin.get(CUSTOMERS).content.decode()
        found = admin.get(CUSTOMERS, {"q": "Ann"}).content.decode()
        by_id = admin.get(CUSTOMERS, {"q": ann.id}).content.decode()
        alive = admin.get(CUSTOMERS, {"is_deleted__exact": "0"}).content.decode()

        assert f"erased {bo.id}" in both
        assert ann.user.email in both
        for page in (found, by_id, alive):
            assert ann.user.email in page
            assert bo.id not in page

    def test_takes_as_many_queries_for_many_as_for_one(
        self, admin: Client, many: list[users.User], django_assert_max_num_queries: Any
    ) -> None:
        apply_users(users=many, now=timezone.now())

        with django_assert_max_num_queries(5):
            page = admin.get(CUSTOMERS)

        assert page.status_code == 200

    def test_changes_nothing(self, admin: Client, ann: Any) -> None:
        apply_users(users=[ann.user], now=timezone.now())
        url = f"{CUSTOMERS}{ann.id}"

        page = admin.get(f"{url}/change/").content.decode()

        assert ann.user.name in page
        assert "_save" not in page
        assert admin.post(f"{url}/change/", {"name": "Other"}).status_code == 403
        assert admin.post(f"{url}/delete/", {"post": "yes"}).status_code == 403
        assert admin.post(f"{CUSTOMERS}add/", {}).status_code == 403
        assert list(Customer.objects.as_users()) == [ann.user]


class TestRejectedEventAdmin:
    def test_shows_reason_and_payload(self, admin: Client, ann: Any) -> None:
        rejected = reject(event_of(ann.user, time="yesterday"))

        listed = admin.get(REJECTED).content.decode()
        page = admin.get(f"{REJECTED}{rejected.pk}/change/").content.decode()

        assert "not ISO 8601" in listed
        assert "not ISO 8601" in page
        assert "&quot;time&quot;: &quot;yesterday&quot;" in page
        assert "_save" not in page

    def test_shows_and_retries_in_vain_what_is_nested_too_deeply(self, admin: Client) -> None:
        reject_message(body="[" * 5000 + "]" * 5000, error="unknown", now=timezone.now())
        rejected = RejectedEvent.objects.get()

        page = admin.get(f"{REJECTED}{rejected.pk}/change/").content.decode()
        retried = retry(admin, rejected).content.decode()

        assert "[[[[" in page
        assert "Retried in vain: the message is not JSON, or too deep" in retried

    def test_retries_what_can_be_applied_by_now(self, admin: Client, ann: Any) -> None:
        rejected = reject({"not": "yet"})
        mend(rejected, ann.user)

        page = retry(admin, rejected).content.decode()

        rejected.refresh_from_db()
        assert "Retried and applied." in page
        assert rejected.resolved_at is not None
        assert rejected.resolved_by == "cleo"
        assert list(Customer.objects.as_users()) == [ann.user]
        assert LogEntry.objects.get().get_change_message() == "Retried and applied."

    def test_says_why_when_a_retry_is_in_vain(self, admin: Client) -> None:
        rejected = reject({"still": "bad"})

        page = retry(admin, rejected).content.decode()

        rejected.refresh_from_db()
        assert "Retried in vain: Object missing required field" in page
        assert rejected.resolved_at is None
        assert "in vain" in LogEntry.objects.get().get_change_message()

    def test_lets_only_those_retry_who_may_change(self, db: None, ann: Any) -> None:
        rejected = reject({"not": "yet"})
        mend(rejected, ann.user)

        page = retry(member("view_rejectedevent"), rejected)

        rejected.refresh_from_db()
        assert b"Retry the selected" not in page.content
        assert rejected.resolved_at is None

    def test_retries_a_whole_message(self, admin: Client, ann: Any, bo: Any) -> None:
        body = json.dumps([[[event_of(ann.user), {"bad": 1}, event_of(bo.user)]], {}, {}])
        reject_message(body=body, error="dead-lettered", now=timezone.now())
        [rejected] = RejectedEvent.objects.all()

        page = retry(admin, rejected).content.decode()

        assert "Retried and applied." in page
        assert list(Customer.objects.order_by("id").as_users()) == [ann.user, bo.user]
        assert [each.payload for each in RejectedEvent.objects.unresolved()] == ['{"bad": 1}']

    def test_dismisses_for_a_reason(self, admin: Client) -> None:
        rejected = reject({"still": "bad"})

        asked = dismiss(admin, rejected).content.decode()
        empty = dismiss(admin, rejected, dismiss="Dismiss", reason=" ").content.decode()
        rejected.refresh_from_db()
        assert "Each of these stays as it is" in asked
        assert "This field is required." in empty
        assert rejected.resolved_at is None

        page = dismiss(admin, rejected, dismiss="Dismiss", reason="A test of theirs.")

        rejected.refresh_from_db()
        assert b": dismissed." in page.content
        assert rejected.resolved_at is not None
        assert (rejected.resolved_by, rejected.dismissal_reason) == ("cleo", "A test of theirs.")
        assert LogEntry.objects.get().get_change_message() == "Dismissed: A test of theirs."

    def test_dismisses_nothing_that_is_resolved(self, admin: Client) -> None:
        rejected = reject({"still": "bad"})
        dismiss(admin, rejected, dismiss="Dismiss", reason="First.")

        dismiss(admin, rejected, dismiss="Dismiss", reason="Second.")

        rejected.refresh_from_db()
        assert rejected.dismissal_reason == "First."
        assert LogEntry.objects.count() == 1

    def test_lets_only_those_dismiss_who_may_change(self, db: None) -> None:
        rejected = reject({"still": "bad"})

        dismiss(member("view_rejectedevent"), rejected, dismiss="Dismiss", reason="No.")

        rejected.refresh_from_db()
        assert rejected.resolved_at is None

    @pytest.mark.usefixtures("joins")
    def test_offers_the_retry_to_those_who_may_change(self) -> None:
        reject({"still": "bad"})

        page = member("view_rejectedevent", "change_rejectedevent").get(REJECTED)

        assert b"Retry the selected" in page.content


class TestLocalStaff:
    @pytest.mark.usefixtures("joins")
    def test_are_given_rights(self, admin: Client) -> None:
        group, dora = Group.objects.create(name="Packers"), User.objects.create_user("dora")

        for page in (f"group/{group.pk}", f"user/{dora.pk}"):
            shown = admin.get(f"/admin/auth/{page}/change/").content.decode()
            assert "Can change rejected event" in shown

    def test_are_made_and_found(self, admin: Client) -> None:
        word = "correct horse battery"
        form = {"username": "dora", "usable_password": "true", "password1": word, "password2": word}

        made = admin.post("/admin/auth/user/add/", form)

        assert made.headers["Location"].endswith(f"/{User.objects.get(username='dora').pk}/change/")
        assert "dora" in admin.get("/admin/auth/user/", {"q": "dor"}).content.decode()


def mend(rejected: RejectedEvent, user: users.User) -> None:
    """As if a new version of this service could read the payload."""
    RejectedEvent.objects.filter(pk=rejected.pk).update(payload=json.dumps(event_of(user)))
