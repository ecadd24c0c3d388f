"""How an answer becomes JSON."""

from collections.abc import Mapping
from typing import Any

import msgspec
from rest_framework import renderers
from rest_framework.utils.encoders import JSONEncoder


def simplify(value: Any) -> Any:
    """What msgspec does not know: words with a code or a language, and what DRF's encoder does."""
    return str(value) if isinstance(value, str) else JSONEncoder().default(value)


class JSONRenderer(renderers.JSONRenderer):
    """DRF's, ten times faster; it knows contracts too."""

    encoder = msgspec.json.Encoder(enc_hook=simplify)

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        if data is None:
            return b""
        text = self.encoder.encode(data)
        indent = self.get_indent(accepted_media_type or "", renderer_context or {})
        return msgspec.json.format(text, indent=indent) if indent else text
