"""What becomes visible of orders that were placed, and how they are cancelled."""

from base64 import b64encode
from urllib.parse import urlencode

import msgspec
import pytest
from django.contrib.auth.models import User as LocalUser
from rest_framework.test import APIClient

from contracts import orders as contract
from customers.operations import apply_users
from customers.projection import remove
from orders.models import Order
from orders.tests.conftest import LATER, NOW, decoded, place

URL = "/api/v1/orders/"
TENT = {"lines": [{"sku": "TENT-2P", "quantity": 1}]}

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("copied")]


def cursor_at(position: str) -> str:
    """As DRF writes one: the page that begins at this position."""
    return b64encode(urlencode({"p": position}).encode()).decode()


class TestList:
    def test_shows_ones_own_newest_first(self, shop, ann, bo):
        older = place(ann)
        newer = place(ann)
        Order.objects.filter(pk=newer.pk).update(placed_at=LATER)
        place(bo)

        found = ann.client.get(URL).json()["results"]

        assert [order["id"] for order in found] == [str(newer.id), str(older.id)]
        assert msgspec.convert(found[0], contract.Order).customer_name == "Ann Example"

    def test_shows_staff_all(self, shop, ann, bo, cleo, local_staff):
        place(ann)
        place(bo)

        for staff in (cleo.client, local_staff):
            names = {order["customer_name"] for order in staff.get(URL).json()["results"]}
            assert names == {"Ann Example", "Bo Example"}

    def test_shows_what_the_copy_says_now(self, shop, ann, cleo):
        place(ann)
        renamed = msgspec.convert(
            {"id": ann.id, "version": 2, "email": "a@example.com", "name": "A.", "deleted": False},
            type(ann.user),
        )
        apply_users(users=[renamed], now=NOW)

        (order,) = cleo.client.get(URL).json()["results"]

        assert (order["customer_name"], order["customer_email"]) == ("A.", "a@example.com")

    def test_shows_also_orders_of_whom_the_copy_does_not_have(self, shop, ann, bo, cleo):
        place(ann)
        place(bo)
        remove([bo.id])

        shown = {
            order["customer_id"]: (order["customer_name"], order["customer_email"])
            for order in cleo.client.get(URL).json()["results"]
        }

        assert shown == {ann.id: ("Ann Example", "ann@example.com"), bo.id: ("", "")}

    def test_comes_in_pages(self, shop, ann):
        orders = [place(ann) for _ in range(3)]

        first = ann.client.get(URL, {"page_size": 2}).json()
        second = ann.client.get(first["next"]).json()

        shown = [order["id"] for order in first["results"] + second["results"]]
        assert len(first["results"]) == 2
        assert sorted(shown) == sorted(str(order.id) for order in orders)
        assert second["next"] is None

    @pytest.mark.parametrize(
        "cursor",
        ["nonsense", cursor_at("nonsense"), cursor_at("0001-01-01T00:00:00+23:59"), "bz0tMQ=="],
    )
    def test_refuses_a_cursor_it_has_not_named(self, ann, cursor):
        assert ann.client.get(URL, {"cursor": cursor}).status_code == 404

    def test_understands_a_time_of_any_zone(self, shop, ann):
        place(ann)

        answer = ann.client.get(URL, {"cursor": cursor_at("2100-01-01T00:00:00+23:59")})

        assert len(answer.json()["results"]) == 1

    def test_is_narrowed_by_status(self, shop, ann):
        place(ann)
        short = place(ann, TENT_2P=6)

        found = ann.client.get(URL, {"status": "rejected"}).json()["results"]

        assert [order["id"] for order in found] == [str(short.id)]

    def test_refuses_a_status_it_does_not_know(self, ann):
        response = ann.client.get(URL, {"status": "lost"})

        assert response.status_code == 400
        assert "lost" in response.json()["status"][0]

    def test_is_not_for_local_users_who_are_not_staff(self, db):
        client = APIClient()
        client.force_login(LocalUser.objects.create_user("eve"))

        assert client.get(URL).status_code == 403

    def test_is_a_page_in_the_browser(self, shop, ann, local_staff):
        place(ann)

        response = local_staff.get(URL, headers={"Accept": "text/html"})

        assert response.status_code == 200
        assert "Ann Example" in response.text


class TestDetail:
    def test_shows_an_order(self, shop, ann, cleo):
        order = place(ann)

        for client in (ann.client, cleo.client):
            assert decoded(client.get(f"{URL}{order.id}/")).id == str(order.id)

    def test_of_somebody_else_does_not_exist(self, shop, ann, bo):
        order = place(ann)

        response = bo.client.get(f"{URL}{order.id}/")

        assert response.status_code == 404
        assert str(order.id) in response.json()["detail"]

    def test_survives_a_copy_that_is_being_rebuilt(self, shop, ann, bo, cleo):
        order = place(ann)
        Order.objects.update(customer_id=cleo.id)

        shown = decoded(cleo.client.get(f"{URL}{order.id}/"))

        assert (shown.customer_name, shown.customer_email) == ("", "")


class TestCancellation:
    def test_cancels(self, shop, ann):
        order = place(ann)

        for _ in ("once", "again"):
            response = ann.client.post(f"{URL}{order.id}/cancellation/")
            assert response.status_code == 200
            assert decoded(response).status == "cancelled"
        assert shop.stock.reserved == {}

    def test_does_not_wait_for_inventory(self, shop, ann):
        order = place(ann)
        shop.before = shop.lose

        response = ann.client.post(f"{URL}{order.id}/cancellation/")

        assert decoded(response).status == "cancelled"

    def test_is_open_to_staff_and_to_nobody_else(self, shop, ann, bo, cleo):
        order = place(ann)

        assert bo.client.post(f"{URL}{order.id}/cancellation/").status_code == 404
        assert Order.objects.get().status == "confirmed"
        assert cleo.client.post(f"{URL}{order.id}/cancellation/").status_code == 200

    def test_is_refused_once_the_order_is_rejected_or_its_goods_have_left(self, shop, ann):
        rejected, fulfilled = place(ann, TENT_2P=6), place(ann)
        shop.stock.fulfil(str(fulfilled.id))

        for order, told in ((rejected, "nothing to cancel"), (fulfilled, "goods have left")):
            response = ann.client.post(f"{URL}{order.id}/cancellation/")
            assert response.status_code == 409
            assert told in response.json()["detail"]
