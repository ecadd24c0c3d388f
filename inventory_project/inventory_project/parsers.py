"""What a request may carry."""

from typing import Any

from django.conf import settings
from rest_framework import status
from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import BaseParser, JSONParser, MultiPartParser


class PayloadTooLarge(APIException):
    """The body is larger than any honest one."""

    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_code = "payload_too_large"


class Bounded(BaseParser):
    """Holds every body under DATA_UPLOAD_MAX_MEMORY_SIZE, which Django does for forms alone."""

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        if int((parser_context or {})["request"].META.get("CONTENT_LENGTH") or 0) > limit:
            raise PayloadTooLarge(f"The body may have at most {limit} bytes; send less at a time.")
        try:
            return super().parse(stream, media_type, parser_context)
        except RecursionError as error:
            raise ParseError("The body nests too deep; send the fields as documented.") from error


class BoundedJSONParser(Bounded, JSONParser):
    """What clients send."""


class BoundedFormParser(Bounded, MultiPartParser):
    """What the forms of the browsable API send."""
