"""What we ask inventory_project: to hold stock for an order, and to let it go."""

from collections.abc import Sequence

from rest_framework import status
from rest_framework.exceptions import APIException

from clients.http import Remote, Unavailable
from contracts.inventory import (
    Reservation,
    ReservationLine,
    ReservationRefusal,
    ReservationRequest,
    Shortage,
)


class InventoryUnavailable(Unavailable):
    """inventory_project gave no answer that makes sense: the stock may be held, or not."""

    service = "inventory_project"


class OutOfStock(Exception):
    """Nothing was reserved; `short` names what lacks, and is empty where the order was released."""

    def __init__(self, short: tuple[Shortage, ...]) -> None:
        super().__init__(short)
        self.short = short


class GoodsHaveLeft(APIException):
    """The order's stock has been fulfilled: there is nothing left to release."""

    status_code = status.HTTP_409_CONFLICT
    default_detail = "The goods have left: the order can no longer be cancelled; send them back."
    default_code = "goods_have_left"


remote = Remote("inventory", InventoryUnavailable)


def reserve(order_id: str, lines: Sequence[ReservationLine]) -> None:
    """Hold stock for all the lines or for none; the same order may ask again.

    Raises OutOfStock, and InventoryUnavailable.
    """
    answers: dict[int, type[Reservation | ReservationRefusal]] = {
        200: Reservation,
        201: Reservation,
        409: ReservationRefusal,
    }
    body = ReservationRequest(lines=tuple(lines))
    answer = remote.ask("PUT", f"/api/v1/reservations/{order_id}/", body=body, answers=answers)
    if isinstance(answer, ReservationRefusal):
        raise OutOfStock(answer.short)


def release(order_id: str) -> None:
    """Let go of what is held for the order, and refuse it whatever may still ask to hold.

    Raises GoodsHaveLeft, and InventoryUnavailable.
    """
    answers: dict[int, type[Reservation | ReservationRefusal]] = {
        200: Reservation,
        409: ReservationRefusal,
    }
    answer = remote.ask("DELETE", f"/api/v1/reservations/{order_id}/", answers=answers)
    if isinstance(answer, ReservationRefusal) or answer.state == "fulfilled":
        raise GoodsHaveLeft
