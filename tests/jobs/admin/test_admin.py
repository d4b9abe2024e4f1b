"""What staff see of jobs, and how they find them."""

from __future__ import annotations

import re
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from jobs import storage
from jobs.models import Attempt, AuditEntry, Job, WebhookDelivery
from providers.models import ProviderConfig
from tests import factories
from tests.support.admin_pages import LIST, found, page_of, text_of

pytestmark = pytest.mark.slow


@pytest.fixture
def finished(provider: ProviderConfig) -> Job:
    return factories.make_finished_job(provider, hero_name="NOVA-7")


# --- The list -------------------------------------------------------------------------------------


def test_the_list_says_what_is_going_on(admin_client: Client, finished: Job, provider: ProviderConfig) -> None:
    attempt = factories.make_submitted_attempt(provider)
    text = text_of(admin_client.get(LIST))
    assert str(finished.pk)[:8] in text
    assert "pill-succeeded" in text
    assert "NOVA-7" in text
    assert "The studio" in text
    assert "submitted" in text
    assert str(attempt.job_id)[:8] in text


def test_the_list_shows_posters_and_never_a_photo(admin_client: Client, finished: Job) -> None:
    text = text_of(admin_client.get(LIST))
    (address,) = re.findall(r'<img class="thumbnail" src="([^"]+)"', text)
    assert finished.poster_key in address
    assert finished.clean_key not in text
    poster = admin_client.get(address)
    assert (poster.status_code, poster["Content-Type"]) == (200, "image/jpeg")
    poster.close()


def test_the_list_takes_as_many_queries_for_one_as_for_ten(
    admin_client: Client, provider: ProviderConfig, film: bytes
) -> None:
    counts = []
    for wanted in (1, 10):
        while Job.objects.count() < wanted:
            factories.make_finished_job(provider, hero_name=f"H{Job.objects.count()}")
        with CaptureQueriesContext(connection) as queries:
            assert text_of(admin_client.get(LIST)).count('class="thumbnail') == wanted
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 14, counts


@pytest.mark.database
def test_a_user_s_jobs_are_found_by_name_and_by_e_mail(admin_client: Client) -> None:
    user = User.objects.create_user("Rachael", "rachael@tyrell.example")
    other = User.objects.create_user("rachael2", "rachael2@tyrell.example")
    jobs = {factories.make_job(owner=f"u:{user.pk}").pk for _number in range(2)}
    factories.make_job(owner=f"u:{other.pk}")
    factories.make_job()
    for term in ("Rachael", "rachael", " rachael ", "rachael@tyrell.example", "RACHAEL@tyrell.example", f"u:{user.pk}"):
        assert found(admin_client, term) == jobs, term
    for term in ("tyrell.example", "rach", "u:", "u:999999", f"u:{user.pk}0", "rachael%", "'", "u:a", "@"):
        assert found(admin_client, term) == set(), term


@pytest.mark.database
def test_a_job_is_found_by_its_e_mail(admin_client: Client) -> None:
    job = factories.make_job(email="Deckard@lapd.example")
    factories.make_job(email="other@lapd.example")
    assert found(admin_client, "deckard@LAPD.example") == {job.pk}


@pytest.mark.database
def test_a_visitor_s_jobs_are_found_by_the_owner_or_its_beginning(admin_client: Client) -> None:
    mine, other = "v:" + "a1" * 32, "v:" + "a2" * 32
    jobs = {factories.make_job(owner=mine).pk for _number in range(2)}
    others = {factories.make_job(owner=other).pk}
    for term in (mine, mine.upper(), mine[:4], mine[:40]):
        assert found(admin_client, term) == jobs, term
    assert found(admin_client, "v:a") == jobs | others
    for term in ("v:", "v:%", "v:_1", mine + "0", "v:zz"):
        assert found(admin_client, term) == set(), term


@pytest.mark.database
def test_a_job_is_found_by_its_id_its_beginning_or_its_address(admin_client: Client) -> None:
    job, _other = factories.make_job(), factories.make_job()
    address = f"https://hero.example/jobs/{job.pk}/?x=1"
    for term in (str(job.pk), job.pk.hex, str(job.pk)[:8], str(job.pk)[:13].upper(), address):
        assert found(admin_client, term) == {job.pk}, term
    for term in (str(job.pk)[:3], "----", str(UUID(int=0)), "zzzz"):
        assert found(admin_client, term) == set(), term


def test_a_job_s_page_leads_to_everything_its_owner_ordered(admin_client: Client, admin_user: User) -> None:
    jobs = [factories.make_job(owner=f"u:{admin_user.pk}") for _number in range(2)]
    for job, name in (
        (jobs[0], "user admin"),
        (factories.make_job(), "a visitor"),
        (factories.make_job(owner="u:999"), "no more"),
    ):
        text = text_of(admin_client.get(page_of(job)))
        assert name in text
        assert f"<code>{job.owner}</code>" in text
        (address,) = re.findall(rf'<a href="([^"]+)"><code>{job.owner}', text)
        shown = {row.pk for row in admin_client.get(address).context["cl"].result_list}
        assert shown == ({job.pk for job in jobs} if job in jobs else {job.pk})


@pytest.mark.database
def test_the_filters_filter(admin_client: Client, finished: Job, provider: ProviderConfig) -> None:
    waiting = factories.make_waiting_job()
    here = {"status__exact": "succeeded", "provider": provider.slug}
    for name, value in here.items():
        text = text_of(admin_client.get(LIST, {name: value}))
        assert str(finished.pk) in text
        assert str(waiting.pk) not in text
    assert str(finished.pk) not in text_of(admin_client.get(LIST, {"failure": "deadline"}))
    under_way = text_of(admin_client.get(LIST, {"stage": waiting.stage}))
    assert str(waiting.pk) in under_way
    assert str(finished.pk) not in under_way
    for name, value in {"created_at__gte": "2020-01-01 00:00:00+00:00", "look__id__exact": finished.look_id}.items():
        assert str(finished.pk) in text_of(admin_client.get(LIST, {name: value}))


def test_nothing_can_be_added_edited_or_removed(admin_client: Client, finished: Job) -> None:
    assert admin_client.get(f"{LIST}add/").status_code == 403
    assert admin_client.post(page_of(finished), {"status": "failed"}).status_code == 403
    assert admin_client.post(f"{LIST}{finished.pk}/delete/", {"post": "yes"}).status_code == 403
    for name in ("webhookdelivery", "auditentry", "heartbeat"):
        assert admin_client.get(f"/admin/jobs/{name}/add/").status_code == 403


# --- One job --------------------------------------------------------------------------------------


def test_a_job_s_page_tells_the_whole_story_in_order(admin_client: Client, provider: ProviderConfig) -> None:
    attempt = factories.make_submitted_attempt(provider)
    Attempt.objects.filter(pk=attempt.pk).update(error_code="busy", raw_error="<b>429</b> slow down")
    WebhookDelivery.objects.create(
        provider=provider.slug,
        attempt_token=attempt.token,
        event_id="msg_1",
        verdict="valid",
        received_at=timezone.now(),
        attempt=attempt,
    )
    response = admin_client.get(page_of(attempt.job))
    text = text_of(response)
    seqs = [line.event.seq for line in response.context["timeline"].lines]
    assert seqs == list(range(1, len(seqs) + 1))
    assert [text.index(kind) for kind in ("accepted", "prepared", "dispatching")]
    assert attempt.prediction_id in text
    assert "&lt;b&gt;429&lt;/b&gt; slow down" in text
    assert "msg_1" in text
    assert "<details><summary>What the provider said" in text


def test_a_job_that_does_not_exist_is_no_error(admin_client: Client, db: None) -> None:
    for name in ("nobody", "00000000-0000-0000-0000-000000000000"):
        assert admin_client.get(f"{LIST}{name}/change/").status_code == 302


def test_the_photo_is_shown_on_request_only_and_that_is_written_down(admin_client: Client, finished: Job) -> None:
    text = text_of(admin_client.get(page_of(finished)))
    assert finished.clean_key not in text
    assert "data:image" not in text
    assert "Show the photo" in text
    assert not AuditEntry.objects.exclude(action="faces_shown").exists()
    address = f"{LIST}{finished.pk}/photo/"
    assert admin_client.get(address).status_code == 405
    response = admin_client.post(address)
    assert "data:image/jpeg;base64," in text_of(response)
    assert "no-store" in response["Cache-Control"]
    entry = AuditEntry.objects.exclude(action="faces_shown").get()
    assert (entry.actor.username, entry.action, entry.subject) == ("admin", "photo_shown", str(finished.pk))


def test_a_photo_that_is_gone_is_said_to_be_gone(admin_client: Client, finished: Job) -> None:
    storage.delete([finished.clean_key])
    response = admin_client.post(f"{LIST}{finished.pk}/photo/", follow=True)
    assert "not here" in " ".join(str(message) for message in response.context["messages"])
    assert not AuditEntry.objects.exclude(action="faces_shown").exists()
