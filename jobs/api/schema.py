"""What the OpenAPI document says of every operation: who may call it, and which problems may come back."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension

from common.problem import CONTENT_TYPE
from jobs.intake.problems import TITLES


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


# Anybody may call the first. Without cookie or token `create_job` makes a visitor, and `list_jobs` has nothing to list.
OPEN = frozenset({"list_looks", "verify_receipt", "verify_receipt_by_post", "list_receipt_keys", "read_push_key"})
EITHER_WAY = frozenset({"create_job", "list_jobs"})
_VERBS = ("get", "post", "put", "patch", "delete")


def complete(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """Write into the document what holds for many operations at once (drf-spectacular calls it last)."""
    for path, verbs in result["paths"].items():
        for verb, operation in verbs.items():
            if verb in _VERBS:
                _complete(operation, path=path, changes=verb != "get")
    return result


def _complete(operation: dict[str, Any], *, path: str, changes: bool) -> None:
    name = operation["operationId"]
    if name in OPEN:
        operation["security"] = []
    elif name in EITHER_WAY:
        operation["security"] = [{}, *(one for one in operation["security"] if one)]
    else:
        operation["security"] = [one for one in operation["security"] if one]
    # Unknown tokens; other sites' pages; too many requests; no thread or no database free.
    statuses = {429, 503} | ({401} if name not in OPEN else set()) | ({403} if changes else set())
    statuses |= {404} if "{id}" in path else set()
    # What is in the address or body may be wrong, too large, or of another kind.
    statuses |= {400, 413, 415} if "requestBody" in operation else {400} if operation.get("parameters") else set()
    for status in sorted(statuses):
        operation["responses"].setdefault(str(status), problem(status))
    operation["responses"] = dict(sorted(operation["responses"].items()))


def problem(status: int) -> dict[str, Any]:
    """Return the description of an answer of that status."""
    content = {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {"description": TITLES[status], "content": content}
