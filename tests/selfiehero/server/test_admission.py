"""Who is let in while there is too much: decided by a request's head, in one place for every server."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from jobs.models import Job, LoadState
from jobs.overload import places, state
from jobs.overload.state import OPEN, Load
from selfiehero.server import admission
from selfiehero.server.admission import Door, Gate, Refusal
from tests import factories
from tests.jobs.intake.test_job_input import order

FULL = Load(admitted_per_second=0.1)
POST = ("POST", "/api/v1/jobs/")


class House:
    """A gate, and a clock that goes on when the test says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.gate, self.at = Gate(), 1000.0
        monkeypatch.setattr("time.monotonic", lambda: self.at)
        monkeypatch.setattr("time.time", lambda: self.at + 1.8e9)

    def ask(self, load: Load = FULL, *, token: str = "", method: str = POST[0], path: str = POST[1]) -> Refusal | None:
        headers = {"selfie-hero-place": token} if token else {}
        return self.gate.weigh(method, path, lambda: headers, lambda: load)


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch) -> House:
    return House(monkeypatch)


def fill(house: House) -> None:
    while house.ask() is None:
        pass


# --- What is asked at all ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/api/v1/jobs/"),
        ("POST", "/webhooks/wavespeed/abc/"),
        ("GET", "/healthz"),
        ("POST", f"/api/v1/jobs/{'0' * 8}-0000-4000-8000-{'0' * 12}/cancel/"),
        ("DELETE", f"/api/v1/jobs/{'0' * 8}-0000-4000-8000-{'0' * 12}/"),
        ("POST", "/admin/login/"),
    ],
)
def test_what_makes_no_job_always_passes(house: House, method: str, path: str) -> None:
    fill(house)
    assert house.ask(method=method, path=path) is None


@pytest.mark.parametrize(
    "path", ["/", "/api/v1/jobs/", "/api/v1/jobs", f"/api/v1/jobs/{'0' * 8}-0000-4000-8000-{'0' * 12}/remix/"]
)
def test_what_makes_a_job_is_asked(house: House, path: str) -> None:
    fill(house)
    assert house.ask(path=path) is not None


def test_without_overload_everybody_comes_in(house: House) -> None:
    assert [house.ask(OPEN) for _ in range(1000)] == [None] * 1000


# --- Who goes first ---------------------------------------------------------------------------------------


def test_as_many_come_in_as_there_is_room_for(house: House) -> None:
    load, let_in = Load(admitted_per_second=3.0), 0
    for _ in range(1000):
        house.at += 0.1
        let_in += house.ask(load) is None
    assert 250 <= let_in <= 310


def test_whoever_waits_longest_is_let_in_first(house: House) -> None:
    """Three people a second come for a minute, one a second is let in, and all try again when they were told to."""
    load = Load(admitted_per_second=1.0)
    people: list[tuple[float, int, str]] = []  # when they try, who they are, their place
    order: list[int] = []
    for second in range(400):
        house.at += 1
        people += [(house.at, 3 * second + number, "") for number in range(3)] if second < 60 else []
        for one in sorted(people):
            due, number, token = one
            if due > house.at:
                break
            people.remove(one)
            refusal = house.ask(load, token=token)
            if refusal is None:
                order.append(number)
            else:
                people.append((house.at + refusal.retry_after, number, refusal.place.token))
    assert sorted(order) == list(range(180))
    late = [place for place, number in enumerate(order) if number < 90]
    assert sum(late) / 90 < 75, "the first half came in well before the second (44 would be perfect, 89 chance)"


def test_a_place_cannot_be_used_for_ever(house: House) -> None:
    load = Load(admitted_per_second=0.2)
    fill(house)
    refusal = house.ask(load)
    assert refusal is not None
    let_in = 0
    for _ in range(admission.TRIES_A_PLACE):
        house.at += 10
        let_in += house.ask(load, token=refusal.place.token) is None
    house.at += 10
    later = house.ask(Load(admitted_per_second=0.01), token=refusal.place.token)
    assert let_in == admission.TRIES_A_PLACE
    assert later is None or later.place != refusal.place


def test_those_who_do_not_come_back_hold_nobody_up(house: House) -> None:
    load = Load(admitted_per_second=1.0)
    for _ in range(500):
        house.ask(load)
    last = house.ask(load)
    assert last is not None
    assert last.retry_after <= admission.LATEST
    house.at += admission.GONE_AFTER + 1
    assert house.ask(load, token=last.place.token) is None


def test_retry_after_is_spread(house: House) -> None:
    fill(house)
    told = {refusal.retry_after for _ in range(200) if (refusal := house.ask(Load(admitted_per_second=5.0)))}
    assert len(told) > 10
    assert min(told) >= admission.SOONEST


# --- The health of the door -----------------------------------------------------------------------------------


def serve(door: Door, at: float, *, seconds: int, wait: float, uploads: int) -> float | None:
    for second in range(seconds):
        for _ in range(20):
            door.waited(wait)
        for _ in range(uploads):
            door.decided(is_let_in=True)
        rate = door.rate_now(at + second + 1)
    return rate


def test_a_short_crowd_closes_no_door() -> None:
    door = Door()
    serve(door, 0, seconds=10, wait=0.001, uploads=40)
    assert serve(door, 10, seconds=2, wait=0.5, uploads=40) is None
    assert serve(door, 12, seconds=10, wait=0.001, uploads=40) is None


def test_waits_that_last_let_in_three_quarters_of_what_was_measured_and_less_until_they_end() -> None:
    door = Door()
    serve(door, 0, seconds=10, wait=0.001, uploads=40)
    assert serve(door, 10, seconds=3, wait=0.05, uploads=40) == pytest.approx(30)
    lower = serve(door, 13, seconds=5, wait=0.05, uploads=30)
    assert lower is not None
    assert lower < 20
    higher = serve(door, 18, seconds=3, wait=0.001, uploads=15)
    assert higher is not None
    assert higher > lower
    assert serve(door, 21, seconds=12, wait=0.001, uploads=15) is None


def test_a_slow_view_is_no_crowd() -> None:
    door = Door()
    for second in range(20):
        door.waited(0.5)  # one request in a second says nothing
        assert door.rate_now(second) is None


# --- What is answered -------------------------------------------------------------------------------------


@pytest.fixture
def closed(db: None) -> LoadState:
    """A cluster that lets hardly anybody in, and a gate that knows."""
    row = LoadState.objects.create(measured_at=timezone.now(), admitted_per_second=0.01, waiting=5000)
    state._cache.clear()
    while admission.gate.weigh(*POST, dict, state.current) is None:
        pass
    return row


def upload(client: Client, photo: bytes | None = None, **headers: str) -> Any:
    return client.post("/api/v1/jobs/", order(photo), headers=headers)


def test_a_program_is_told_when_to_come_back_and_keeps_its_place(api: Client, closed: LoadState) -> None:
    answer = upload(api)
    assert answer.status_code == 503
    assert answer["Content-Type"] == "application/problem+json"
    body = json.loads(answer.content)
    assert body["code"] == "busy"
    assert str(body["place"]["seconds"]) == answer["Retry-After"]
    assert answer.cookies[places.COOKIE].value == body["place"]["token"]
    assert answer.cookies[places.COOKIE]["httponly"]
    again = json.loads(upload(api).content)  # the cookie comes along
    assert again["place"]["token"] == body["place"]["token"]
    other = json.loads(upload(Client(), **{places.HEADER: body["place"]["token"]}).content)
    assert other["place"]["token"] == body["place"]["token"]
    assert not Job.objects.exists()


def test_a_browser_without_scripts_gets_the_page(api: Client, closed: LoadState) -> None:
    answer = api.post("/", {"look": "neon-noir"})
    assert (answer.status_code, answer["Refresh"]) == (503, answer["Retry-After"])
    assert "Full house." in answer.content.decode()


def test_a_key_that_made_a_job_passes(api: Client, closed: LoadState) -> None:
    LoadState.objects.all().delete()
    state._cache.clear()
    photo = factories.tiny_photo()
    first = upload(api, photo, **{"Idempotency-Key": "k1"})
    assert first.status_code == 202
    closed.save()
    state._cache.clear()
    again = upload(api, photo, **{"Idempotency-Key": "k1"})
    assert (again.status_code, again.json()["id"]) == (202, first.json()["id"])
    assert upload(api, **{"Idempotency-Key": "k2"}).status_code == 503
    assert upload(Client(), **{"Idempotency-Key": "k1"}).status_code == 503


def test_reads_and_changes_pass(api: Client, closed: LoadState) -> None:
    assert api.get("/api/v1/jobs/").status_code == 200
    assert api.get("/").status_code == 200
    assert api.post(f"/api/v1/jobs/{'0' * 8}-0000-4000-8000-{'0' * 12}/cancel/").status_code == 404
    assert api.post("/webhooks/studio/abc/", b"{}", content_type="application/json").status_code != 503


def test_everybody_can_read_that_the_door_is_closed(client: Client, closed: LoadState) -> None:
    LoadState.objects.update(level=2)
    state._cache.clear()
    found = client.get("/status.json").json()
    assert found["load"] == {"level": "short_films", "backlog_seconds": 0.0, "lets_everybody_in": False}
    assert found["state"] in ("crowded", "shut")
    assert any("door" in note for note in found["notes"])
