"""What the OpenAPI document says of each door."""

from typing import Any
from uuid import UUID

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
    extend_schema_view,
)

from stock.serializers import (
    DetailSerializer,
    ReceiptSerializer,
    ReservationRefusalSerializer,
    ReservationRequestSerializer,
    ReservationSerializer,
    StockLevelSerializer,
)


class ServiceScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "inventory_project.tokens.ServiceAuthentication"
    name = "serviceToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}


LEVEL = {"sku": "TENT-2P", "on_hand": 24, "reserved": 3, "available": 21}
LINES = [{"sku": "MUG-ENAMEL", "quantity": 2}, {"sku": "TENT-2P", "quantity": 1}]
RESERVATION = {
    "order_id": "0190a5c8-1f2e-7c3d-9e4f-5a6b7c8d9e0f",
    "state": "reserved",
    "lines": LINES,
}
SHORT = {
    "detail": "Nothing was reserved, for want of TENT-2P (asked 5, available 1); ask for less.",
    "short": [{"sku": "TENT-2P", "requested": 5, "available": 1}],
}

level = OpenApiResponse(StockLevelSerializer, "The level.", [OpenApiExample("Ridge tents", LEVEL)])
reservation = OpenApiResponse(
    ReservationSerializer, "The reservation.", [OpenApiExample("Two lines", RESERVATION)]
)
refusal = OpenApiResponse(
    ReservationRefusalSerializer,
    "Refused, and nothing changed: what is short, or how the order stands.",
    [OpenApiExample("One line is short", SHORT)],
)
invalid = OpenApiResponse(
    {"type": "object", "additionalProperties": {}},
    "What is wrong, by the field that it is wrong with.",
)
bad_body = {
    400: invalid,
    413: OpenApiResponse(DetailSerializer, "The body is too large."),
    415: OpenApiResponse(DetailSerializer, "The body is neither JSON nor a browser's form."),
}
unknown = OpenApiResponse(DetailSerializer, "Not known here.")
misnamed = OpenApiResponse(DetailSerializer, "What names the order is no UUID.")
unauthorized = OpenApiResponse(DetailSerializer, "No token, or one that is refused.")
forbidden = OpenApiResponse(DetailSerializer, "The token's bearer may not.")
away = OpenApiResponse(DetailSerializer, "The stock store does not answer; repeat in a moment.")
closed = {401: unauthorized, 403: forbidden, 503: away}

sku = OpenApiParameter("sku", str, OpenApiParameter.PATH, examples=[OpenApiExample("TENT-2P")])
# Security requirements, which the library's own types take for names.
SERVICE: Any = [{"serviceToken": []}]
STAFF: Any = [{"jwtAuth": []}, {"cookieAuth": []}]

stock_list = extend_schema_view(
    get=extend_schema(
        operation_id="stock_list",
        summary="List stock levels",
        description="Live levels of the items kept here, by SKU, 100 a page.",
        responses={
            200: StockLevelSerializer(many=True),
            400: invalid,
            401: unauthorized,
            404: OpenApiResponse(DetailSerializer, "There is no such page."),
            503: away,
        },
    )
)
stock_detail = extend_schema_view(
    get=extend_schema(
        operation_id="stock_retrieve",
        summary="Read one stock level",
        parameters=[sku],
        responses={200: level, 400: invalid, 401: unauthorized, 404: unknown, 503: away},
    )
)
receipts = extend_schema_view(
    post=extend_schema(
        operation_id="receipt_create",
        summary="Receive or correct stock",
        auth=STAFF,
        description=(
            "Adds units to what is on hand and writes the ledger. A negative quantity corrects, "
            "down to what is reserved. With an `Idempotency-Key` it may be repeated: it counts "
            "once."
        ),
        parameters=[
            sku,
            OpenApiParameter(
                "Idempotency-Key", UUID, OpenApiParameter.HEADER, description="Names this receipt."
            ),
        ],
        request=ReceiptSerializer,
        examples=[
            OpenApiExample(
                "A delivery", {"quantity": 24, "reason": "delivery 4711"}, request_only=True
            ),
            OpenApiExample("A correction", {"quantity": -1, "reason": "torn"}, request_only=True),
        ],
        responses={
            201: level,
            200: OpenApiResponse(
                StockLevelSerializer, "Received before under this Idempotency-Key."
            ),
            **bad_body,
            404: unknown,
            409: OpenApiResponse(DetailSerializer, "Fewer would be on hand than are reserved."),
            422: OpenApiResponse(
                DetailSerializer, "The Idempotency-Key stands for another receipt."
            ),
            **closed,
        },
    )
)
reservations = extend_schema_view(
    get=extend_schema(
        operation_id="reservation_retrieve",
        summary="Read a reservation",
        auth=SERVICE,
        responses={200: reservation, 404: unknown, **closed},
    ),
    put=extend_schema(
        operation_id="reservation_put",
        summary="Reserve stock for an order",
        auth=SERVICE,
        description=(
            "Holds every line or none. The same lines again give the same reservation; other lines "
            "are refused, and so is an order that was released."
        ),
        request=ReservationRequestSerializer,
        examples=[OpenApiExample("Two lines", {"lines": LINES}, request_only=True)],
        responses={
            201: reservation,
            200: OpenApiResponse(ReservationSerializer, "Reserved before."),
            **bad_body,
            404: misnamed,
            409: refusal,
            **closed,
        },
    ),
    delete=extend_schema(
        operation_id="reservation_release",
        summary="Release a reservation",
        auth=SERVICE,
        description=(
            "Gives the stock back, for good. Releasing an order that has no reservation yet is "
            "remembered, and refuses the reservation when it comes."
        ),
        responses={200: reservation, 404: misnamed, 409: refusal, **closed},
    ),
)
fulfilment = extend_schema_view(
    post=extend_schema(
        operation_id="reservation_fulfil",
        summary="Fulfil a reservation",
        description="The goods leave: what was reserved is no longer on hand.",
        request=None,
        responses={200: reservation, 404: unknown, 409: refusal, **closed},
    )
)
