"""What the OpenAPI document tells beyond what the code itself shows."""

from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
    extend_schema_view,
    inline_serializer,
)
from rest_framework import serializers

from orders.serializers import OrderSerializer, PlacedOrderSerializer, PlaceOrderSerializer

LINES = [{"sku": "TENT-2P", "quantity": 1}, {"sku": "MUG-ENAMEL", "quantity": 2}]
ORDER = {
    "id": "0b9f1c9e-5f0e-4d4e-8f0e-2c6f3a1d7b55",
    "customer_id": "a0000001-0000-4000-8000-000000000000",
    "customer_name": "Ann Example",
    "customer_email": "ann@example.com",
    "status": "confirmed",
    "lines": [
        {
            "sku": "TENT-2P",
            "name": "Ridge tent for two",
            "quantity": 1,
            "unit_price": {"amount": "249.00", "currency": "EUR"},
        },
        {
            "sku": "MUG-ENAMEL",
            "name": "Enamel mug",
            "quantity": 2,
            "unit_price": {"amount": "9.90", "currency": "EUR"},
        },
    ],
    "total": {"amount": "268.80", "currency": "EUR"},
    "short": [],
    "placed_at": "2026-05-04T09:30:00+00:00",
}
SHORT = {
    "status": "rejected",
    "short": [{"sku": "TENT-2P", "requested": 1, "available": 0}],
    "detail": "Nothing was ordered, for there is only: 0 of 1 TENT-2P. Order less, or later.",
}
PENDING = {
    "status": "pending",
    "detail": "Stock cannot be reserved just now: the order goes on by itself, look at it later.",
}
DETAIL = inline_serializer("Refusal", {"detail": serializers.CharField()})


def placed(description: str, **differs: object) -> OpenApiResponse:
    example = OpenApiExample("Two lines", {**ORDER, **differs})
    return OpenApiResponse(PlacedOrderSerializer, description, [example])


KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "maxLength": 255},
    OpenApiParameter.HEADER,
    description=(
        "Names this order, such as by a new UUID. The same key again gives the same order, so that "
        "a request whose answer was lost can be repeated."
    ),
)
LOCATION = OpenApiParameter(
    "Location",
    OpenApiTypes.URI_REF,
    OpenApiParameter.HEADER,
    response=[200, 201, 202, 409],
    description="The path of the order.",
)
ORDER_ID = OpenApiParameter("order_id", UUID, OpenApiParameter.PATH)

order_shown = OpenApiResponse(OrderSerializer, "The order.", [OpenApiExample("Two lines", ORDER)])
invalid = OpenApiResponse(OpenApiTypes.OBJECT, "What is wrong, by the field that it is wrong with.")
unauthorized = OpenApiResponse(DETAIL, "No token, or one that is expired or not to be trusted.")
forbidden = OpenApiResponse(DETAIL, "An erased customer, or staff of this service alone.")
not_found = OpenApiResponse(DETAIL, "There is no such order, or it is somebody else's.")
unavailable = OpenApiResponse(
    DETAIL, "What it takes to answer cannot be asked; repeat as `Retry-After` says."
)

orders = extend_schema_view(
    get=extend_schema(
        operation_id="orders_list",
        summary="List orders, the newest first",
        description="Your own; staff see all. `next` and `previous` lead through the pages.",
        responses={
            200: OrderSerializer(many=True),
            400: invalid,
            401: unauthorized,
            403: forbidden,
            404: OpenApiResponse(DETAIL, "The cursor is none that a page has named."),
            503: unavailable,
        },
    ),
    post=extend_schema(
        operation_id="orders_place",
        summary="Place an order",
        description=(
            "Stores the order at today's prices and reserves its stock, all of it or none. "
            "Without an `Idempotency-Key`, each request is an order of its own."
        ),
        request=PlaceOrderSerializer,
        parameters=[KEY, LOCATION],
        examples=[OpenApiExample("Two lines", {"lines": LINES}, request_only=True)],
        responses={
            201: placed("Confirmed: the stock is reserved."),
            202: placed(
                "Stored; its stock will be reserved as soon as that is possible.", **PENDING
            ),
            200: placed("The key's order, which was cancelled since.", status="cancelled"),
            400: invalid,
            401: unauthorized,
            403: forbidden,
            409: placed("Rejected: something is short.", **SHORT),
            413: OpenApiResponse(DETAIL, "The body is larger than any order."),
            415: OpenApiResponse(DETAIL, "The body is not JSON."),
            422: OpenApiResponse(
                DETAIL,
                "A SKU is unknown or discontinued, the lines have several currencies or are worth "
                "too much, or the key stands for other lines.",
            ),
            503: unavailable,
        },
    ),
)
order = extend_schema_view(
    get=extend_schema(
        operation_id="orders_retrieve",
        summary="Read an order",
        parameters=[ORDER_ID],
        responses={
            200: order_shown,
            401: unauthorized,
            403: forbidden,
            404: not_found,
            503: unavailable,
        },
    )
)
cancellation = extend_schema_view(
    post=extend_schema(
        operation_id="orders_cancel",
        summary="Cancel an order",
        description="Gives its stock back, at once or as soon as possible. Repeating is no error.",
        parameters=[ORDER_ID],
        request=None,
        responses={
            200: order_shown,
            401: unauthorized,
            403: forbidden,
            404: not_found,
            409: OpenApiResponse(DETAIL, "The order was rejected, or its goods have left."),
            503: unavailable,
        },
    )
)
