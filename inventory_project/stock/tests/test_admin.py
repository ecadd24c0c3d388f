"""Staff see live levels and receive stock in the admin, and change nothing else there."""

from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from contracts.inventory import ReservationLine
from stock.models import Item, Movement
from stock.operations import fulfil_reservation, receive_stock, reserve_stock
from stock.stores.protocol import StockStore
from stock.stores.redis import RedisStore
from stock.tests.ledgers import copy_all

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("store")]

ITEMS = reverse("admin:stock_item_changelist")
UNREACHABLE = "redis://127.0.0.1:1"


@pytest.fixture
def shop(store: StockStore) -> None:
    """Two items; two of the five tents are held for an order."""
    for sku, quantity in (("MUG-ENAMEL", 9), ("TENT-2P", 5)):
        receive_stock(sku=sku, quantity=quantity, reason="delivery", by="cleo")
    tents = (ReservationLine(sku="TENT-2P", quantity=2),)
    reserve_stock(order_id=uuid4(), lines=tents, by="order")


def cells(page: Any) -> list[list[str]]:
    """The texts of the change list's rows."""
    rows = page.context["cl"].result_list
    admin = page.context["cl"].model_admin
    return [
        [item.sku, admin.on_hand(item), admin.reserved(item), admin.available(item)]
        for item in rows
    ]


@pytest.mark.usefixtures("shop")
class TestItems:
    def test_are_listed_with_their_live_levels(self, admin_client: Client) -> None:
        page = admin_client.get(ITEMS)

        assert cells(page) == [["MUG-ENAMEL", 9, 0, 9], ["TENT-2P", 5, 2, 3]]
        assert '<td class="field-available">3</td>' in page.text

    def test_are_listed_by_as_many_queries_however_many_they_are(
        self,
        admin_client: Client,
        store: StockStore,
        django_assert_num_queries: DjangoAssertNumQueries,
    ) -> None:
        Item.objects.bulk_create(Item(sku=f"SKU-{number:03}") for number in range(48))
        # session, user, count, page; the levels
        in_sql = 4 if isinstance(store, RedisStore) else 5

        with django_assert_num_queries(in_sql):
            page = admin_client.get(ITEMS)

        assert len(cells(page)) == 50

    def test_are_found_by_sku_and_by_shelf(self, admin_client: Client) -> None:
        Item.objects.filter(sku="TENT-2P").update(shelf="A-03-2")

        found = [cells(admin_client.get(ITEMS, {"q": words})) for words in ("tent", "a-03")]

        assert found == [[["TENT-2P", 5, 2, 3]]] * 2

    def test_are_filtered_by_having_no_shelf(self, admin_client: Client) -> None:
        Item.objects.filter(sku="TENT-2P").update(shelf="A-03-2")

        page = admin_client.get(ITEMS, {"shelf__isempty": "1"})

        assert [row[0] for row in cells(page)] == ["MUG-ENAMEL"]

    def test_keep_their_sku_when_they_are_changed(self, admin_client: Client) -> None:
        address = reverse("admin:stock_item_change", args=["TENT-2P"])
        page = admin_client.get(address)

        admin_client.post(address, {"sku": "TENT-9P", "shelf": "A-03-2"})

        assert '<div class="readonly">3</div>' in page.text
        assert list(Item.objects.filter(shelf="A-03-2").values_list("sku")) == [("TENT-2P",)]

    def test_are_added_before_their_first_receipt(self, admin_client: Client) -> None:
        answer = admin_client.post(
            reverse("admin:stock_item_add"), {"sku": "LAMP-HEAD", "shelf": "D-01-1"}
        )

        assert answer.status_code == 302
        assert Item.objects.get(sku="LAMP-HEAD").shelf == "D-01-1"

    def test_are_not_added_under_what_is_no_sku(self, admin_client: Client) -> None:
        page = admin_client.post(reverse("admin:stock_item_add"), {"sku": "lamp head"})

        assert "such as TENT-2P" in page.text

    def test_cannot_be_deleted(self, admin_client: Client) -> None:
        answer = admin_client.post(reverse("admin:stock_item_delete", args=["TENT-2P"]))

        assert answer.status_code == 403


class TestItemsWithoutTheirStore:
    def test_are_listed_without_levels(self, admin_client: Client, settings: Any) -> None:
        Item.objects.create(sku="TENT-2P")
        settings.STOCK_URL = UNREACHABLE

        page = admin_client.get(ITEMS)

        assert cells(page) == [["TENT-2P", None, None, None]]
        assert "No levels are shown. The stock store cannot be reached" in page.text


@pytest.mark.usefixtures("shop")
class TestReceiveStock:
    def choose(self, client: Client, *skus: str) -> Any:
        """Selects items and the action, as on the change list."""
        return client.post(ITEMS, {"action": "receive", "index": "0", "_selected_action": skus})

    def send(self, client: Client, form: Any, **fields: object) -> Any:
        """Sends the form that followed."""
        hidden = {
            "action": "receive",
            "receive": "Receive",
            "_selected_action": [item.sku for item, _ in form.context["items"]],
            "receipt_id": str(form.context["form"]["receipt_id"].value()),
        }
        return client.post(ITEMS, hidden | fields, follow=True)

    def test_asks_how_many_and_why(self, admin_client: Client) -> None:
        form = self.choose(admin_client, "TENT-2P")

        assert "TENT-2P: 5 on hand, 2 of them reserved" in form.text
        assert 'name="quantity"' in form.text
        assert 'name="reason"' in form.text
        assert "MUG-ENAMEL" not in form.text

    def test_receives_that_for_each_selected_item(
        self, admin_client: Client, store: StockStore
    ) -> None:
        form = self.choose(admin_client, "TENT-2P", "MUG-ENAMEL")

        page = self.send(admin_client, form, quantity=4, reason="delivery 4711")

        copy_all(store)
        assert cells(page) == [["MUG-ENAMEL", 13, 0, 13], ["TENT-2P", 9, 2, 7]]
        assert "TENT-2P: received +4, 9 on hand." in page.text
        assert Movement.objects.filter(by="admin", reason="delivery 4711").count() == 2

    def test_takes_no_more_items_than_a_form_can_carry(self, admin_client: Client) -> None:
        Item.objects.bulk_create(Item(sku=f"SKU-{number}") for number in range(501))
        selected = {"_selected_action": ["SKU-0"], "select_across": "1"}

        page = admin_client.post(ITEMS, {"action": "receive", "index": "0"} | selected, follow=True)

        assert "500 items at once at most" in page.text

    def test_counts_a_form_sent_twice_once(self, admin_client: Client) -> None:
        form = self.choose(admin_client, "TENT-2P")
        self.send(admin_client, form, quantity=4, reason="delivery")

        page = self.send(admin_client, form, quantity=4, reason="delivery")

        assert "TENT-2P: was received already, 9 on hand." in page.text

    def test_shows_what_is_refused(self, admin_client: Client) -> None:
        form = self.choose(admin_client, "TENT-2P", "MUG-ENAMEL")

        page = self.send(admin_client, form, quantity=-4, reason="torn")

        assert "largest correction possible is -3" in page.text
        assert cells(page) == [["MUG-ENAMEL", 5, 0, 5], ["TENT-2P", 5, 2, 3]]

    @pytest.mark.parametrize(
        ("fields", "words"),
        [
            ({"quantity": 0, "reason": "delivery"}, "0 moves nothing"),
            ({"quantity": 10**9, "reason": "delivery"}, "less than or equal to 1000000"),
            ({"quantity": "", "reason": "delivery"}, "This field is required"),
            ({"quantity": 4, "reason": ""}, "This field is required"),
        ],
    )
    def test_asks_again_for_what_makes_no_sense(
        self, admin_client: Client, fields: dict[str, object], words: str
    ) -> None:
        form = self.choose(admin_client, "TENT-2P")

        page = self.send(admin_client, form, **fields)

        assert words in page.text
        assert cells(admin_client.get(ITEMS))[1] == ["TENT-2P", 5, 2, 3]

    def test_is_not_for_those_who_may_only_look(self, client: Client) -> None:
        bo = User.objects.create_user("bo", is_staff=True)
        bo.user_permissions.add(Permission.objects.get(codename="view_item"))
        client.force_login(bo)

        page = client.get(ITEMS)

        assert page.status_code == 200
        assert "Receive stock" not in page.text


@pytest.mark.usefixtures("shop")
class TestReservations:
    address = reverse("admin:stock_reservation_changelist")

    def test_are_listed_with_their_lines(
        self,
        admin_client: Client,
        store: StockStore,
        django_assert_num_queries: DjangoAssertNumQueries,
    ) -> None:
        for _ in range(3):
            mugs = (ReservationLine(sku="MUG-ENAMEL", quantity=1),)
            reserve_stock(order_id=uuid4(), lines=mugs, by="order")
        copy_all(store)

        with django_assert_num_queries(4):  # session, user, count, page
            page = admin_client.get(self.address)

        assert "2 TENT-2P" in page.text
        assert page.context["cl"].result_count == 4

    def test_are_found_by_order_and_filtered_by_state(
        self, admin_client: Client, store: StockStore
    ) -> None:
        order_id = uuid4()
        mugs = (ReservationLine(sku="MUG-ENAMEL", quantity=1),)
        reserve_stock(order_id=order_id, lines=mugs, by="order")
        fulfil_reservation(order_id=order_id, by="cleo")
        copy_all(store)

        by_order = admin_client.get(self.address, {"q": str(order_id)})
        by_state = admin_client.get(self.address, {"state__exact": "fulfilled"})

        for page in (by_order, by_state):
            assert [row.order_id for row in page.context["cl"].result_list] == [order_id]

    def test_cannot_be_written(self, admin_client: Client, store: StockStore) -> None:
        copy_all(store)
        row = admin_client.get(self.address).context["cl"].result_list[0]

        for page in (
            admin_client.post(reverse("admin:stock_reservation_add")),
            admin_client.post(reverse("admin:stock_reservation_change", args=[row.pk])),
            admin_client.post(reverse("admin:stock_reservation_delete", args=[row.pk])),
        ):
            assert page.status_code == 403


@pytest.mark.usefixtures("shop")
class TestLedger:
    address = reverse("admin:stock_movement_changelist")

    def test_is_listed_latest_first(
        self,
        admin_client: Client,
        store: StockStore,
        django_assert_num_queries: DjangoAssertNumQueries,
    ) -> None:
        copy_all(store)

        with django_assert_num_queries(4):  # session, user, count, page
            page = admin_client.get(self.address)

        rows = page.context["cl"].result_list
        assert [(row.kind, row.sku) for row in rows] == [
            ("reserved", "TENT-2P"),
            ("received", "TENT-2P"),
            ("received", "MUG-ENAMEL"),
        ]
        assert '<td class="field-on_hand_by">+5</td>' in page.text
        reservation = reverse("admin:stock_reservation_change", args=[rows[0].order_id])
        assert reservation in page.text
        assert "2 TENT-2P" in admin_client.get(reservation).text

    def test_is_searched_and_filtered(self, admin_client: Client, store: StockStore) -> None:
        copy_all(store)

        searched = admin_client.get(self.address, {"q": "mug"})
        filtered = admin_client.get(self.address, {"kind__exact": "reserved"})

        assert [row.sku for row in searched.context["cl"].result_list] == ["MUG-ENAMEL"]
        assert [row.sku for row in filtered.context["cl"].result_list] == ["TENT-2P"]

    def test_cannot_be_written(self, admin_client: Client, store: StockStore) -> None:
        copy_all(store)
        row = Movement.objects.earliest("pk")

        for page in (
            admin_client.post(reverse("admin:stock_movement_add")),
            admin_client.post(reverse("admin:stock_movement_change", args=[row.pk])),
            admin_client.post(reverse("admin:stock_movement_delete", args=[row.pk])),
        ):
            assert page.status_code == 403
