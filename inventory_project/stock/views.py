"""The HTTP doors: they translate, call one operation, and answer."""

from typing import Any
from uuid import UUID

from django_filters.rest_framework import DjangoFilterBackend
from rest_framework import status
from rest_framework.exceptions import ValidationError
from rest_framework.generics import GenericAPIView, ListAPIView
from rest_framework.pagination import PageNumberPagination
from rest_framework.permissions import AllowAny, IsAdminUser
from rest_framework.request import Request
from rest_framework.response import Response

from contracts.inventory import ReservationLine
from inventory_project.parsers import JSONParser
from inventory_project.tokens import IsService, Service
from stock import operations, schemas
from stock.filters import MAX_SKUS, ItemFilter, Search
from stock.models import Item, Reservation
from stock.serializers import (
    ReceiptSerializer,
    ReservationRequestSerializer,
    ReservationSerializer,
    SkuSerializer,
    StockLevelSerializer,
)
from stock.stores import stock_store
from stock.stores.protocol import ReservationUnknown


def name_of(request: Request) -> str:
    """Whom the ledger names: a service, the id in a person's token, or a local login."""
    if isinstance(request.user, Service):
        return request.user.name
    return str(request.user.id if request.auth else request.user.get_username())


def valid(sku: str) -> str:
    path = SkuSerializer(data={"sku": sku})
    path.is_valid(raise_exception=True)
    return str(path.validated_data["sku"])


class Pages(PageNumberPagination):
    page_size = MAX_SKUS  # whatever is asked for by name comes in one answer


@schemas.stock_list
class StockList(ListAPIView[Item]):
    permission_classes = [AllowAny]
    queryset = Item.objects.order_by("sku")
    filter_backends = [DjangoFilterBackend, Search]
    filterset_class = ItemFilter
    search_fields = ["sku", "shelf"]
    pagination_class = Pages
    serializer_class = StockLevelSerializer

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        items = self.paginate_queryset(self.filter_queryset(self.get_queryset())) or []
        levels = stock_store().levels(skus=[item.sku for item in items])
        return self.get_paginated_response(self.get_serializer(levels.values(), many=True).data)


@schemas.stock_detail
class StockDetail(GenericAPIView[Item]):
    permission_classes = [AllowAny]
    serializer_class = StockLevelSerializer

    def get(self, request: Request, sku: str) -> Response:
        sku = valid(sku)
        if not Item.objects.filter(sku=sku).exists():
            raise operations.ItemUnknown(sku)
        level = stock_store().levels(skus=[sku])[sku]
        return Response(self.get_serializer(level).data)


@schemas.receipts
class ReceiptList(GenericAPIView[Item]):
    permission_classes = [IsAdminUser]
    serializer_class = ReceiptSerializer

    def post(self, request: Request, sku: str) -> Response:
        receipt = self.get_serializer(data=request.data)
        receipt.is_valid(raise_exception=True)
        level, is_new = operations.receive_stock(
            sku=valid(sku),
            by=name_of(request),
            receipt_id=idempotency_key(request),
            **receipt.validated_data,
        )
        return Response(
            StockLevelSerializer(level).data,
            status=status.HTTP_201_CREATED if is_new else status.HTTP_200_OK,
        )


def idempotency_key(request: Request) -> UUID | None:
    key = request.headers.get("Idempotency-Key")
    try:
        return UUID(key) if key else None
    except ValueError as error:
        raise ValidationError(
            {"Idempotency-Key": [f"{key!r} is not a UUID; make a new one for each receipt."]}
        ) from error


@schemas.reservations
class ReservationDetail(GenericAPIView[Reservation]):
    permission_classes = [IsService]
    parser_classes = [JSONParser]
    serializer_class = ReservationSerializer
    metadata_class = (
        None  # OPTIONS would look up what a PUT changes, and a PUT here may be the first
    )

    def get(self, request: Request, order_id: UUID) -> Response:
        reservation = stock_store().reservation(order_id=order_id)
        if reservation is None:
            raise ReservationUnknown(order_id)
        return Response(ReservationSerializer(reservation).data)

    def put(self, request: Request, order_id: UUID) -> Response:
        body = ReservationRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        reservation, is_new = operations.reserve_stock(
            order_id=order_id,
            lines=tuple(ReservationLine(**line) for line in body.validated_data["lines"]),
            by=name_of(request),
        )
        return Response(
            ReservationSerializer(reservation).data,
            status=status.HTTP_201_CREATED if is_new else status.HTTP_200_OK,
        )

    def delete(self, request: Request, order_id: UUID) -> Response:
        reservation = operations.release_stock(order_id=order_id, by=name_of(request))
        return Response(ReservationSerializer(reservation).data)


@schemas.fulfilment
class Fulfilment(GenericAPIView[Reservation]):
    permission_classes = [IsAdminUser | IsService]
    serializer_class = ReservationSerializer

    def post(self, request: Request, order_id: UUID) -> Response:
        reservation = operations.fulfil_reservation(order_id=order_id, by=name_of(request))
        return Response(ReservationSerializer(reservation).data)
