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


# Anybody may call the first. Without cookie or token `create_job` and `subscribe` make a visitor, and the others find
# nothing.
HTML = "text/html"
OPEN = frozenset({"list_looks", "verify_receipt", "verify_receipt_by_post", "list_receipt_keys", "read_push_key"})
EITHER_WAY = frozenset({"create_job", "list_jobs", "subscribe", "unsubscribe"})
# What the answer to a new job lets one do, as links of its description: the way on, for people and for test tools.
_MAKES_A_JOB = ("create_job", "remix_job")
_VERBS = ("get", "post", "put", "patch", "delete")


def complete(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """Write into the document what holds for many operations at once (drf-spectacular calls it last)."""
    operations = [
        (path, verb, operation)
        for path, verbs in result["paths"].items()
        for verb, operation in verbs.items()
        if verb in _VERBS
    ]
    for path, verb, operation in operations:
        _complete(operation, path=path, changes=verb != "get")
    of_a_job = [operation for path, _verb, operation in operations if "{job_id}" in path]
    for _path, _verb, operation in operations:
        if operation["operationId"] in _MAKES_A_JOB:
            operation["responses"]["202"]["links"] = {
                other["operationId"]: {
                    "operationId": other["operationId"],
                    "parameters": {"job_id": "$response.body#/id"},
                }
                for other in of_a_job
            }
    return result


def _complete(operation: dict[str, Any], *, path: str, changes: bool) -> None:
    name = operation["operationId"]
    if name in OPEN:
        operation["security"] = []
    elif name in EITHER_WAY:
        operation["security"] = [{}, *(one for one in operation["security"] if one)]
    else:
        operation["security"] = [one for one in operation["security"] if one]
    # A form that is not given here; unknown tokens; other sites' pages; too many requests; no thread or database free.
    statuses = {406, 429, 503} | ({401} if name not in OPEN else set()) | ({403} if changes else set())
    statuses |= {404} if "{job_id}" in path else set()
    # The form of an answer is asked for by Accept; `?format=` is for people with a browser.
    kept = [one for one in operation.get("parameters", []) if one["name"] != "format"]
    operation.pop("parameters", None)
    if kept:
        operation["parameters"] = kept
    # What is in the address or body may be wrong, too large, or of another kind.
    statuses |= {400, 413, 415} if "requestBody" in operation else {400} if operation.get("parameters") else set()
    for status in sorted(statuses):
        operation["responses"].setdefault(str(status), problem(status))
    if HTML in operation["responses"].get("200", {}).get("content", {}):
        for status, answer in operation["responses"].items():
            if status >= "400":
                answer["content"].setdefault(HTML, {"schema": {"type": "string"}})
    operation["responses"] = dict(sorted(operation["responses"].items()))


def problem(status: int) -> dict[str, Any]:
    """Return the description of an answer of that status."""
    content = {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {"description": TITLES[status], "content": content}
