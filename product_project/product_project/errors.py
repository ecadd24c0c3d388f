"""DRF's shape for refusals that do not arise in a DRF view, or that DRF leaves to Django."""

import logging
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views import defaults
from rest_framework import status, views
from rest_framework.exceptions import APIException, ErrorDetail
from rest_framework.response import Response
from rest_framework_simplejwt.exceptions import AuthenticationFailed as TokenRefused

logger = logging.getLogger(__name__)


class PayloadTooLarge(APIException):
    """The body is larger than any honest one."""

    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_detail = (
        f"The body may have at most {settings.DATA_UPLOAD_MAX_MEMORY_SIZE} bytes; "
        "send less at a time."
    )
    default_code = "payload_too_large"


class DatabaseAway(APIException):
    """The database cannot be reached, or does not answer in time."""

    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_detail = "The database does not answer; repeat the request in a moment."
    default_code = "database_away"


def exception_handler(exc: Exception, context: dict[str, Any]) -> Response | None:
    if isinstance(exc, RequestDataTooBig):
        exc = PayloadTooLarge()
    elif isinstance(exc, OperationalError):
        logger.error("the database does not answer: %s", exc)
        exc = DatabaseAway()
    elif isinstance(exc, TokenRefused) and isinstance(exc.detail, dict):  # it always is
        detail = ErrorDetail("This token lets nobody in (any more): log in for a new one.")
        exc.detail["detail"] = detail  # changed, not replaced: the rest of it tells why
    return views.exception_handler(exc, context)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return JsonResponse(
        {"detail": "The request is malformed or names an unknown host."}, status=400
    )


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if not request.path.startswith("/api/"):
        return defaults.page_not_found(request, exception)
    return JsonResponse({"detail": f"Nothing is at {request.path}: see /api/docs/."}, status=404)


def server_error(request: HttpRequest) -> HttpResponse:
    return JsonResponse(
        {"detail": "This is a fault of ours; the log tells more under this X-Request-ID."},
        status=500,
    )
