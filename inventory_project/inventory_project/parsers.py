"""What a request may carry."""

from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from rest_framework import parsers
from rest_framework.exceptions import ParseError


class JSONParser(parsers.JSONParser):
    """DRF's, which lets a body that is nested thousands of levels deep break the request."""

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        try:
            return super().parse(stream, media_type, parser_context)
        except RecursionError as error:
            raise ParseError("The JSON is nested too deeply: send it flatter.") from error


class MultiPartParser(parsers.MultiPartParser):
    """DRF's, which takes files of any size."""

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        size = (parser_context or {})["request"].META.get("CONTENT_LENGTH")
        if int(size or 0) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            raise RequestDataTooBig
        return super().parse(stream, media_type, parser_context)
