"""Parsers of request bodies, where Django REST framework's own are not enough."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import IO, Any

from rest_framework import parsers
from rest_framework.exceptions import ParseError

# Half of a pair in UTF-16: JSON can say it, but it is no character, and no database stores it.
_HALF = re.compile("[\ud800-\udfff]")


class JSONParser(parsers.JSONParser):
    """Parses JSON; what Python's decoder breaks on or lets through that is no text is a bad request."""

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        try:
            found = super().parse(stream, media_type, parser_context)
            if _has_half(found):
                raise ParseError("JSON parse error - half of a surrogate pair is no character")
            return found
        except RecursionError:
            raise ParseError("JSON parse error - nested too deeply") from None


def _has_half(value: Any) -> bool:
    match value:
        case str():
            return _HALF.search(value) is not None
        case dict():
            return any(_has_half(part) for pair in value.items() for part in pair)
        case list():
            return any(map(_has_half, value))
        case _:
            return False
