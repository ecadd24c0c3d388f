"""Staff's pages: usable, in a fixed number of statements, and honest about erasing."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from conftest import PASSWORD
from users.models import User

LIST = "/admin/users/user/"


def page_of(user: User, page: str = "change") -> str:
    return reverse(f"admin:users_user_{page}", args=[user.pk])


def text(answer: Any) -> str:
    assert answer.status_code == 200
    return str(answer.content.decode())


@pytest.fixture
def tom(db: None, client: Client) -> Client:
    """A browser of Tom, who is staff with every right to users but no superuser."""
    tom = User.objects.create_user("tom@example.com", PASSWORD, name="Tom", is_staff=True)
    tom.user_permissions.set(Permission.objects.filter(content_type__app_label="users"))
    client.force_login(tom)
    return client


class TestTheList:
    @pytest.mark.parametrize("size", [1, 90])
    def test_takes_the_same_statements_for_few_and_many(
        self, admin_of_cleo: Client, size: int, django_assert_num_queries: Any
    ):
        User.objects.bulk_create(
            [User(email=f"p{n:02}@example.com", name=f"Person {n:02}") for n in range(size)]
        )

        with django_assert_num_queries(5):  # session, who asks, two counts, the page
            page = text(admin_of_cleo.get(LIST))

        assert "p00@example.com" in page

    @pytest.mark.parametrize("search", ["ann@EXAMPLE", "ANN", "30 1234", "id"])
    def test_finds_by_address_name_phone_and_id(
        self, admin_of_cleo: Client, ann: User, bo: User, search: str
    ):
        page = text(admin_of_cleo.get(LIST, {"q": str(ann.pk) if search == "id" else search}))

        assert "ann@example.com" in page
        assert "bo@example.com" not in page

    def test_finds_nobody_by_half_an_id(self, admin_of_cleo: Client, ann: User):
        assert "ann@example.com" not in text(admin_of_cleo.get(LIST, {"q": str(ann.pk)[:8]}))

    def test_shows_the_erased_when_asked_for(self, admin_of_cleo: Client, ann: User):
        ann.delete()

        assert str(ann.pk) not in text(admin_of_cleo.get(LIST))
        assert f"erased user {ann.pk}" in text(admin_of_cleo.get(LIST, {"erased": "yes"}))
        assert f"erased user {ann.pk}" in text(admin_of_cleo.get(LIST, {"erased": "all"}))


class TestOneUser:
    @pytest.mark.parametrize("page", ["change", "delete", "history"])
    def test_has_its_pages(self, admin_of_cleo: Client, ann: User, page: str):
        assert "ann@example.com" in text(admin_of_cleo.get(page_of(ann, page)))

    def test_can_be_added_with_a_form(self, admin_of_cleo: Client):
        assert 'name="email"' in text(admin_of_cleo.get(reverse("admin:users_user_add")))

    def test_gets_a_new_password(self, admin_of_cleo: Client, ann: User):
        form = {"password1": "another good one", "password2": "another good one"}

        url = reverse("admin:auth_user_password_change", args=[ann.pk])
        answer = admin_of_cleo.post(url, form | {"usable_password": "true"})

        ann.refresh_from_db()
        assert answer.status_code == 302
        assert ann.check_password("another good one")

    def test_that_exists_is_not_added_again_in_another_case(self, admin_of_cleo: Client, ann: User):
        form = {"email": "ANN@example.com", "name": "Ann", "usable_password": "false"}

        answer = admin_of_cleo.post(reverse("admin:users_user_add"), form)

        assert "This e-mail address has an account" in text(answer)

    def test_that_is_erased_can_be_seen_and_no_more(self, admin_of_cleo: Client, ann: User):
        ann.delete()

        page = text(admin_of_cleo.get(page_of(ann)))
        assert 'name="_save"' not in page
        assert admin_of_cleo.post(page_of(ann), {"name": "Ann"}).status_code == 403
        assert admin_of_cleo.post(page_of(ann, "delete"), {"post": "yes"}).status_code == 403


class TestErasing:
    def test_is_called_by_its_name(self, admin_of_cleo: Client, ann: User):
        one = text(admin_of_cleo.get(page_of(ann, "delete")))
        some = text(
            admin_of_cleo.post(LIST, {"action": "delete_selected", "_selected_action": [ann.pk]})
        )

        assert "Erase selected users" in text(admin_of_cleo.get(LIST))
        assert "Erase ann@example.com?" in one
        assert "Erase these users?" in some
        for page in (one, some):
            assert "The id stays" in page.replace("ids stay", "id stays")
            assert "cannot be undone" in page
            assert "will be deleted" not in page
            assert "log entr" not in page.lower()

    def test_leaves_the_act_in_the_history_without_the_address(
        self, admin_of_cleo: Client, ann: User
    ):
        answer = admin_of_cleo.post(page_of(ann, "delete"), {"post": "yes"})

        assert answer.status_code == 302
        ann.refresh_from_db()
        assert ann.erased_at is not None
        assert LogEntry.objects.get().object_repr == "an erased user"

    @pytest.mark.parametrize("size", [2, 90])
    def test_takes_the_same_statements_for_few_and_many(
        self, admin_of_cleo: Client, size: int, django_assert_max_num_queries: Any
    ):
        people = User.objects.bulk_create(
            [User(email=f"p{n:02}@example.com", name=f"Person {n:02}") for n in range(size)]
        )
        form = {"action": "delete_selected", "post": "yes"}

        with django_assert_max_num_queries(
            16
        ):  # who asks, whom, history, memberships, outbox, rows
            admin_of_cleo.post(LIST, form | {"_selected_action": [user.pk for user in people]})

        assert User.objects.present().count() == 1


class TestWhoIsNoSuperuser:
    def test_may_look_after_people(self, tom: Client, ann: User):
        form = {"email": ann.email, "name": "Ann Archer", "phone": "", "is_active": "on"}

        assert tom.post(page_of(ann), form).status_code == 302

        ann.refresh_from_db()
        assert ann.name == "Ann Archer"

    def test_may_not_hand_out_rights(self, tom: Client):
        me = User.objects.get(name="Tom")
        form = {"email": me.email, "name": "Tom", "phone": "", "is_active": "on"}

        tom.post(page_of(me), form | {"is_superuser": "on"})

        me.refresh_from_db()
        assert (me.is_staff, me.is_superuser) == (True, False)

    def test_may_not_touch_a_superuser(self, tom: Client, cleo: User):
        password = reverse("admin:auth_user_password_change", args=[cleo.pk])

        assert tom.post(page_of(cleo), {"name": "X"}).status_code == 403
        assert tom.post(page_of(cleo, "delete"), {"post": "yes"}).status_code == 403
        assert tom.get(password).status_code == 403

    def test_may_not_erase_a_superuser_among_others(self, tom: Client, ann: User, cleo: User):
        form = {"action": "delete_selected", "_selected_action": [ann.pk, cleo.pk]}

        page = text(tom.post(LIST, form))
        answer = tom.post(LIST, form | {"post": "yes"})

        assert "take them out of the selection" in page
        assert answer.status_code == 403
        assert not User.objects.exclude(erased_at=None).exists()
