"""What is answered where no view is."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.defaults import page_not_found


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404 in DRF's shape under the API, as a page elsewhere."""
    if not request.path.startswith("/api/"):
        return page_not_found(request, exception)
    detail = f"There is nothing at {request.path}; /api/docs/ lists what there is."
    return JsonResponse({"detail": detail}, status=404)
