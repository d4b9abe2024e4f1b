"""Content negotiation."""

from __future__ import annotations

from collections.abc import Iterable

from django.http import Http404
from rest_framework import exceptions
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer


class Negotiation(DefaultContentNegotiation):
    """As DRF's, except that an unknown `?format=` is 406 instead of 404: the address exists, only not in this form."""

    def filter_renderers(self, renderers: Iterable[BaseRenderer], format: str) -> list[BaseRenderer]:
        try:
            return super().filter_renderers(renderers, format)
        except Http404:
            raise exceptions.NotAcceptable(available_renderers=list(renderers)) from None
