"""manage.py move_house: all of the service, from the engine under test to each other one."""

from collections.abc import Callable
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission, User
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client

from conftest import database_url, manage
from product_project.moving import NEW_HOME, connected
from products import operations
from products.models import PriceChange, Product

pytestmark = pytest.mark.django_db(transaction=True)

ASK_AND_CHANGE = """
from decimal import Decimal
from django.test import Client
from products.operations import change_product
print(Client(headers={"host": "localhost"}).get("/api/v1/products/?sku=TENT-2P").text)
print(change_product(sku="TENT-2P", changed_by="bo", price=Decimal(1)).price_changes.count())
"""


@pytest.fixture
def empty(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/empty.sqlite3"


@pytest.fixture
def shop(put_on_sale: Callable[..., Product], clerk: User, client: Client) -> Product:
    """Products with more prices than fit a page, and staff with rights, a session and a log."""
    tent = put_on_sale(description="Zelt \N{TENT}\n帐篷 ")
    put_on_sale("LAMP-OIL", is_active=False)
    operations.change_product(sku="TENT-2P", changed_by="clerk", price=Decimal("9999999999.99"))
    PriceChange.objects.bulk_create(
        PriceChange(product=tent, price=Decimal(cents) / 100, changed_by="ann")
        for cents in range(1001)
    )
    clerk.set_password("secret")
    clerk.save()
    clerks = Group.objects.create(name="clerks")
    clerks.permissions.set(Permission.objects.filter(codename__contains="product"))
    clerk.groups.add(clerks)
    clerk.user_permissions.add(Permission.objects.earliest("pk"))
    client.force_login(clerk)
    client.post("/admin/auth/group/add/", {"name": "readers"})
    return tent


def move_house(*options: str, to: str) -> str:
    said = StringIO()
    call_command("move_house", *options, to=to, stdout=said)
    return said.getvalue()


def rows_of(alias: str) -> dict[str, list[tuple[Any, ...]]]:
    return {
        model._meta.label: sorted(model._base_manager.using(alias).values_list(), key=repr)
        for model in apps.get_models(include_auto_created=True)
    }


def rows_at(url: str) -> dict[str, list[tuple[Any, ...]]]:
    with connected(url, "--to"):
        return rows_of(NEW_HOME)


class TestMoveHouse:
    def test_brings_every_row_again_and_again(self, shop, another_database):
        before = rows_of("default")

        for _ in range(2):
            said = move_house(to=another_database)

            assert "    1,004 products.PriceChange\n" in said
            assert f"All {sum(map(len, before.values())):,} rows are in the new database" in said
            assert rows_of("default") == rows_at(another_database) == before
        assert all(before.values())  # no table is empty

    def test_leaves_a_service_that_nobody_notices_has_moved(self, shop, client, another_database):
        move_house("--replace", to=another_database)

        env = {"DEBUG": "1", "DATABASE_URL": another_database}
        asked = manage("shell", "-v0", "-c", ASK_AND_CHANGE, env=env)

        assert asked.stderr == ""
        answer, prices = asked.stdout.splitlines()
        assert answer == client.get("/api/v1/products/?sku=TENT-2P").text
        assert prices == "1004"

    def test_replaces_only_when_told_to(self, shop, empty):
        move_house(to=empty)
        before = rows_at(empty)
        operations.change_product(sku="TENT-2P", changed_by="clerk", name="Tent")

        with pytest.raises(CommandError, match=r"has 2 rows here, of which 1 .* with --replace"):
            move_house(to=empty)

        assert rows_at(empty) == before
        move_house("--replace", to=empty)
        assert rows_at(empty) == rows_of("default")

    def test_drops_what_is_not_here_only_when_told_to(self, shop, empty):
        move_house(to=empty)
        PriceChange.objects.filter(changed_by="ann").delete()

        with pytest.raises(CommandError, match=r"PriceChange has 3 rows here, .* 1004 rows there"):
            move_house(to=empty)

        move_house("--replace", to=empty)
        assert rows_at(empty) == rows_of("default")


class TestRefusal:
    def test_is_for_who_would_move_to_where_they_are(self, tent):
        with pytest.raises(CommandError, match="Nothing was moved: that is this database"):
            move_house("--replace", to=database_url())

        assert Product.objects.get() == tent

    def test_is_for_who_names_no_database(self):
        with pytest.raises(CommandError, match="--to names the database 'x', which") as refusal:
            move_house(to="postgres://ann:secret@127.0.0.1:1/x")

        assert "secret" not in str(refusal.value)

    @pytest.mark.skipif(connection.vendor == "mysql", reason="MySQL lets in either Ann or ann")
    @pytest.mark.parametrize("another_database", ["mysql"], indirect=True)
    def test_is_by_the_new_database_and_leaves_it_as_it_was(self, shop, another_database):
        move_house("--replace", to=another_database)
        before = rows_at(another_database)
        User.objects.filter(username="clerk").update(username="Ann")
        User.objects.create(username="ann")

        with pytest.raises(CommandError, match=r"refuses it .*Duplicate entry 'ann'.* repeat"):
            move_house("--replace", to=another_database)

        assert rows_at(another_database) == before
