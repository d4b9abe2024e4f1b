"""The pages, as far as a server can say; what moves in them is in the journeys."""

import re
import uuid
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from jobs import lifecycle, messages, services, storage
from jobs.intake import throttles
from jobs.models import Job, Look
from jobs.photos.outcomes import OUTCOMES
from tests import factories
from tests.jobs.orders import animated_gif, order

pytestmark = pytest.mark.django_db


def job_of(client, **values):
    location = client.post("/api/v1/jobs/", order()).json()["id"]
    return Job.objects.get(id=location)


@pytest.mark.parametrize("address", ["/", "/wait/", "/me/", "/privacy/", "/?look=neon-noir", "/?look=<script>"])
def test_a_page_is_there_for_everybody(address, api):
    answer = Client().get(address)
    assert answer.status_code == 200
    assert "text/html" in answer["Content-Type"]
    assert "default-src 'none'" in answer["Content-Security-Policy"]
    assert "unsafe" not in answer["Content-Security-Policy"]
    assert b"<script>" not in answer.content.replace(b"<script type", b""), "no script in the page itself"


def test_a_newcomer_gets_a_cookie_with_the_start_page(db):
    factories.make_look()
    client = Client()
    assert "visitor" in client.get("/").cookies
    assert "visitor" not in client.get("/").cookies


def test_the_form_works_without_a_script(api):
    answer = api.post("/", order(hero_name="NOVA"))
    job = Job.objects.get()
    assert (answer.status_code, answer["Location"]) == (302, f"/jobs/{job.id}/")
    assert api.get(answer["Location"]).status_code == 200


def test_a_form_sent_twice_is_one_job_until_that_has_ended(api):
    (once,) = re.findall(r'name="once" value="([^"]+)"', api.get("/").content.decode())
    assert once not in api.get("/").content.decode(), "each page has its own"
    photo = factories.tiny_photo()

    def send(**values):
        return api.post("/", order(photo, **{"once": once} | values))["Location"]

    first = send()
    assert send() == first
    assert send(hero_name="NOVA") != first
    services.cancel_job(Job.objects.earliest("created_at").id, now=timezone.now())
    assert send() != first, "it can be tried again from the same page"
    assert len({send(once=other) for other in ("", "x" * 65)}) == 2, "what is no number of ours makes no key"
    assert Job.objects.count() == 5


def test_the_form_says_what_was_wrong(api):
    answer = api.post("/", order(consent=None))
    assert answer.status_code == 422
    assert b"consent" in answer.content
    assert not Job.objects.exists()
    assert factories.stored_files() == []


def test_the_form_needs_its_token(api):
    strict = Client(enforce_csrf_checks=True)
    assert strict.post("/", order()).status_code == 403
    assert not Job.objects.exists()


def test_the_form_is_counted_like_any_upload(api, monkeypatch):
    cache.clear()
    monkeypatch.setitem(throttles.UploadsPerOwner.THROTTLE_RATES, "uploads", "2/min")
    assert [api.post("/", order()).status_code for _ in range(3)] == [302, 302, 429]
    assert Job.objects.count() == 2


def test_a_full_disk_is_said_on_the_page(api, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(storage, "save", full)
    assert api.post("/", order()).status_code == 507


@pytest.mark.parametrize("state", ["waiting", "failed", "canceled", "succeeded", "erased"])
def test_a_jobs_page_shows_every_state_and_is_not_cached(state, api, provider):
    job = job_of(api)
    if state == "failed":
        lifecycle.fail(job.id, code="no_face", now=timezone.now())
    elif state == "canceled":
        services.cancel_job(job.id, now=timezone.now())
    elif state in ("succeeded", "erased"):
        owner = job.owner
        job = factories.make_finished_job(provider)
        Job.objects.filter(id=job.id).update(owner=owner)
        if state == "erased":
            services.erase_job(job.id, now=timezone.now())
    answer = api.get(f"/jobs/{job.id}/")
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    if state == "failed":
        assert "could not find a face" in answer.content.decode()
    assert Client().get(f"/jobs/{job.id}/").status_code == 404


@pytest.mark.parametrize(("code", "words"), [("photo_animated", "Try another photo"), ("no_provider", "Try again")])
def test_the_end_says_what_to_do_next(code, words, api):
    job = job_of(api)
    lifecycle.fail(job.id, code=code, now=timezone.now())
    page = api.get(f"/jobs/{job.id}/").content.decode()
    said = messages.failure(code)
    assert said["message"] in page
    assert said["next_step"] in page
    assert words in page


def test_a_form_without_scripts_says_what_is_wrong_and_what_to_do(api):
    page = api.post("/", order(animated_gif())).content.decode()
    assert f"{OUTCOMES['photo_animated'].message} {OUTCOMES['photo_animated'].next_step}" in page


def test_a_form_that_is_too_old_is_asked_for_once_more(api):
    strict = Client(enforce_csrf_checks=True)
    answer = strict.post("/", order())
    assert answer.status_code == 403
    assert "send it once more" in answer.content.decode()
    assert not Job.objects.exists()


def test_a_name_is_never_markup(api, provider):
    owner = job_of(api).owner
    job = factories.make_finished_job(provider, hero_name="<b onload=x>&\"'")
    Job.objects.filter(id=job.id).update(owner=owner)
    slug = services.share_job(job.id, now=timezone.now()).share_slug
    for address in (f"/jobs/{job.id}/", "/me/", f"/v/{slug}/"):
        page = api.get(address)
        assert page.status_code == 200
        assert b"<b onload" not in page.content, address


def test_my_films_are_mine(api, provider):
    mine = job_of(api)
    factories.make_finished_job(provider)
    page = api.get("/me/").content.decode()
    assert str(mine.id) in page
    assert page.count("/jobs/") == page.count(str(mine.id))
    services.erase_job(mine.id, now=timezone.now())
    assert str(mine.id) not in api.get("/me/").content.decode()


def test_my_films_say_the_name_of_their_look(api):
    factories.make_look("chrome-samurai", title="Chrome & samurai")
    job = job_of(api)
    Job.objects.filter(id=job.id).update(look=Look.objects.get(slug="chrome-samurai"))
    page = api.get("/me/").content.decode()
    assert "<p>Chrome &amp; samurai</p>" in page
    assert "<p>chrome-samurai" not in page.lower()
    assert "look_title" not in api.get(f"/api/v1/jobs/{job.id}/").json()


def test_a_shared_film_is_for_everybody_until_it_is_not(api, provider):
    job = factories.make_finished_job(provider, film=b"shared film", email="nova@example.org")
    slug = services.share_job(job.id, now=timezone.now()).share_slug
    outsider = Client()
    page = outsider.get(f"/v/{slug}/")
    assert page.status_code == 200
    text = page.content.decode()
    assert str(job.id) not in text, "the job's own address stays the owner's"
    assert "nova@example.org" not in text
    services.erase_job(job.id, now=timezone.now())
    assert outsider.get(f"/v/{slug}/").status_code == 404


@pytest.mark.parametrize("address", [f"/jobs/{uuid.UUID(int=7)}/", "/v/nothing/", "/jobs/x/", "/nothing/"])
def test_what_is_not_there(address, api):
    assert api.get(address).status_code == 404


@pytest.mark.parametrize("address", ["/me/", "/privacy/", "/wait/"])
def test_pages_are_only_read(address, api):
    assert api.post(address).status_code == 405


def film_of(client, provider):
    owner = job_of(client).owner
    job = factories.make_finished_job(provider)
    Job.objects.filter(id=job.id).update(owner=owner)
    return job


@pytest.mark.parametrize("end", ["canceled", "no_face", "no_provider"])
def test_the_end_says_what_became_of_the_photo(end, api):
    job = job_of(api)
    if end == "canceled":
        services.cancel_job(job.id, now=timezone.now())
    elif end == "no_face":
        Job.objects.filter(id=job.id).update(raw_key="")  # as the prepare lane leaves it
        lifecycle.fail(job.id, code=end, now=timezone.now())
    else:
        lifecycle.fail(job.id, code=end, now=timezone.now())
    page = api.get(f"/jobs/{job.id}/").content.decode()
    is_here = end == "no_provider"  # staff can try such a job again
    assert ("Your photo is deleted already." in page) is not is_here
    assert ("Your photo is erased within 1 hour" in page) is is_here


def test_the_end_names_the_studio_that_had_the_photo(api, provider):
    job = factories.make_waiting_job()
    Job.objects.filter(id=job.id).update(owner=job_of(api).owner)
    Job.objects.exclude(id=job.id).delete()
    factories.make_submitted_attempt(provider, job=job)
    services.cancel_job(job.id, now=timezone.now())
    assert "also at the film studio, is erased in" in api.get(f"/jobs/{job.id}/").content.decode()


def test_a_film_can_be_canceled_without_a_script(api):
    job = job_of(api)
    page = api.get(f"/jobs/{job.id}/").content.decode()
    assert f'<form method="post" action="/jobs/{job.id}/cancel/"' in page
    answer = api.post(f"/jobs/{job.id}/cancel/")
    assert (answer.status_code, answer["Location"]) == (302, f"/jobs/{job.id}/")
    job.refresh_from_db()
    assert job.status == Job.Status.CANCELED
    assert factories.stored_files() == []
    assert "Cut." in api.get(f"/jobs/{job.id}/").content.decode()


@pytest.mark.parametrize("state", ["succeeded", "canceled", "failed"])
def test_everything_can_be_erased_without_a_script(state, api, provider):
    job = film_of(api, provider) if state == "succeeded" else job_of(api)
    if state == "canceled":
        services.cancel_job(job.id, now=timezone.now())
    elif state == "failed":
        lifecycle.fail(job.id, code="no_provider", now=timezone.now())
    assert f'<form method="post" action="/jobs/{job.id}/erase/"' in api.get(f"/jobs/{job.id}/").content.decode()
    assert api.post(f"/jobs/{job.id}/erase/")["Location"] == f"/jobs/{job.id}/"
    job.refresh_from_db()
    assert job.erased_at
    assert "Erased." in api.get(f"/jobs/{job.id}/").content.decode()


@pytest.mark.parametrize("what", ["cancel", "erase"])
def test_forms_of_a_job_are_for_its_owner_with_a_token(what, api):
    job = job_of(api)
    assert Client().post(f"/jobs/{job.id}/{what}/").status_code == 404
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = api.cookies
    assert strict.post(f"/jobs/{job.id}/{what}/").status_code == 403
    assert api.get(f"/jobs/{job.id}/{what}/").status_code == 405
    job.refresh_from_db()
    assert job.status == Job.Status.QUEUED
    assert job.erased_at is None


def test_a_refused_form_keeps_name_and_look(api):
    factories.make_look("chrome-samurai", title="Chrome samurai")
    page = api.post(
        "/?look=neon-noir", order(animated_gif(), hero_name='NOVA "7"', look="chrome-samurai")
    ).content.decode()
    assert 'value="NOVA &quot;7&quot;"' in page
    assert 'data-look="chrome-samurai"' in page


def test_the_time_that_is_left_is_said_without_a_script(api, provider):
    job = film_of(api, provider)
    Job.objects.filter(id=job.id).update(erase_at=timezone.now() + timedelta(hours=5, seconds=30))
    for address in (f"/jobs/{job.id}/", "/me/"):
        page = api.get(address).content.decode()
        assert "5\xa0hours</time>" in page, address
        assert "a while" not in page


def test_the_film_is_saved_under_the_heros_name(api, provider):
    job = film_of(api, provider)
    Job.objects.filter(id=job.id).update(hero_name="Zoë")
    assert 'download="zoë-neon-noir.mp4"' in api.get(f"/jobs/{job.id}/").content.decode()
    film = api.get(api.get(f"/api/v1/jobs/{job.id}/").json()["links"]["video"], {"download": "1"})
    assert film.status_code == 200
    film.close()
    names = "filename=\"zoe-neon-noir.mp4\"; filename*=UTF-8''zo%C3%AB-neon-noir.mp4"
    assert film["Content-Disposition"] == f"attachment; {names}"
