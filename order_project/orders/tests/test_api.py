import re
import uuid

import msgspec
import pytest
import requests
from rest_framework.test import APIClient

from contracts import orders as contract
from contracts.inventory import Shortage
from contracts.orders import OrderLine
from contracts.products import Money
from customers.operations import apply_users
from orders.models import Order
from orders.tests.conftest import NOW, PRODUCTS, decoded, place

URL = "/api/v1/orders/"
TENT = {"lines": [{"sku": "TENT-2P", "quantity": 1}]}

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("copied")]


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
