"""Every row comes to another database and is the same there, or the move says why not."""

import json
from typing import Any

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth import authenticate
from django.contrib.auth.models import Group, Permission, User
from django.core.management import CommandError, call_command
from django.db import connection

from customers.models import Customer, RejectedEvent
from customers.operations import apply_user_events, reject_message
from order_project.moving import NotMoved, moved_models, pack, unpack
from orders.models import Order
from orders.tests.conftest import NOW, place

pytestmark = pytest.mark.django_db

KEPT = {
    "admin.logentry": 1,
    "auth.group": 1,
    "auth.user": 2,
    "customers.customer": 2,
    "customers.rejectedevent": 1,
    "orders.order": 3,
}


@pytest.fixture
def house(copied: None, shop: Any, ann: Any, bo: Any, settings: Any) -> None:
    """A service that was lived in: orders in several states, customers, staff and what they did."""
    place(ann, key="k1", TENT_2P=1, MUG_ENAMEL=2)
    place(ann, TENT_2P=9)
    shop.before = shop.lose
    pending = place(bo)
    apply_user_events(payloads=[{"name": "Ä 🎪 \0 \ud800"}], now=NOW)
    packers = Group.objects.create(name="Packers")
    packers.permissions.set(Permission.objects.filter(codename__in=["view_order", "change_order"]))
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # a quick one
    dora = User.objects.create_user("dora", password="correct horse", is_staff=True)
    dora.groups.add(packers)
    dora.user_permissions.add(Permission.objects.get(codename="view_customer"))
    cleo = User.objects.create_superuser("cleo")
    LogEntry.objects.log_actions(cleo.pk, [pending], CHANGE, change_message="Looked at.")


def of_another_database(lines: list[bytes]) -> list[bytes]:
    """The same rows, as if another database had sent them."""
    return [json.dumps({"history": "another"}).encode(), *lines[1:]]


def clear() -> None:
    for model in reversed(moved_models()):
        model._base_manager.all().delete()


@pytest.mark.usefixtures("house")
class TestUnpack:
    def test_brings_every_row_as_it_was(self):
        lines = list(pack())
        orders = list(Order.objects.order_by("id").values())
        clear()

        counts = unpack(of_another_database(lines), replace=False)

        assert counts == KEPT
        assert sorted(pack()) == sorted(lines)
        assert list(Order.objects.order_by("id").values()) == orders

    def test_keeps_who_staff_are_and_what_they_may(self):
        lines = list(pack())
        clear()

        unpack(of_another_database(lines), replace=False)

        dora = authenticate(username="dora", password="correct horse")
        assert dora is not None
        assert [group.name for group in dora.groups.all()] == ["Packers"]
        through = Group.permissions.through.objects.values_list("permission_id", flat=True)
        codenames = Permission.objects.filter(pk__in=list(through)).values_list("codename")
        assert set(codenames) == {("view_order",), ("change_order",)}
        assert dora.user_permissions.get().codename == "view_customer"
        assert LogEntry.objects.get().user == User.objects.get(username="cleo")

    def test_knows_a_row_again_that_was_written_as_a_second_began(self):
        User.objects.update(date_joined=NOW.replace(microsecond=456))
        lines = list(pack())
        clear()

        assert unpack(of_another_database(lines), replace=False) == KEPT

    def test_only_compares_where_the_same_rows_are_already(self):
        lines = of_another_database(list(pack()))
        keys = set(User.objects.values_list("pk"))

        assert unpack(lines, replace=False) == KEPT

        assert set(User.objects.values_list("pk")) == keys

    def test_changes_nothing_where_other_rows_are(self, ann):
        lines = of_another_database(list(pack()))
        Order.objects.filter(status="pending").update(attempts=7)
        Customer._base_manager.filter(pk=ann.id).delete()

        with pytest.raises(NotMoved, match=r"3 orders\.order came, and 3 are there") as refusal:
            unpack(lines, replace=False)

        assert "2 customers.customer came, and 1 are there" in str(refusal.value)
        assert Order.objects.get(status="pending").attempts == 7

    def test_replaces_other_rows_on_demand(self, ann):
        lines = list(pack())
        Order.objects.filter(status="pending").update(attempts=7)
        RejectedEvent.objects.all().delete()
        User.objects.create_user("eve")

        unpack(of_another_database(lines), replace=True)

        assert sorted(pack()) == sorted(lines)

    @pytest.mark.parametrize("lost", [slice(-1, None), slice(-2, -1), slice(1, None), slice(None)])
    def test_does_not_take_a_part_for_the_whole(self, lost):
        lines = of_another_database(list(pack()))
        clear()
        del lines[lost]

        with pytest.raises(NotMoved, match=r"less came than was sent|not from any"):
            unpack(lines, replace=False)

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.skipif(connection.vendor == "mongodb", reason="it takes nothing back")
    def test_leaves_nothing_of_a_move_that_failed(self):
        lines = of_another_database(list(pack()))
        clear()

        with pytest.raises(NotMoved):
            unpack(lines[:-1], replace=False)

        assert not Order.objects.exists()

    def test_can_be_repeated_after_it_failed(self):
        lines = of_another_database(list(pack()))
        clear()
        with pytest.raises(NotMoved):
            unpack([*lines[:-3], lines[-3][:40]], replace=False)

        assert unpack(lines, replace=True) == KEPT

    def test_names_a_right_that_is_no_more(self):
        lines = of_another_database(list(pack()))
        clear()
        lines = [line.replace(b'"view_order"', b'"sell_order"') for line in lines]

        with pytest.raises(NotMoved, match=r"auth\.group.*sell_order"):
            unpack(lines, replace=False)

    def test_never_takes_the_old_database_for_the_new_one(self):
        with pytest.raises(NotMoved, match="this database itself"):
            unpack(list(pack()), replace=True)

        assert Order.objects.count() == 3


class TestMoveHouse:
    @pytest.mark.usefixtures("house")
    def test_tells_what_it_moved_and_can_be_repeated(self, tmp_path, capfd):
        new_home = f"sqlite:///{tmp_path / 'new.sqlite3'}"

        for _ in range(2):
            call_command("move_house", to=new_home)

            told = capfd.readouterr().out
            assert "3 orders.order\n" in told
            assert "All 10 rows are in the new database, each as it was." in told

    def test_says_so_where_more_rows_wait_than_a_pipe_takes(self, db, capfd):
        for number in range(500):
            reject_message(body=f"{number} {'nonsense ' * 20}", error="no JSON", now=NOW)

        with pytest.raises(CommandError, match="The move was not made"):
            call_command("move_house", to="oracle://127.0.0.1/none")

        assert "DATABASE_URL must start with" in capfd.readouterr().err

    @pytest.mark.parametrize(
        ("url", "reason"),
        [
            (
                "mongodb://ann:secret@127.0.0.1:1/none?serverSelectionTimeoutMS=9",
                "the new database refuses (127.0.0.1:1: ",
            ),
            ("oracle://127.0.0.1/none", "DATABASE_URL must start with"),
        ],
    )
    def test_says_why_a_database_cannot_be_moved_to(self, url, reason, capfd):
        with pytest.raises(CommandError, match="The move was not made"):
            call_command("move_house", to=url)

        told = capfd.readouterr().err
        assert reason in told
        assert "secret" not in told
        assert "Traceback" not in told
