"""Look and name may be changed while a film waits in line, and not after."""

import pytest
from django.utils import timezone

from jobs import moving
from jobs.models import JobEvent
from tests import factories
from tests.jobs.orders import URL, order

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def address(job_id):
    return f"{URL}{job_id}/"


def patch(api, job_id, **wish):
    return api.patch(address(job_id), wish, content_type="application/json")


def test_a_film_in_line_gets_another_look_and_name_and_keeps_its_place(api):
    factories.make_look("netrunner")
    sent = factories.tiny_photo()
    accepted = api.post(URL, order(sent, hero_name="NOVA"), headers={"Idempotency-Key": "one"}).json()
    answer = patch(api, accepted["id"], look="netrunner", hero_name="ONYX")
    assert answer.status_code == 200
    changed = answer.json()
    assert (changed["look"], changed["hero_name"], changed["seq"]) == ("netrunner", "ONYX", accepted["seq"] + 1)
    assert changed["queue"]["position"] == accepted["queue"]["position"]
    assert JobEvent.objects.get(kind="changed").data == {"look": "netrunner"}, "a name is in no history"
    again = api.post(URL, order(sent, hero_name="NOVA"), headers={"Idempotency-Key": "one"})
    assert again.json()["id"] == accepted["id"], "the order sent once more is still this film"
    assert patch(api, accepted["id"], hero_name="").json()["look"] == "netrunner", "what is left out stays"


def test_what_is_wrong_is_said(api):
    job_id = api.post(URL, order()).json()["id"]
    assert patch(api, job_id, look="nowhere").json()["code"] == "look_unknown"
    assert api.patch(address(job_id), [], content_type="application/json").json()["code"] == "look_unknown"
    assert patch(api, job_id, hero_name=7).json()["code"] == "hero_name_characters"


def test_a_film_that_a_provider_has_stays_as_it_is(provider):
    job = factories.make_submitted_attempt(provider).job
    assert not moving.change_order(job.id, hero_name="ONYX", now=timezone.now())
    assert factories.reload(job).hero_name == job.hero_name
    factories.is_consistent(job.id)
