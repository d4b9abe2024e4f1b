"""An error keeps the form of its address, whatever broke."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from jobs.intake import deliveries
from jobs.models import Look
from selfiehero import language

pytestmark = pytest.mark.django_db


class Broken(Exception):
    """Nothing that the product expects."""


def breaks(*_: Any, **__: Any) -> Any:
    raise Broken


@pytest.fixture
def client() -> Client:
    return Client(raise_request_exception=False)


def in_a_view(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Look.objects, "filter", breaks)
    monkeypatch.setattr(deliveries, "record", breaks)


def in_a_middleware(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(language.translation, "get_language_from_request", breaks)


@pytest.mark.parametrize("break_something", [in_a_view, in_a_middleware])
@pytest.mark.parametrize(("method", "path"), [("get", "/api/v1/looks/"), ("post", "/webhooks/studio/token/")])
def test_what_nobody_expected_is_a_problem_for_programs(
    break_something: Callable, method: str, path: str, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_something(monkeypatch)
    answer = getattr(client, method)(path)
    assert (answer.status_code, answer["Content-Type"]) == (500, "application/problem+json")
    body = answer.json()
    assert (body["status"], body["code"]) == (500, "internal_error")
    assert "Broken" not in answer.content.decode()


def test_people_get_a_page(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Look.objects, "filter", breaks)
    answer = client.get("/")
    assert answer.status_code == 500
    assert answer["Content-Type"].startswith("text/html")


@pytest.mark.parametrize(
    ("method", "path", "status_code"),
    [
        ("delete", "/api/v1/schema/", 405),
        ("get", "/webhooks/studio/token/", 405),
        ("get", "/webhooks/", 404),
        ("get", "/webhooks", 404),
        ("get", "/api", 404),
    ],
)
def test_what_django_answers_by_itself_is_a_problem_too(
    method: str, path: str, status_code: int, client: Client
) -> None:
    answer = getattr(client, method)(path)
    assert (answer.status_code, answer["Content-Type"]) == (status_code, "application/problem+json")


@pytest.mark.parametrize("path", ["/api/v1/jobs/", "/webhooks/replicate/token/", "/", "/verify/"])
@pytest.mark.parametrize("coding", ["gzip", "BR", "identity, zstd", "aes128gcm"])
def test_a_compressed_body_is_refused_by_its_name(path: str, coding: str, client: Client) -> None:
    answer = client.post(path, b"\x1f\x8b", content_type="application/json", headers={"Content-Encoding": coding})
    assert (answer.status_code, answer.json()["code"]) == (415, "content_encoding")
    assert answer["Accept-Encoding"] == "identity"


@pytest.mark.parametrize("coding", ["identity", " Identity", ""])
def test_a_body_as_it_is_may_say_so(coding: str, client: Client) -> None:
    answer = client.post("/api/v1/jobs/", b"{", content_type="application/json", headers={"Content-Encoding": coding})
    assert answer.json()["code"] != "content_encoding"


def test_a_coding_of_no_body_is_passed_over(client: Client) -> None:
    assert client.get("/api/v1/looks/", headers={"Content-Encoding": "gzip"}).status_code == 200
