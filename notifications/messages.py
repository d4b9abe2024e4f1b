"""What a waiting page is sent, and what travels to the process that holds its socket.

To the page: `{"type": "job.snapshot", "job": {…the body of GET /api/v1/jobs/<id>/…}}`.
Between our processes: `{"type": "job.changed", "seq", "is_final", "text"}`, where `text` is the page's message, made
once by the writer and forwarded as it is. When there is a sentence in it, which is seldom, `texts` has it in every
language: a page may be in another one than the order was, and whoever forwards it knows which, but not the job.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest
from django.http.cookie import parse_cookie
from django.utils import translation

from jobs.models import Job

Body = dict[str, Any]
# Between our processes: what an owner's lines were opened with may be good no more.
ACCESS_CHANGED = {"type": "access.changed"}


def job_group(job_id: UUID | str) -> str:
    """Return the name of the group that a job's pages are in."""
    return f"job.{job_id}"


def owner_group(owner: str) -> str:
    """Return the name of the group that the lines of a user (`u:<id>`) are in."""
    return f"owner.{owner.replace(':', '.')}"


def job_snapshot(body: Body) -> dict[str, Any]:
    """Return the page's message for the owner's body of a job."""
    return {"type": "job.snapshot", "job": body}


def text_of(body: Body, language: str | None = None) -> str:
    """Return the page's message as it goes over the socket, in a language or in the one that is active."""
    with translation.override(language or translation.get_language()):
        return json.dumps(job_snapshot(body), separators=(",", ":"), ensure_ascii=False, default=str)


def job_changed(body: Body) -> dict[str, Any]:
    """Return the message that one of our processes sends to another."""
    message = {"type": "job.changed", "seq": body["seq"], "is_final": is_final(body)}
    if not _has_sentences(body):
        return {**message, "text": text_of(body)}
    texts = {language: text_of(body, language) for language, _name in settings.LANGUAGES}
    return {**message, "text": texts[settings.LANGUAGE_CODE], "texts": texts}


def is_job_changed(message: Any) -> bool:
    """Tell whether this is a message of `job_changed`; what comes over Redis may be anything."""
    return (
        isinstance(message, dict)
        and message.get("type") == "job.changed"
        and type(message.get("seq")) is int
        and isinstance(message.get("is_final"), bool)
        and isinstance(message.get("text"), str)
        and isinstance(texts := message.get("texts", {}), dict)
        and all(isinstance(text, str) for text in texts.values())
    )


def text_for(message: Body, language: str) -> str:
    """Return the page's message out of one between processes."""
    return message.get("texts", {}).get(language, message["text"])


def _has_sentences(body: Body) -> bool:
    return bool(body.get("failure") or body.get("queue", {}).get("reason"))


def language_of(headers: Mapping[str, str]) -> str:
    """Return the language of the page that a handshake (lower-case names) comes from, as its request would have it."""
    request = HttpRequest()
    request.COOKIES = parse_cookie(headers.get("cookie", ""))
    request.META["HTTP_ACCEPT_LANGUAGE"] = headers.get("accept-language", "")
    return translation.get_language_from_request(request)


def is_final(body: Body) -> bool:
    return body["status"] in Job.FINAL
