"""The authentication schemes of the OpenAPI document."""

from __future__ import annotations

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension


class OwnerScheme(OpenApiAuthenticationExtension):
    """A visitor's cookie, or an API token for programs."""

    target_class = "jobs.identity.OwnerAuthentication"
    name = ["visitorCookie", "apiToken"]

    def get_security_requirement(self, auto_schema: object) -> list[dict[str, list[str]]]:
        # A list means "or"; names in one dict would all be required.
        return [{name: []} for name in self.name]

    def get_security_definition(self, auto_schema: object) -> list[dict[str, str]]:
        return [
            {"type": "apiKey", "in": "cookie", "name": settings.VISITOR_COOKIE_NAME},
            {"type": "apiKey", "in": "header", "name": "Authorization", "description": "Token <key>"},
        ]
