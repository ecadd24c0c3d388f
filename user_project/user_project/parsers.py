"""What a request may carry."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

View = Callable[[HttpRequest], HttpResponseBase]


def bounded(get_response: View) -> View:
    """Middleware that refuses, unread, a body larger than DATA_UPLOAD_MAX_MEMORY_SIZE.

    Django itself enforces the limit later and not on files, and answers with a page.
    """

    def middleware(request: HttpRequest) -> HttpResponseBase:
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        if int(request.META.get("CONTENT_LENGTH") or 0) > limit:
            detail = f"The body may have at most {limit} bytes; send less at a time."
            return JsonResponse({"detail": detail}, status=413)
        return get_response(request)

    return middleware


class ShallowJSONParser(JSONParser):
    """DRF's JSON parser, which would fail on what nests deeper than Python may recurse."""

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        try:
            return super().parse(stream, media_type, parser_context)
        except RecursionError as error:
            raise ParseError("The body nests too deep; send an object of plain values.") from error
