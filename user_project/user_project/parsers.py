"""What a request may carry."""

import json
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


class StrictJSONParser(JSONParser):
    """DRF's JSON parser, but refuses what nobody could write down again."""

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        try:
            parsed = super().parse(stream, media_type, parser_context)
            json.dumps(parsed, ensure_ascii=False).encode()
        except RecursionError as error:
            raise ParseError("The body nests too deep; send an object of plain values.") from error
        except UnicodeEncodeError as error:
            raise ParseError(
                "The body has half a surrogate pair; send whole characters."
            ) from error
        return parsed
