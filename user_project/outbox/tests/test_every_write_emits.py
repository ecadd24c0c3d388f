"""Each way that Django offers to write users emits what changed, once, in its own transaction."""

from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import IntegrityError, NotSupportedError, connection, transaction
from django.db.models.functions import Upper
from django.db.models.signals import post_save
from django.test import Client
from django.urls import reverse

from conftest import Manage, emitted
from outbox.models import PendingEvent, PendingEventQuerySet
from users.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture
def ann(ann: User) -> User:
    emitted()
    return ann


class TestSave:
    def test_of_a_new_user_emits_user_created(self):
        user = User(email="dee@example.com", name="Dee")

        user.save()

        assert emitted() == [("user_created", str(user.pk))]
        assert user.version == 1

    def test_of_a_changed_name_emits_user_updated_one_version_higher(self, ann: User):
        ann.name = "Ann Smith"

        ann.save()

        assert emitted() == [("user_updated", str(ann.pk))]
        assert ann.version == 2
        assert User.objects.get(pk=ann.pk).name == "Ann Smith"

    def test_with_update_fields_emits(self, ann: User):
        ann.name = "Ann Smith"

        ann.save(update_fields=["name"])

        assert emitted() == [("user_updated", str(ann.pk))]
        assert User.objects.get(pk=ann.pk).version == 2

    def test_of_private_fields_alone_emits_nothing(self, ann: User):
        ann.phone = "+49 30 9999"
        ann.set_password("another good password")

        ann.save()

        assert emitted() == []
        assert User.objects.get(pk=ann.pk).version == 1
        assert User.objects.get(pk=ann.pk).phone == "+49 30 9999"

    def test_without_a_change_emits_nothing(self, ann: User):
        ann.save()

        assert emitted() == []

    def test_by_an_expression_emits(self, ann: User):
        ann.name = Upper("name")

        ann.save()

        assert emitted() == [("user_updated", str(ann.pk))]
        assert User.objects.get(pk=ann.pk).name == "ANN"

    def test_twice_emits_twice(self, ann: User):
        ann.name = "Ann Smith"
        ann.save()
        ann.name = "Ann Jones"
        ann.save()

        assert len(emitted()) == 2
        assert User.objects.get(pk=ann.pk).version == 3

    def test_that_fails_emits_nothing_and_leaves_the_object_usable(self, ann: User, bo: User):
        emitted()
        ann.email = bo.email

        with pytest.raises(Exception, match=r"(?i)unique|duplicate"), transaction.atomic():
            ann.save()

        assert emitted() == []
        assert ann.version == 1

    def test_lets_a_receiver_write_and_emits_what_that_changed(self, ann: User, bo: User):
        def rename_bo(instance: User, **_: object) -> None:
            if instance == ann:
                PendingEvent.objects.all().delete()  # a statement of another table
                bo.name = "Bo Archer"
                bo.save()

        ann.name = "Ann Archer"
        post_save.connect(rename_bo, sender=User)
        try:
            ann.save()
        finally:
            post_save.disconnect(rename_bo, sender=User)

        assert emitted() == [("user_updated", str(bo.pk))]

    @pytest.mark.django_db(transaction=True)
    def test_without_its_event_is_not_made(self, ann: User, monkeypatch):
        monkeypatch.setattr(PendingEventQuerySet, "_occasion", lambda _: ("", None))
        ann.name = "Ann Archer"

        for user in (ann, User(email="dee@example.com", name="Dee")):
            with pytest.raises(IntegrityError):
                user.save()

        assert list(User.objects.values_list("name", "version")) == [("Ann", 1)]
        assert emitted() == []


class TestQuerySets:
    def test_update_emits_for_each_user(self, ann: User, bo: User):
        emitted()

        count = User.objects.filter(pk__in=[ann.pk, bo.pk]).update(name="Someone")

        assert count == 2
        assert sorted(emitted()) == sorted(
            [("user_updated", str(ann.pk)), ("user_updated", str(bo.pk))]
        )
        assert set(User.objects.values_list("version", flat=True)) == {2}

    def test_update_of_private_fields_emits_nothing(self, ann: User):
        assert User.objects.update(is_active=False) == 1

        assert emitted() == []
        assert User.objects.get().version == 1

    @pytest.mark.parametrize("change", [{"name": "Someone"}, {"is_active": True}])
    def test_update_never_writes_to_a_tombstone(self, ann: User, change: dict):
        ann.delete()
        emitted()

        assert User.objects.update(**change) == 0

        assert emitted() == []

    def test_update_of_more_than_one_batch_emits_for_each(self):
        User.objects.bulk_create([User(email=f"{n}@example.com", name=str(n)) for n in range(1001)])
        emitted()

        assert User.objects.update(name="Someone") == 1001

        events = emitted()
        assert {event_type for event_type, _ in events} == {"user_updated"}
        assert len(set(events)) == 1001

    def test_bulk_create_emits(self):
        users = User.objects.bulk_create(
            [User(email=f"{n}@example.com", name=str(n)) for n in range(3)]
        )

        assert emitted() == [("user_created", str(user.pk)) for user in users]

    def test_bulk_create_that_may_update_is_refused(self):
        with pytest.raises(NotSupportedError, match="bulk_update"):
            User.objects.bulk_create(
                [User(email="dee@example.com", name="Dee")],
                update_conflicts=True,
                unique_fields=["email"],
                update_fields=["name"],
            )

    def test_bulk_update_emits(self, ann: User):
        ann.name = "Ann Smith"

        User.objects.bulk_update([ann], ["name"])

        assert emitted() == [("user_updated", str(ann.pk))]
        assert User.objects.get().version == 2

    def test_update_or_create_emits(self, ann: User):
        User.objects.update_or_create(email="ANN@example.com", defaults={"name": "Ann Smith"})

        assert emitted() == [("user_updated", str(ann.pk))]

    def test_delete_leaves_tombstones_and_emits_user_deleted(self, ann: User):
        User.objects.all().delete()

        assert emitted() == [("user_deleted", str(ann.pk))]
        tombstone = User.objects.get()
        assert tombstone.erased_at is not None
        assert tombstone.version == 2
        assert (tombstone.email, tombstone.name, tombstone.phone) == (None, "", "")
        assert not tombstone.has_usable_password()

    def test_delete_of_the_deleted_emits_nothing(self, ann: User):
        User.objects.all().delete()
        emitted()

        assert User.objects.all().delete() == (0, {"users.User": 0})

        assert emitted() == []


class TestOtherDoors:
    def test_delete_of_one_user_erases_and_emits(self, ann: User):
        ann.delete()

        assert emitted() == [("user_deleted", str(ann.pk))]
        assert ann.email is None

    def test_the_admin_form_emits(self, ann: User, cleo: User, client: Client):
        emitted()
        client.force_login(cleo)

        answer = client.post(
            reverse("admin:users_user_change", args=[ann.pk]),
            {"email": ann.email, "name": "Ann Smith", "phone": "", "is_active": "on"},
        )

        assert answer.status_code == 302, answer.context["errors"]
        assert emitted() == [("user_updated", str(ann.pk))]

    def test_the_admin_form_for_a_new_user_emits(self, cleo: User, client: Client):
        emitted()
        client.force_login(cleo)

        answer = client.post(
            reverse("admin:users_user_add"),
            {
                "email": "Dee@Example.com",
                "name": "Dee",
                "usable_password": "true",
                "password1": "correct horse battery",
                "password2": "correct horse battery",
            },
        )

        assert answer.status_code == 302, answer.context["errors"]
        dee = User.objects.get(email="dee@example.com")
        assert emitted() == [("user_created", str(dee.pk))]

    def test_the_admin_bulk_action_emits(self, ann: User, bo: User, cleo: User, client: Client):
        emitted()
        client.force_login(cleo)

        client.post(
            reverse("admin:users_user_changelist"),
            {"action": "delete_selected", "_selected_action": [ann.pk, bo.pk], "post": "yes"},
        )

        assert sorted(emitted()) == sorted(
            [("user_deleted", str(ann.pk)), ("user_deleted", str(bo.pk))]
        )

    def test_createsuperuser_emits(self):
        call_command(
            "createsuperuser",
            interactive=False,
            email="dee@example.com",
            name="Dee",
            stdout=StringIO(),
        )

        assert emitted() == [("user_created", str(User.objects.get().pk))]

    def test_loaddata_emits(self, ann: User, tmp_path: Path):
        call_command("dumpdata", "users.user", output=str(tmp_path / "users.json"))
        ann.delete()
        User._base_manager.filter(pk=ann.pk)._raw_delete(User.objects.db)
        emitted()

        call_command("loaddata", str(tmp_path / "users.json"), verbosity=0)

        assert emitted() == [("user_created", str(ann.pk))]

    def test_a_rolled_back_transaction_emits_nothing(self, ann: User):
        def fail_late() -> None:
            ann.name = "Ann Smith"
            ann.save()
            User.objects.create_user("dee@example.com", name="Dee")
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            transaction.atomic(fail_late)()

        assert emitted() == []
        assert User.objects.get().name == "Ann"

    def test_what_is_pending_holds_no_personal_data(self, ann: User):
        ann.name = "Ann Smith"
        ann.save()

        row = PendingEvent.objects.values().get()

        assert not {"ann", "smith"} & set(str(row).lower().replace("@", " ").split())
        assert set(row) == {"id", "type", "user_id", "request_id", "created_at"}


def test_the_shell_emits(start: Manage):
    script = (
        "from users.models import User; User.objects.create_user('dee@example.com', name='Dee')"
    )

    done = start("shell", "-v0", "-c", script)

    assert done.wait() == 0
    assert emitted() == [("user_created", str(User.objects.get().pk))]


def test_every_way_of_writing_keeps_the_address_in_lower_case(ann: User):
    def by_save() -> None:
        ann.email = "ANN@save.example"
        ann.save()

    def by_bulk_update() -> None:
        ann.email = "ANN@bulk.example"
        User.objects.bulk_update([ann], ["email"])

    ways = {
        "save": by_save,
        "update": lambda: User.objects.update(email="ANN@update.example"),
        "bulk": by_bulk_update,
    }
    for name, write in ways.items():
        write()

        assert User.objects.get().email == f"ann@{name}.example"
        assert User.objects.get(email=f"Ann@{name.upper()}.example") == ann


@pytest.mark.django_db(transaction=True)
def test_of_many_changes_at_once_each_is_counted(ann: User):
    def rename(number: int) -> None:
        try:
            user = User.objects.get(pk=ann.pk)
            user.name = f"Ann {number}"
            user.save()
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(rename, range(8)))

    assert User.objects.get().version == 9
    assert emitted() == [("user_updated", str(ann.pk))] * 8
