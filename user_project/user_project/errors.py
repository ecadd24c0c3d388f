"""What is answered where no view does: DRF's shape below /api/, Django's page elsewhere.

And what is answered to a token, in other words than the library's: they say what to do.
"""

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views import defaults
from rest_framework import views
from rest_framework.exceptions import ErrorDetail
from rest_framework.response import Response
from rest_framework_simplejwt.exceptions import AuthenticationFailed as TokenRefused


def exception_handler(exc: Exception, context: dict[str, Any]) -> Response | None:
    if isinstance(exc, TokenRefused) and isinstance(exc.detail, dict):  # it always is
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
