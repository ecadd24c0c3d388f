"""The catalogue over HTTP."""

import hashlib
from typing import Any, cast

import msgspec
from django.conf import settings
from django.http import HttpResponseBase
from django.utils.cache import get_conditional_response, patch_cache_control
from django.utils.http import quote_etag
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.pagination import PageNumberPagination
from rest_framework.permissions import SAFE_METHODS, IsAdminUser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

import contracts.products
from products import operations, schemas
from products.filters import MAX_SKUS, ProductFilter
from products.models import Product, ProductQuerySet, describe
from products.serializers import PriceChangeSerializer, ProductSerializer


class StaffMayMore(IsAdminUser):
    """Everyone reads the catalogue; staff change it, and list what is discontinued."""

    message = "Only staff may change the catalogue or list what is discontinued."

    def has_permission(self, request: Request, view: APIView) -> bool:
        is_public = (
            request.method in SAFE_METHODS and request.query_params.get("is_active") != "false"
        )
        return is_public or super().has_permission(request, view)


PAGE_PARAMETERS = {"page", "page_size", "format"}


class Pages(PageNumberPagination):
    page_size = 50
    page_size_query_param = "page_size"
    page_size_query_description = "How many results a page has: 50 if you do not say, at most 100."
    max_page_size = 100

    def get_page_size(self, request: Request) -> int | None:
        """SKUs that are asked for by name all come in one answer."""
        if request.query_params.get("sku"):
            return MAX_SKUS
        return super().get_page_size(request)


@schemas.catalogue
class ProductViewSet(GenericViewSet[Product]):
    queryset = Product.objects.all()
    for_sale = Product.objects.listed().as_rows()  # built once; each request takes a copy
    serializer_class = ProductSerializer
    permission_classes = [StaffMayMore]
    filter_backends = [DjangoFilterBackend]
    filterset_class = ProductFilter
    pagination_class = Pages
    lookup_field = "sku"

    def get_object(self) -> Product:
        sku = self.kwargs["sku"]
        product = Product.objects.with_skus([sku]).first()
        if product is None:
            raise operations.NoSuchProduct(sku)
        return product

    def list(self, request: Request) -> HttpResponseBase:
        rows = self.for_sale.all()  # what the filter's form makes of nothing, in no time
        if request.query_params.keys() - PAGE_PARAMETERS:
            rows = cast(ProductQuerySet, self.filter_queryset(Product.objects.all())).as_rows()
        page = [describe(*row) for row in self.paginate_queryset(rows) or []]
        return unless_known(request, self.get_paginated_response(page))

    def retrieve(self, request: Request, sku: str) -> HttpResponseBase:
        return unless_known(request, Response(self.get_serializer(self.get_object()).data))

    def create(self, request: Request) -> Response:
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        product = operations.create_product(
            **serializer.validated_data, changed_by=name_of(request)
        )
        location = reverse("product-detail", [product.sku], request=request)
        return self.written(product, status=status.HTTP_201_CREATED, headers={"Location": location})

    def partial_update(self, request: Request, sku: str) -> Response:
        product = self.get_object()
        seen = state_to_change(request, product)
        serializer = self.get_serializer(product, data=request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        changes = {"sku": sku, **serializer.validated_data}
        return self.written(
            operations.change_product(**changes, changed_by=name_of(request), seen=seen)
        )

    def destroy(self, request: Request, sku: str) -> Response:
        seen = state_to_change(request, self.get_object())
        operations.discontinue_product(sku=sku, changed_by=name_of(request), seen=seen)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @action(detail=True, filter_backends=[], serializer_class=PriceChangeSerializer)
    def prices(self, request: Request, sku: str) -> HttpResponseBase:
        changes = self.get_object().price_changes.order_by("-pk")
        pages = Pages()
        serializer = PriceChangeSerializer(pages.paginate_queryset(changes, request), many=True)
        return unless_known(request, pages.get_paginated_response(serializer.data))

    def written(self, product: Product, **options: Any) -> Response:
        """The product after a change, with the ETag that makes the next change conditional."""
        response = Response(self.get_serializer(product).data, **options)
        response.headers["ETag"] = etag_of(response.data)
        return response


def name_of(request: Request) -> str:
    """Whom the price history names: the id in a person's token, or the username in a session."""
    return str(request.user.id if request.auth else request.user.get_username())


def etag_of(state: object) -> str:
    """A strong validator (RFC 9110, 8.8.1) of a body, without rendering it."""
    return quote_etag(hashlib.blake2b(msgspec.msgpack.encode(state), digest_size=16).hexdigest())


def not_modified(request: Request, etag: str) -> HttpResponseBase | None:
    """The 304 for a caller who has this state; refuses (412) one who wants another."""
    response = get_conditional_response(request._request, etag)
    if response is not None and response.status_code == status.HTTP_412_PRECONDITION_FAILED:
        raise operations.ChangedMeanwhile
    return response


def unless_known(request: Request, response: Response) -> HttpResponseBase:
    """The response, with word on how long it may be kept; 304 to a caller who has it already.

    Browsable pages show who is logged in, so they are not for keeping.
    """
    if request.accepted_renderer.format != "json":
        return response
    etag = etag_of(response.data)
    answer = not_modified(request, etag) or response
    answer.headers["ETag"] = etag
    if request.user.is_authenticated:
        patch_cache_control(answer, private=True, no_cache=True)
    else:
        patch_cache_control(answer, public=True, max_age=settings.PRODUCT_MAX_AGE_SECONDS)
    return answer


def state_to_change(request: Request, product: Product) -> contracts.products.Product | None:
    """What a conditional change (If-Match) is about; None where the caller set no condition."""
    state = product.as_contract()
    not_modified(request, etag_of(state))
    return state if "If-Match" in request.headers else None
