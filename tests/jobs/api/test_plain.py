"""The calls that every hero makes answer as the OpenAPI document says: every status, every body, and no other field."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from redis.client import Redis

from jobs import services, storage
from jobs.models import Job
from tests import factories
from tests.jobs.intake.test_job_input import is_problem, order

pytestmark = pytest.mark.django_db
JOBS, JOB = "/api/v1/jobs/", "/api/v1/jobs/{job_id}/"


def as_json_schema(node: Any) -> Any:
    """Return a schema of OpenAPI 3.0 as JSON Schema has it, objects without any field that is not named."""
    if isinstance(node, list):
        return [as_json_schema(each) for each in node]
    if not isinstance(node, dict):
        return node
    found = {name: as_json_schema(each) for name, each in node.items() if name != "nullable"}
    if found.get("type") == "object" and "properties" in found:
        found["additionalProperties"] = False
    return {"anyOf": [found, {"type": "null"}]} if node.get("nullable") else found


@pytest.fixture
def documented(api):
    """Check an answer against what the document says about its call."""
    document = api.get("/api/v1/schema/?format=json").json()
    components = as_json_schema(document["components"])

    def check(path: str, verb: str, answer: Any) -> Any:
        said = document["paths"][path][verb]["responses"]
        assert str(answer.status_code) in said, f"{answer.status_code} is not documented"
        content_type = answer["Content-Type"].partition(";")[0]
        content = said[str(answer.status_code)]["content"]
        assert content_type in content
        schema = as_json_schema(content[content_type]["schema"]) | {"components": components}
        jsonschema.validate(answer.json(), schema)
        return answer

    return check


def asked(client: Client, **values: Any) -> Any:
    headers = values.pop("headers", {})
    return client.post(JOBS, order(**values), headers=headers)


def other_form(client: Client) -> Any:
    return client.post(JOBS, {"look": "neon-noir"}, content_type="application/json")


def conflict(client: Client) -> Any:
    asked(client, headers={"Idempotency-Key": "once"})
    return asked(client, hero_name="ANOTHER", headers={"Idempotency-Key": "once"})


def broken_form(client: Client) -> Any:
    return client.generic("POST", JOBS, b"--x\r\nrubbish", content_type="multipart/form-data")


ASKED = {
    "accepted": (asked, 202, None),
    "a form that is none": (broken_form, 400, "malformed"),
    "an unknown token": (lambda api: asked(api, headers={"Authorization": f"Token {'0' * 40}"}), 401, "bad_token"),
    "another site": (lambda api: asked(api, headers={"Sec-Fetch-Site": "cross-site"}), 403, "forbidden"),
    "another site, nobody": (lambda api: asked(Client(), headers={"Sec-Fetch-Site": "cross-site"}), 403, "forbidden"),
    "for a page": (lambda api: asked(api, headers={"Accept": "text/html"}), 406, "not_acceptable"),
    "in another form": (lambda api: api.post(f"{JOBS}?format=xml", order()), 406, "not_acceptable"),
    "a key used before": (conflict, 409, "idempotency_conflict"),
    "JSON": (other_form, 415, "unsupported_media_type"),
    "nothing at all": (lambda api: api.generic("POST", JOBS), 422, "consent_missing"),
    "without consent": (lambda api: asked(api, consent=None), 422, "consent_missing"),
    "without a look": (lambda api: asked(api, look="none"), 422, "look_unknown"),
}


@pytest.mark.parametrize("case", ASKED)
def test_an_order_is_answered_as_documented(case, api, documented):
    ask, status, code = ASKED[case]
    answer = documented(JOBS, "post", ask(api))
    if code is None:
        assert (answer.status_code, answer["Location"]) == (status, answer.json()["links"]["self"])
    else:
        is_problem(answer, status, code)
    assert answer["Allow"] == "GET, POST, HEAD, OPTIONS"
    assert ("WWW-Authenticate" in answer) == (status == 401)


def test_a_photo_that_is_too_big_is_answered_as_documented(api, documented, settings):
    settings.PHOTO_MAX_BYTES = 100
    is_problem(documented(JOBS, "post", asked(api)), 413, "photo_too_big")


def test_too_many_orders_are_answered_as_documented(api, documented, monkeypatch):
    monkeypatch.setattr("jobs.intake.throttles.UploadsPerOwner.rate", "1/min", raising=False)
    assert asked(api).status_code == 202
    answer = documented(JOBS, "post", asked(api))
    is_problem(answer, 429, "too_many_requests")
    assert 0 < int(answer["Retry-After"]) <= 60


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (storage.StorageAway("gone"), 503, "storage_away"),
        (OSError(errno.ENOSPC, "full"), 507, "storage_full"),
        (OperationalError("gone"), 503, "unavailable"),
    ],
    ids=str,
)
def test_what_is_away_is_answered_as_documented(error, status, code, api, documented, monkeypatch):
    def fail(*_args, **_choices):
        raise error

    monkeypatch.setattr(services, "create_job", fail)
    answer = documented(JOBS, "post", asked(api))
    is_problem(answer, status, code)
    assert answer["Retry-After"]


def test_a_job_is_read_as_documented(api, documented, provider):
    body = asked(api).json()
    answer = documented(JOB, "get", api.get(body["links"]["self"]))
    assert (answer.status_code, answer["Retry-After"], answer["Cache-Control"]) == (200, "2", "private, no-store")
    finished = factories.make_finished_job(provider, film=b"film")
    Job.objects.filter(id=finished.id).update(owner=Job.objects.get(id=body["id"]).owner)
    answer = documented(JOB, "get", api.get(f"/api/v1/jobs/{finished.id}/"))
    assert (answer.json()["status"], "Retry-After" in answer) == ("succeeded", False)
    assert api.head(f"/api/v1/jobs/{finished.id}/")["Content-Type"] == "application/json"


def test_a_job_that_is_not_theirs_is_answered_as_documented(api, documented):
    url = asked(api).json()["links"]["self"]
    is_problem(documented(JOB, "get", Client().get(url)), 404, "not_found")
    is_problem(documented(JOB, "get", api.get(url, headers={"Accept": "text/html"})), 406, "not_acceptable")
    unknown = api.get(url, headers={"Authorization": f"Token {'0' * 40}"})
    is_problem(documented(JOB, "get", unknown), 401, "bad_token")


def test_each_costs_few_calls(api, provider, monkeypatch):
    """Of the database without BEGIN, COMMIT and savepoints; of Redis: the throttles together, and the nudge."""
    said: list[Any] = []
    original = Redis.execute_command

    def listening(self: Redis, *args: Any, **options: Any) -> Any:
        said.append(args[0])
        return original(self, *args, **options)

    def costs(call: Callable[[], Any]) -> tuple[int, list[Any]]:
        said.clear()
        with CaptureQueriesContext(connection) as asked_for:
            call()
        words = [each["sql"].split()[0] for each in asked_for]
        return sum(word in ("SELECT", "INSERT", "UPDATE", "DELETE") for word in words), said[:]

    asked(api)
    monkeypatch.setattr(Redis, "execute_command", listening)
    # The look, the turn for the forecast and again for the row, those who wait, the job, its event.
    statements, calls = costs(lambda: asked(api))
    assert (statements, calls.count("EVAL")) == (6, 1)
    url = api.get(JOBS).json()["results"][0]["links"]["self"]
    statements, calls = costs(lambda: api.get(url))
    assert (statements, calls) == (2, ["EVAL"])  # the job, those who wait
