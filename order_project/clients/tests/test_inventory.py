import json

import msgspec
import pytest
import requests

from clients.inventory import GoodsHaveLeft, InventoryUnavailable, OutOfStock, release, reserve
from contracts.inventory import ReservationLine, Shortage

ORDER = "0b9f1c9e-5f0e-4d4e-8f0e-000000000001"
URL = f"http://127.0.0.1:8004/api/v1/reservations/{ORDER}/"
LINES = (ReservationLine(sku="TARP-3X3", quantity=2),)


def reservation(state, lines=()):
    return {"order_id": ORDER, "state": state, "lines": list(lines)}


class TestReserve:
    @pytest.mark.parametrize("status", [200, 201])
    def test_puts_the_lines_under_the_order(self, border, status):
        border.put(URL, json=reservation("reserved"), status=status)

        reserve(ORDER, LINES)

        assert json.loads(border.calls[0].request.body) == {
            "lines": [{"sku": "TARP-3X3", "quantity": 2}]
        }
        assert border.calls[0].request.headers["Authorization"].startswith("Bearer ")

    def test_tells_what_is_short(self, border):
        short = Shortage(sku="TARP-3X3", requested=2, available=1)
        refusal = {"detail": "Short.", "short": [msgspec.to_builtins(short)]}
        border.put(URL, json=refusal, status=409)

        with pytest.raises(OutOfStock) as raised:
            reserve(ORDER, LINES)

        assert raised.value.short == (short,)

    @pytest.mark.parametrize(
        "wrong",
        [
            {"body": requests.ConnectionError("cut")},
            {"body": "<h1>Gone</h1>", "status": 409},
            {"status": 500},
            {"status": 401},
        ],
    )
    def test_does_not_take_an_outage_for_a_shortage(self, border, wrong):
        border.put(URL, **wrong)

        with pytest.raises(InventoryUnavailable):
            reserve(ORDER, LINES)


class TestRelease:
    def test_lets_the_stock_go(self, border):
        border.delete(URL, json=reservation("released"))

        release(ORDER)

        assert len(border.calls) == 1

    def test_cannot_bring_goods_back(self, border):
        border.delete(URL, json=reservation("fulfilled"))
        with pytest.raises(GoodsHaveLeft):
            release(ORDER)

        border.replace("DELETE", URL, json={"detail": "They left.", "short": []}, status=409)
        with pytest.raises(GoodsHaveLeft):
            release(ORDER)

    def test_is_not_done_before_inventory_says_so(self, border):
        border.delete(URL, body=requests.ReadTimeout("slow"))

        with pytest.raises(InventoryUnavailable):
            release(ORDER)
