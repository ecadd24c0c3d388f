"""What the OpenAPI document tells beyond what the code itself shows."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
    extend_schema_view,
)

from products.filters import MAX_SKUS, ORDERINGS
from products.models import SKU
from products.serializers import PriceChangeSerializer, ProductSerializer, RefusalSerializer

TENT = OpenApiExample(
    "A tent",
    {
        "sku": "TENT-2P",
        "name": "Ridge tent for two",
        "description": "A two-pole ridge tent that stands in five minutes.",
        "category": "shelter",
        "price": {"amount": "249.00", "currency": "EUR"},
        "is_active": True,
    },
)
DEARER_TENT = OpenApiExample("Another price", {"price": {"amount": "259.00"}}, request_only=True)

SKU_IN_PATH = OpenApiParameter("sku", str, OpenApiParameter.PATH, pattern=SKU.pattern)
IF_MATCH = OpenApiParameter(
    "If-Match",
    str,
    OpenApiParameter.HEADER,
    description="The `ETag` of what you saw: change the product only if it still is like that.",
)
IF_NONE_MATCH = OpenApiParameter(
    "If-None-Match",
    str,
    OpenApiParameter.HEADER,
    description="The `ETag` of what you have: get 304 and no body if it is still that.",
)
ETAG = OpenApiParameter(
    "ETag", str, OpenApiParameter.HEADER, response=[200, 201, 304], required=True
)
LOCATION = OpenApiParameter(
    "Location", OpenApiTypes.URI, OpenApiParameter.HEADER, response=[201], required=True
)
QUERY = [
    OpenApiParameter("is_active", bool, description="`false` takes staff."),
    OpenApiParameter("ordering", str, enum=[ordering for ordering, _ in ORDERINGS]),
    OpenApiParameter(
        "sku",
        {
            "type": "array",
            "maxItems": MAX_SKUS,
            "items": {"type": "string", "pattern": SKU.pattern},
        },
        style="form",
        explode=False,
        description="These SKUs, all in one page and discontinued ones too; unknown are absent.",
    ),
]

# without a token too; drf-spectacular annotates the parameter as strings, which it does not take
ANYONE: Any = [{}, {"jwtAuth": []}, {"cookieAuth": []}]

FIELDS = OpenApiResponse(
    OpenApiTypes.OBJECT,
    "What is wrong with each field.",
    examples=[OpenApiExample("A taken SKU", {"sku": ["'TENT-2P' is taken: choose another SKU."]})],
)
UNCHANGED = {304: OpenApiResponse(None, "What you have is still right.")}
NOT_FOUND = {404: OpenApiResponse(RefusalSerializer, "There is no such product, or no such page.")}
CHANGED = {412: OpenApiResponse(RefusalSerializer, "The product is no longer as you saw it.")}
AWAY = {503: OpenApiResponse(RefusalSerializer, "The database does not answer; repeat it.")}
BAD_TOKEN = {
    401: OpenApiResponse(RefusalSerializer, "The token is missing, expired or not to be trusted.")
} | AWAY
NOT_STAFF = BAD_TOKEN | {403: OpenApiResponse(RefusalSerializer, "This takes staff.")}
BAD_BODY = {
    400: FIELDS,
    413: OpenApiResponse(RefusalSerializer, "The body is too large."),
    415: OpenApiResponse(RefusalSerializer, "The body is neither JSON nor a browser's form."),
}

catalogue = extend_schema_view(
    list=extend_schema(
        summary="List what is for sale",
        auth=ANYONE,
        parameters=[*QUERY, IF_NONE_MATCH, ETAG],
        responses={200: ProductSerializer(many=True), 400: FIELDS}
        | UNCHANGED
        | NOT_STAFF
        | NOT_FOUND,
    ),
    retrieve=extend_schema(
        summary="Show a product, discontinued or not",
        auth=ANYONE,
        parameters=[SKU_IN_PATH, IF_NONE_MATCH, ETAG],
        responses={200: ProductSerializer} | UNCHANGED | BAD_TOKEN | NOT_FOUND,
        examples=[TENT],
    ),
    create=extend_schema(
        summary="Put a product into the catalogue",
        parameters=[ETAG, LOCATION],
        responses={201: ProductSerializer} | BAD_BODY | NOT_STAFF,
        examples=[TENT],
    ),
    partial_update=extend_schema(
        summary="Change a product",
        description="Everything but the SKU may change. A new price goes into the price history.",
        parameters=[SKU_IN_PATH, IF_MATCH, ETAG],
        responses={200: ProductSerializer} | BAD_BODY | NOT_STAFF | NOT_FOUND | CHANGED,
        examples=[DEARER_TENT],
    ),
    destroy=extend_schema(
        summary="Discontinue a product",
        description="It stays readable by its SKU, no longer for sale. Repeating is no error.",
        parameters=[SKU_IN_PATH, IF_MATCH],
        responses={204: None} | NOT_STAFF | NOT_FOUND | CHANGED,
    ),
    prices=extend_schema(
        summary="List the prices a product has had, the latest first",
        auth=ANYONE,
        parameters=[SKU_IN_PATH, IF_NONE_MATCH, ETAG],
        responses={200: PriceChangeSerializer(many=True)} | UNCHANGED | BAD_TOKEN | NOT_FOUND,
    ),
)
