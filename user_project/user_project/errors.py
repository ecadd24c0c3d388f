"""DRF's shape for refusals that do not arise in a DRF view, or whose words say not what to do."""

import logging
from typing import Any

from django.db import OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views import defaults
from rest_framework import status, views
from rest_framework.exceptions import APIException, ErrorDetail
from rest_framework.response import Response
from rest_framework_simplejwt.exceptions import AuthenticationFailed as TokenRefused

logger = logging.getLogger(__name__)


class DatabaseAway(APIException):
    """The database cannot be reached, or does not answer in time."""

    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_detail = "The database does not answer; repeat the request in a moment."
    default_code = "database_away"


def exception_handler(exc: Exception, context: dict[str, Any]) -> Response | None:
    if isinstance(exc, OperationalError):
        logger.error("the database does not answer: %s", exc)
        exc = DatabaseAway()
    elif isinstance(exc, TokenRefused) and isinstance(exc.detail, dict):  # it always is
        detail = ErrorDetail("This token lets nobody in (any more): log in for a new one.")
        exc.detail["detail"] = detail  # changed, not replaced: the rest of it tells why
    return views.exception_handler(exc, context)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    page = defaults.bad_request(request, exception)
    return _in_shape(request, page, "The request cannot be understood; /api/docs/ describes it.")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    page = defaults.page_not_found(request, exception)
    return _in_shape(
        request, page, f"{request.path} leads nowhere; /api/docs/ lists what there is."
    )


def server_error(request: HttpRequest) -> HttpResponse:
    page = defaults.server_error(request)
    return _in_shape(request, page, "Our fault: please report the X-Request-ID of this answer.")


def _in_shape(request: HttpRequest, page: HttpResponse, detail: str) -> HttpResponse:
    if not request.path.startswith("/api/"):
        return page
    return JsonResponse({"detail": detail}, status=page.status_code)
