"""An order with a key makes one job, however often it is sent."""

import pytest
from django.core.cache import cache
from django.test import Client

from jobs.intake import throttles
from jobs.models import Job
from tests import factories
from tests.jobs.orders import URL, is_problem, order
from tests.jobs.queue.test_claims import in_threads

pytestmark = pytest.mark.django_db


# --- Idempotency ---------------------------------------------------------------------------------


@pytest.mark.database
def test_the_same_request_again_is_the_same_job(api):
    photo = factories.tiny_photo()
    answers = [
        api.post(URL, order(photo, hero_name="NOVA"), headers={"Idempotency-Key": "one"}).json()["id"] for _ in range(3)
    ]
    assert len(set(answers)) == 1
    assert Job.objects.count() == 1
    assert len(factories.stored_files()) == 1


@pytest.mark.database
@pytest.mark.parametrize("change", ["photo", "name", "look"])
def test_the_same_key_for_something_else_is_a_conflict(change, api):
    factories.make_look("netrunner")
    photo = factories.tiny_photo()
    assert api.post(URL, order(photo), headers={"Idempotency-Key": "one"}).status_code == 202
    other = {
        "photo": lambda: order(factories.tiny_photo()),
        "name": lambda: order(photo, hero_name="NOVA"),
        "look": lambda: order(photo, look="netrunner"),
    }[change]()
    body = is_problem(api.post(URL, other, headers={"Idempotency-Key": "one"}), 409, "idempotency_conflict")
    assert body["field"] == "Idempotency-Key"
    assert Job.objects.count() == 1
    assert len(factories.stored_files()) == 1


@pytest.mark.database
def test_a_key_is_its_owners_own(api):
    photo = factories.tiny_photo()
    other = Client()
    other.get("/api/v1/looks/")
    first = api.post(URL, order(photo), headers={"Idempotency-Key": "one"}).json()["id"]
    second = other.post(URL, order(photo), headers={"Idempotency-Key": "one"}).json()["id"]
    assert first != second


def test_without_a_key_every_request_is_a_job(api):
    photo = factories.tiny_photo()
    ids = {api.post(URL, order(photo)).json()["id"] for _ in range(3)}
    assert len(ids) == 3


def test_a_key_is_remembered_after_the_job_was_erased(api):
    photo = factories.tiny_photo()
    first = api.post(URL, order(photo), headers={"Idempotency-Key": "one"}).json()
    api.delete(first["links"]["self"])
    again = api.post(URL, order(photo), headers={"Idempotency-Key": "one"})
    assert (again.status_code, again.json()["id"]) == (202, first["id"])
    assert factories.stored_files() == []


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_fifty_at_once_with_one_key_are_one_job(monkeypatch):
    monkeypatch.setitem(throttles.UploadsPerOwner.THROTTLE_RATES, "uploads", "1000/min")
    cache.clear()
    factories.make_look()
    first = Client()
    first.get("/api/v1/looks/")
    photo = factories.tiny_photo()
    per_thread = 5

    def post(_):
        client = Client()
        client.cookies = first.cookies
        return [
            (answer.status_code, answer.json().get("id"))
            for answer in (
                client.post(URL, order(photo), headers={"Idempotency-Key": "rush"}) for _round in range(per_thread)
            )
        ]

    answers = [answer for answers in in_threads(10, post) for answer in answers]
    assert len(answers) == 50
    assert len(set(answers)) == 1, set(answers)
    assert answers[0][0] == 202
    assert Job.objects.count() == 1
    assert len(factories.stored_files()) == 1
