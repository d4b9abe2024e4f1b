"""Parts of addresses, for Django's `path()`: `<id:job_id>`."""

from __future__ import annotations

from django.urls import register_converter
from django.urls.converters import UUIDConverter


class IdConverter(UUIDConverter):
    """A UUID in letters of either size: Swift writes the capital ones, whatever it was given."""

    regex = "[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"


register_converter(IdConverter, "id")
