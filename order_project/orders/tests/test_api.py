import re
import uuid

import msgspec
import pytest
import requests
from django.contrib.auth.models import User as LocalUser
from rest_framework.test import APIClient

from contracts import orders as contract
from contracts.inventory import Shortage
from contracts.orders import OrderLine
from contracts.products import Money
from customers.operations import apply_users
from customers.projection import remove
from orders.models import Order
from orders.tests.conftest import LATER, NOW, PRODUCTS, place

URL = "/api/v1/orders/"
TENT = {"lines": [{"sku": "TENT-2P", "quantity": 1}]}

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("copied")]


def decoded(response):
    return msgspec.convert(response.json(), contract.Order)


@pytest.fixture
def local_staff(db):
    """Someone who is staff of this service alone."""
    client = APIClient()
    client.force_login(LocalUser.objects.create_user("dora", is_staff=True))
    return client


class TestPlace:
    def test_answers_with_the_contract(self, shop, ann):
        lines = [{"sku": "TENT-2P", "quantity": 1}, {"sku": "MUG-ENAMEL", "quantity": 2}]

        response = ann.client.post(URL, {"lines": lines})

        order = Order.objects.get()
        assert response.status_code == 201
        assert response["Location"] == f"{URL}{order.id}/"
        assert decoded(response) == contract.Order(
            id=str(order.id),
            customer_id=ann.id,
            customer_name="Ann Example",
            customer_email="ann@example.com",
            status="confirmed",
            lines=(
                OrderLine(
                    sku="TENT-2P",
                    name="Tent-2P",
                    quantity=1,
                    unit_price=Money(amount="249.00", currency="EUR"),
                ),
                OrderLine(
                    sku="MUG-ENAMEL",
                    name="Mug-Enamel",
                    quantity=2,
                    unit_price=Money(amount="9.90", currency="EUR"),
                ),
            ),
            total=Money(amount="268.80", currency="EUR"),
            short=(),
            placed_at=order.placed_at.isoformat(),
        )
        assert "detail" not in response.json()

    def test_is_accepted_while_inventory_is_away(self, shop, ann):
        shop.before = shop.lose

        response = ann.client.post(URL, TENT)

        assert response.status_code == 202
        assert decoded(response).status == "pending"
        assert "goes on by itself" in response.json()["detail"]

    def test_names_what_is_short(self, shop, ann):
        response = ann.client.post(URL, {"lines": [{"sku": "TENT-2P", "quantity": 6}]})

        assert response.status_code == 409
        assert decoded(response).status == "rejected"
        assert decoded(response).short == (Shortage(sku="TENT-2P", requested=6, available=5),)
        assert "5 of 6 TENT-2P" in response.json()["detail"]

    def test_tells_what_to_do_where_inventory_refuses_the_order_itself(self, shop, ann):
        shop.before = lambda: shop.stock.delete(str(Order.objects.get().id))

        response = ann.client.post(URL, TENT)

        assert response.status_code == 409
        assert response.json()["short"] == []
        assert "place a new one" in response.json()["detail"]

    def test_refuses_what_is_not_for_sale(self, shop, ann):
        response = ann.client.post(URL, {"lines": [{"sku": "NOPE", "quantity": 1}]})

        assert response.status_code == 422
        assert "NOPE is unknown" in response.json()["detail"]

    def test_asks_for_patience_while_there_are_no_prices(self, shop, ann):
        shop.border.replace("GET", PRODUCTS, body="<h1>Welcome to nginx!</h1>")

        response = ann.client.post(URL, TENT)

        assert response.status_code == 503
        assert int(response["Retry-After"]) > 0
        assert "product_project cannot answer just now" in response.json()["detail"]

    def test_asks_for_patience_while_a_new_customer_cannot_be_looked_up(self, shop, cleo):
        shop.border.get("http://127.0.0.1:8001/api/v1/internal/users/", status=500)

        response = cleo.client.post(URL, TENT)

        assert response.status_code == 503
        assert int(response["Retry-After"]) > 0

    def test_says_when_a_price_is_stale(self, shop, ann, settings):
        settings.ORDER_AT_STALE_PRICES = True
        place(ann)
        settings.PRODUCT_CACHE_SECONDS = 0
        shop.border.replace("GET", PRODUCTS, body=requests.ConnectionError("refused"))

        response = ann.client.post(URL, TENT)

        assert response.status_code == 201
        assert f"the prices are those of {NOW}" in response.json()["detail"]

    def test_hands_the_request_id_on(self, shop, ann):
        request_id = uuid.uuid4().hex

        ann.client.post(URL, TENT, headers={"X-Request-ID": request_id})

        assert {call.request.headers["X-Request-ID"] for call in shop.border.calls} == {request_id}


class TestBadInput:
    @pytest.mark.parametrize(
        ("lines", "told"),
        [
            ([], "at least 1 element"),
            (None, "may not be null"),
            ("TENT-2P", "Expected a list"),
            ([{"sku": "TENT-2P"}], "required"),
            ([{"quantity": 1}], "required"),
            ([{"sku": "TENT-2P", "quantity": 0}], "greater than or equal to 1"),
            ([{"sku": "TENT-2P", "quantity": -1}], "greater than or equal to 1"),
            ([{"sku": "TENT-2P", "quantity": 10**9}], "less than or equal to 1000000"),
            ([{"sku": "TENT-2P", "quantity": "many"}], "valid integer"),
            ([{"sku": "TENT-2P", "quantity": 1.5}], "valid integer"),
            ([{"sku": "TENT-2P", "quantity": True}], "valid integer"),
            ([{"sku": "tent-2p", "quantity": 1}], "capital letters"),
            ([{"sku": "TENT,2P", "quantity": 1}], "capital letters"),
            ([{"sku": "T" * 33, "quantity": 1}], "capital letters"),
            ([{"sku": "TENT-2P", "quantity": 1}] * 2, "TENT-2P is there more than once: add"),
            ([{"sku": f"SKU-{n}", "quantity": 1} for n in range(101)], "no more than 100"),
            ([{"sku": f"SKU-{n}", "quantity": 1} for n in range(1000)], "no more than 100"),
            ([7], "Expected a dictionary"),
        ],
        ids=lambda value: str(value)[:40],
    )
    def test_is_told_what_is_wrong(self, shop, ann, lines, told):
        response = ann.client.post(URL, {"lines": lines})

        assert response.status_code == 400
        assert re.search(told, response.text)
        assert not Order.objects.exists()
        assert shop.asked == []

    @pytest.mark.parametrize(
        ("body", "content_type", "status"),
        [
            (b'{"lines": [', "application/json", 400),
            (b'{"lines": [{"sku": "TENT-2P", "quantity": NaN}]}', "application/json", 400),
            (
                b'{"lines": [{"sku": "TENT-2P", "quantity": ' + b"9" * 5000 + b"}]}",
                "application/json",
                400,
            ),
            (b"[" * 100_000, "application/json", 400),
            (b"[]", "application/json", 400),
            (b"7", "application/json", 400),
            (b"\xff", "application/json", 400),
            (b"", "application/json", 400),
            (b'{"lines": "' + b"x" * 10_000_000 + b'"}', "application/json", 413),
            (b"lines=TENT-2P", "application/x-www-form-urlencoded", 415),
            (b"<order/>", "application/xml", 415),
        ],
        ids=lambda value: str(value)[:40],
    )
    def test_is_refused_as_a_whole(self, shop, ann, body, content_type, status):
        response = ann.client.post(URL, data=body, content_type=content_type)

        assert response.status_code == status
        assert response.json()

    @pytest.mark.parametrize("key", ["", "k" * 256])
    def test_in_the_idempotency_key_is_refused(self, shop, ann, key):
        response = ann.client.post(URL, TENT, headers={"Idempotency-Key": key})

        assert response.status_code == 400
        assert "1 to 255 characters" in response.json()["Idempotency-Key"][0]

    def test_ignores_what_it_does_not_know(self, shop, ann):
        assert ann.client.post(URL, TENT | {"gift": True}).status_code == 201


class TestIdempotencyKey:
    def post(self, person, body=TENT):
        return person.client.post(URL, body, headers={"Idempotency-Key": "k1"})

    def test_gives_the_same_order_with_the_status_of_its_state(self, shop, ann):
        shop.before = shop.lose
        first = self.post(ann)
        assert first.status_code == self.post(ann).status_code == 202

        for status, code in (("confirmed", 201), ("cancelled", 200), ("rejected", 409)):
            Order.objects.update(status=status)
            again = self.post(ann)
            assert (again.status_code, again.json()["id"]) == (code, first.json()["id"])

    def test_refuses_another_body(self, shop, ann):
        self.post(ann)

        response = self.post(ann, {"lines": [{"sku": "TENT-2P", "quantity": 2}]})

        assert response.status_code == 422
        assert "a key of its own" in response.json()["detail"]

    def test_is_not_shared_between_customers(self, shop, ann, bo):
        assert self.post(ann).json()["id"] != self.post(bo).json()["id"]


class TestWhoMayOrder:
    def test_not_the_erased_though_their_token_lives(self, shop, ann):
        tombstone = msgspec.convert(
            {"id": ann.id, "version": 2, "email": "", "name": "", "deleted": True}, type(ann.user)
        )
        apply_users(users=[tombstone], now=NOW)

        response = ann.client.post(URL, TENT)

        assert response.status_code == 403
        assert "erased" in response.json()["detail"]

    def test_not_local_staff(self, shop, local_staff):
        response = local_staff.post(URL, TENT)

        assert response.status_code == 403
        assert "token of a user" in response.json()["detail"]

    def test_nobody_without_a_token(self, shop):
        assert APIClient().post(URL, TENT).status_code == 401


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

    @pytest.mark.parametrize("cursor", ["nonsense", "cD1ub25zZW5zZQ==", "bz0tMQ=="])
    def test_refuses_a_cursor_it_has_not_named(self, ann, cursor):
        assert ann.client.get(URL, {"cursor": cursor}).status_code == 404

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
