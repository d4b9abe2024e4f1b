"""Parsers of request bodies, where Django REST framework's own are not enough."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any

from rest_framework import parsers
from rest_framework.exceptions import ParseError

from common import plain_json


class JSONParser(parsers.JSONParser):
    """Parses JSON; what Python's decoder breaks on or lets through that is no text is a bad request."""

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        try:
            found = super().parse(stream, media_type, parser_context)
        except RecursionError:
            raise ParseError("JSON parse error - nested too deeply") from None
        # A NUL is refused by the field that it is in, which names itself.
        if fault := plain_json.fault_in(found, refuses_nul=False):
            raise ParseError(f"JSON parse error - {fault}")
        return found
