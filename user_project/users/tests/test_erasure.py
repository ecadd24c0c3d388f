"""DELETE users/me/: what is left of a person."""

import json
from io import StringIO
from typing import Any

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Group, Permission
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, models, transaction
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from conftest import PASSWORD, client_of, emitted
from users.models import User
from users.traces import files_of_sqlite

ME = "/api/v1/users/me/"


def everything() -> str:
    """All that the database holds, in all its tables."""
    rows = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")  # noqa: S608
            rows += cursor.fetchall()
    return str(rows).lower()


class TestErasure:
    def test_leaves_a_tombstone_and_emits(self, as_ann: APIClient, ann: User):
        emitted()

        answer = as_ann.delete(ME)

        assert (answer.status_code, answer.content) == (204, b"")
        ann.refresh_from_db()
        assert ann.erased_at is not None
        assert ann.version == 2
        assert emitted() == [("user_deleted", str(ann.pk))]

    def test_leaves_no_byte_of_the_person(self, ann: User, admin_of_cleo: Client):
        group = Group.objects.create(name="Customer care")
        ann.groups.add(group)
        ann.user_permissions.add(Permission.objects.earliest("pk"))
        admin_of_cleo.post(
            reverse("admin:users_user_change", args=[ann.pk]),
            {
                "email": "ann@archer.example",
                "name": "Ann",
                "phone": "+49 30 1234",
                "is_active": "on",
            },
        )
        client_of(ann).patch(ME, {"name": "Ann Archer"})
        password = User.objects.get(pk=ann.pk).password.lower()
        before = everything()
        assert all(trace in before for trace in ("ann@", "archer", "+49 30", password))

        client_of(ann).delete(ME)

        after = everything()
        assert not [trace for trace in ("ann@", "archer", "+49 30", password) if trace in after]
        assert not User.groups.through.objects.exists()
        assert not User.user_permissions.through.objects.exists()

    def test_scrubs_the_admins_history_and_keeps_the_acts(self, ann: User, cleo: User):
        LogEntry.objects.log_actions(cleo.pk, [ann, cleo], CHANGE, change_message="Ann married.")

        ann.delete()

        of_ann, of_cleo = LogEntry.objects.order_by("object_repr")
        assert (of_ann.object_id, of_ann.object_repr) == (str(ann.pk), "an erased user")
        assert (of_ann.change_message, of_ann.action_flag) == ("", CHANGE)
        assert of_cleo.object_repr == "cleo@example.com"

    def test_frees_the_address(self, as_ann: APIClient, ann: User, anyone: APIClient):
        as_ann.delete(ME)

        again = anyone.post(
            "/api/v1/users/", {"email": "ann@example.com", "name": "Ann", "password": PASSWORD}
        )

        assert again.status_code == 201
        assert again.json()["id"] != str(ann.pk)

    def test_ends_the_sessions_of_a_browser(self, ann: User, client: Client):
        client.force_login(ann)
        assert client.get(ME).status_code == 200

        ann.delete()

        assert client.get(ME).status_code == 401

    @pytest.mark.parametrize(
        "change",
        [{"name": "Ann"}, {"email": "a@b.example"}, {"phone": "1"}, {"is_active": True}],
    )
    def test_holds_against_the_database_itself(self, ann: User, change: dict[str, object]):
        ann.delete()

        with pytest.raises(IntegrityError), transaction.atomic():
            models.QuerySet(User).update(**change)


def report(user: User, monkeypatch: pytest.MonkeyPatch, *words: str) -> tuple[int, dict[str, Any]]:
    """The exit status of the command, and what it found in each place."""
    monkeypatch.setattr("sys.stdin", StringIO("\n".join(words)))
    out, status = StringIO(), 0
    try:
        call_command("erasure_report", user.pk, json=True, words=bool(words), stdout=out)
    except CommandError as error:
        status = error.returncode
    return status, {each["place"]: each["found"] for each in json.loads(out.getvalue())["places"]}


@pytest.mark.django_db(transaction=True)
class TestErasureReport:
    WORDS = "ann@example.com", "+49 30 1234"

    def test_finds_whoever_is_not_erased(self, ann: User, monkeypatch: pytest.MonkeyPatch):
        ann.groups.add(Group.objects.create(name="Customer care"))
        emitted()

        status, found = report(ann, monkeypatch, "ANN@example.com")

        assert status == 1
        assert (found["accounts"], found["groups and permissions"]) == (1, 1)
        assert found["table users_user"] == 1

    def test_finds_nothing_of_whoever_is(self, ann: User, monkeypatch: pytest.MonkeyPatch):
        ann.delete()
        emitted()

        status, found = report(ann, monkeypatch, *self.WORDS)

        assert (status, set(found.values())) == (0, {0})

    def test_cannot_tell_before_others_have_heard(self, ann: User, monkeypatch: pytest.MonkeyPatch):
        ann.delete()

        status, found = report(ann, monkeypatch)

        assert (status, found["outbox"]) == (2, None)

    def test_finds_what_somebody_noted_elsewhere(
        self, ann: User, cleo: User, monkeypatch: pytest.MonkeyPatch
    ):
        LogEntry.objects.log_actions(
            cleo.pk, [cleo], CHANGE, change_message="Ann@example.com asked."
        )
        ann.delete()
        emitted()

        status, found = report(ann, monkeypatch, *self.WORDS)

        assert (status, found["table django_admin_log"]) == (1, 1)

    def test_is_a_table_for_a_person(self, ann: User):
        ann.delete()
        emitted()
        out = StringIO()

        call_command("erasure_report", ann.pk, stdout=out)

        assert "e-mail, name, phone" in out.getvalue()


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "sqlite", reason="a server's files are its own affair")
def test_of_the_erased_nothing_stays_in_the_files_of_sqlite(ann: User):
    ann.name = "Annegret Unusual"
    ann.save()
    ann.delete()

    contents = [path.read_bytes() for path in files_of_sqlite()]

    for word in (b"Annegret", b"ann@example.com", b"+49 30 1234"):
        assert not [content for content in contents if word in content]
