"""How lines are logged: Django's LOGGING, the JSON of LOG_FORMAT=json, and the id that a request's lines share."""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from pythonjsonlogger.json import JsonFormatter

from .redaction import RedactingMixin

HEADER = "X-Request-ID"
# What a proxy of ours, a load balancer or a tracer makes: a UUID, hexadecimal digits, a word.
_ID = re.compile(r"[A-Za-z0-9_.-]{8,64}", re.ASCII)
# `event name=value name=value`, as the product's own lines are.
_EVENT = re.compile(r"([a-z][a-z0-9_]*)(?= |$)")
_VALUE = re.compile(r"(?<= )([a-z_]+)=(\S+)")
_request_id: ContextVar[str] = ContextVar("request_id", default="")


def config(*, level: str, form: str) -> dict[str, Any]:
    """Return Django's LOGGING for lines of this form, "line" or "json"."""
    formatters = {
        # Both take keys, addresses and e-mails out of every line of every logger.
        "line": {"()": "selfiehero.redaction.RedactingFormatter", "fmt": "%(levelname)s %(name)s %(message)s"},
        "json": {"()": "selfiehero.logs.RedactingJsonFormatter"},
    }
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {form: formatters[form]},
        "filters": {
            "one_line": {"()": "selfiehero.server.log.OneLine"},
            "database_away": {"()": "selfiehero.server.log.DatabaseAway"},
        },
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": form}},
        "root": {"handlers": ["console"], "level": "WARNING"},
        "loggers": {name: {"level": level} for name in ("selfiehero", "notifications", "jobs", "providers")}
        | {"axes": {"level": "ERROR"}}  # `selfiehero.staff.log` writes these lines without names
        | {"rq": {"level": "WARNING"}}
        # Django's own handlers would write around the formatter.
        | {name: {"level": "WARNING", "handlers": [], "propagate": True} for name in ("django", "django.server")}
        | {"django.security.DisallowedHost": {"filters": ["one_line"]}}
        | {"django.request": {"filters": ["database_away"]}},
    }


class RedactingJsonFormatter(RedactingMixin, JsonFormatter):
    """Formats a record as one line of JSON, and takes out what opens something.

    `time` (UTC), `level`, `logger`, `message`, `request_id` where there is one, `event` and its values for the
    product's own lines, and `exc_info` with a traceback.
    """

    def __init__(self) -> None:
        super().__init__(json_ensure_ascii=False)

    def add_fields(self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]) -> None:
        log_data["time"] = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        log_data |= {"level": record.levelname, "logger": record.name, "message": record.getMessage()}
        log_data["process"] = record.process
        if request_id := _request_id.get():
            log_data["request_id"] = request_id
        if event := _EVENT.match(log_data["message"]):
            log_data["event"] = event[1]
            for name, value in _VALUE.findall(log_data["message"]):
                log_data.setdefault(name, value)
        if message_dict.get("exc_info"):
            log_data["exc_info"] = message_dict["exc_info"]


def middleware(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Give each request an id: the one that a proxy gave it, or a new one. Its lines have it, and its answer."""

    def respond(request: HttpRequest) -> HttpResponse:
        given = request.headers.get(HEADER, "")
        request_id = given if _ID.fullmatch(given) else secrets.token_hex(8)
        token = _request_id.set(request_id)
        try:
            response = get_response(request)
        finally:
            _request_id.reset(token)
        response[HEADER] = request_id
        return response

    return respond
