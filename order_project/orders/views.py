"""The HTTP doors of orders: they translate, call one operation, and answer."""

import uuid
from datetime import UTC
from typing import Any, cast

from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework import serializers, status
from rest_framework.exceptions import AuthenticationFailed, NotFound, PermissionDenied
from rest_framework.generics import GenericAPIView
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response

from orders import operations, schemas
from orders.models import Order, OrderQuerySet
from orders.serializers import (
    OrderSerializer,
    PlacedOrderSerializer,
    PlaceOrderSerializer,
    describe_order,
    describe_orders,
    explain_order,
)

STATUS_OF_PLACED = {
    Order.Status.CONFIRMED: status.HTTP_201_CREATED,
    Order.Status.PENDING: status.HTTP_202_ACCEPTED,
    Order.Status.REJECTED: status.HTTP_409_CONFLICT,
    Order.Status.CANCELLED: status.HTTP_200_OK,  # since, where the key of its request came back
}


class NewestFirst(CursorPagination):
    """Pages that do not shift while orders come in, and that need no count."""

    ordering = ("-placed_at", "-id")
    page_size_query_param = "page_size"
    max_page_size = 100

    def decode_cursor(self, request: Request) -> Cursor | None:
        """Refuse (404), like any other wrong cursor, one whose position is no time."""
        cursor: Cursor | None = super().decode_cursor(request)
        if not (cursor and cursor.position):
            return cursor
        if not (position := in_utc(str(cursor.position))):
            raise NotFound(self.invalid_cursor_message)
        return cursor._replace(position=position)  # type: ignore[arg-type]  # the stubs say int


def in_utc(text: str) -> str | None:
    """The same time as UTC has it, which every engine understands; None of what is no time."""
    try:
        moment = parse_datetime(text)
        return moment.astimezone(UTC).isoformat() if moment else None
    except (ValueError, OverflowError):  # it looks like one
        return None


def customer_id_of(request: Request) -> uuid.UUID:
    """Who calls, by a token of user_project; refuses those who are logged in here alone."""
    if request.auth is None:
        raise PermissionDenied(
            "You are logged in as local staff, who are no customers: "
            "send the token of a user of user_project."
        )
    try:
        return uuid.UUID(str(request.user.id))
    except ValueError as error:
        raise AuthenticationFailed("The token names no user: log in for a new one.") from error


def idempotency_key_of(request: Request) -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is not None and not 0 < len(key) <= 255:
        raise serializers.ValidationError(
            {"Idempotency-Key": ["Send 1 to 255 characters, such as a new UUID, or no key at all."]}
        )
    return key


class NoSuchOrder(NotFound):
    """There is none, or it is somebody else's."""

    def __init__(self, order_id: uuid.UUID) -> None:
        super().__init__(f"There is no order {order_id} of yours: look at the list of orders.")


class OrderDoor(GenericAPIView[Any]):
    """Shows staff every order, and everyone else their own."""

    queryset = Order.objects.all()
    serializer_class = OrderSerializer
    filter_backends = []

    def get_queryset(self) -> OrderQuerySet:
        orders = Order.objects.all()
        if self.request.user.is_staff:
            return orders
        return orders.of_customer(customer_id_of(self.request))

    def answer(self, order_id: uuid.UUID) -> Response:
        """The order as it is now; raises NoSuchOrder."""
        shown = describe_orders(self.get_queryset().filter(pk=order_id).as_rows())
        if not shown:
            raise NoSuchOrder(order_id)
        return Response(shown[0])


@schemas.orders
class OrderList(OrderDoor):
    """Place an order; list orders."""

    filter_backends = [DjangoFilterBackend]
    filterset_fields = ["status"]
    pagination_class = NewestFirst

    def get(self, request: Request) -> Response:
        orders = self.get_queryset()
        if "status" in request.query_params:
            orders = cast(OrderQuerySet, self.filter_queryset(orders))
        page = self.paginate_queryset(orders.as_rows()) or []
        return self.get_paginated_response(describe_orders(page))

    def post(self, request: Request) -> Response:
        now = timezone.now()
        customer_id = customer_id_of(request)
        key = idempotency_key_of(request)
        body = PlaceOrderSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        customer = operations.find_customer(customer_id=customer_id, now=now)
        order = operations.place_order(
            customer=customer, lines=body.validated_data["lines"], idempotency_key=key, now=now
        )
        answer: dict[str, Any] = PlacedOrderSerializer(describe_order(order, customer)).data
        if detail := explain_order(order):
            answer["detail"] = detail
        return Response(
            answer,
            status=STATUS_OF_PLACED[Order.Status(order.status)],
            headers={"Location": reverse("order", args=[order.id])},
        )


@schemas.order
class OrderDetail(OrderDoor):
    """Read one order."""

    def get(self, request: Request, order_id: uuid.UUID) -> Response:
        return self.answer(order_id)


@schemas.cancellation
class Cancellation(OrderDoor):
    """Cancel an order."""

    def post(self, request: Request, order_id: uuid.UUID) -> Response:
        order = self.get_queryset().filter(pk=order_id).first()
        if order is None:
            raise NoSuchOrder(order_id)
        operations.cancel_order(order=order, now=timezone.now())
        return self.answer(order_id)
