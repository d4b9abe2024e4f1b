"""LOG_FORMAT=json: one line of JSON for each record, with its time and the id of its request, and without secrets."""

from __future__ import annotations

import io
import json
import logging
from datetime import datetime
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory

from selfiehero import logs
from selfiehero.environment import BadEnvironment, load

LOGGER = logging.getLogger("jobs.tests")


@pytest.fixture
def lines() -> Any:
    """What the handler of LOG_FORMAT=json writes, read back."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.RedactingJsonFormatter())
    LOGGER.addHandler(handler)
    LOGGER.setLevel("INFO")
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    LOGGER.removeHandler(handler)


def test_a_line_is_json_with_its_time_and_the_values_of_its_event(lines: Any) -> None:
    LOGGER.info("job_accepted job=%s look=%s", "3b7c", "neon-noir")
    (line,) = lines()
    assert datetime.fromisoformat(line["time"]).tzinfo is not None
    assert (line["level"], line["logger"], line["event"]) == ("INFO", "jobs.tests", "job_accepted")
    assert (line["message"], line["job"], line["look"]) == ("job_accepted job=3b7c look=neon-noir", "3b7c", "neon-noir")
    assert "request_id" not in line


def test_a_value_never_takes_the_place_of_what_a_line_is(lines: Any) -> None:
    LOGGER.info("odd level=9 logger=x time=y message=z")
    (line,) = lines()
    assert (line["level"], line["logger"]) == ("INFO", "jobs.tests")
    assert line["time"] != "y"


def test_a_traceback_is_within_its_line_and_nothing_opens_anything(lines: Any) -> None:
    try:
        raise ValueError("at https://bucket.example/x?X-Amz-Signature=abc for deckard@lapd.example\nand more")
    except ValueError:
        LOGGER.exception("step_failed path=%s", "/media/raw/abc.jpg")
    (line,) = lines()
    assert "ValueError" in line["exc_info"]
    whole = json.dumps(line)
    assert not any(secret in whole for secret in ("Signature=abc", "deckard", "abc.jpg"))


def test_lines_of_a_request_have_its_id_and_so_has_the_answer(lines: Any) -> None:
    def view(request: HttpRequest) -> HttpResponse:
        LOGGER.info("seen")
        return HttpResponse()

    respond = logs.middleware(view)
    first, second = respond(RequestFactory().get("/")), respond(RequestFactory().get("/"))
    given = respond(RequestFactory().get("/", headers={"x-request-id": "proxy-made-1234"}))
    bad = respond(RequestFactory().get("/", headers={"x-request-id": 'a"b\nlevel=x'}))
    LOGGER.info("after")
    ids = [line.get("request_id") for line in lines()]
    assert ids == [*(answer["X-Request-ID"] for answer in (first, second, given, bad)), None]
    assert ids[2] == "proxy-made-1234"
    assert len(set(ids)) == 5
    assert all(len(one) == 16 for one in (ids[0], ids[1], ids[3]))


def test_every_answer_names_its_request() -> None:
    assert len(Client().get("/healthz")["X-Request-ID"]) == 16


def test_the_format_is_chosen_by_a_variable() -> None:
    assert load({}).monitoring.log_format == "line"
    form = load({"LOG_FORMAT": "JSON"}).monitoring.log_format
    assert logs.config(level="INFO", form=form)["handlers"]["console"]["formatter"] == "json"
    with pytest.raises(BadEnvironment, match="LOG_FORMAT"):
        load({"LOG_FORMAT": "xml"})


@pytest.mark.parametrize(
    ("name", "value"),
    [("METRICS_TOKEN", "short"), ("METRICS_TOKEN", "with a space in it"), ("METRICS_NETWORKS", "10.0.0.1/8")],
)
def test_what_is_wrong_is_said_by_its_name(name: str, value: str) -> None:
    with pytest.raises(BadEnvironment, match=name):
        load({name: value})


def test_networks_are_read_with_commas_and_spaces() -> None:
    said = load({"METRICS_NETWORKS": "10.0.0.0/8, 192.0.2.7"}).monitoring.metrics_networks
    assert said == ("10.0.0.0/8", "192.0.2.7/32")
    assert load({}).monitoring.metrics_networks == ("127.0.0.0/8", "::1/128")
