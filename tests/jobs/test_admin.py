"""What staff see of jobs, and what they may do to them."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from jobs import storage
from jobs.models import Attempt, AuditEntry, Heartbeat, Job, WebhookDelivery
from providers.models import ProviderConfig
from tests import factories

LIST = "/admin/jobs/job/"
ALL_PAGES = ("job", "look", "webhookdelivery", "auditentry", "heartbeat")


def staff(*permissions: str) -> Client:
    """Return somebody of the staff with these permissions over everything here."""
    user = User.objects.create_user("-".join(permissions) or "nobody", is_staff=True)
    wanted = Permission.objects.filter(content_type__app_label__in=["jobs", "providers"])
    user.user_permissions.set([row for row in wanted if row.codename.split("_")[0] in permissions])
    client = Client()
    client.force_login(user)
    return client


def page_of(job: Job) -> str:
    return f"{LIST}{job.pk}/change/"


def text_of(response: HttpResponse) -> str:
    return response.content.decode()


def ask(client: Client, action: str, *jobs: Job, **more: Any) -> HttpResponse:
    """Choose an action in the list and return the page that asks whether to do it."""
    return client.post(LIST, {"action": action, "_selected_action": [job.pk for job in jobs], "index": 0} | more)


def do(client: Client, action: str, *jobs: Job, **more: Any) -> list[str]:
    """Say yes to that question and return the messages."""
    response = ask(client, action, *jobs, confirmed="yes", **more)
    assert response.status_code == 302
    return [str(message) for message in client.get(response["Location"]).context["messages"]]


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


def test_a_user_s_jobs_are_found_by_name(admin_client: Client, admin_user: User) -> None:
    job = factories.make_job(owner=f"u:{admin_user.pk}")
    assert str(job.pk) in text_of(admin_client.get(LIST, {"q": "admin"}))


@pytest.mark.database
def test_the_filters_filter(admin_client: Client, finished: Job, provider: ProviderConfig) -> None:
    waiting = factories.make_waiting_job()
    here = {"status__exact": "succeeded", "stage__exact": "ready", "provider": provider.slug}
    for name, value in here.items():
        text = text_of(admin_client.get(LIST, {name: value}))
        assert str(finished.pk) in text
        assert str(waiting.pk) not in text
    assert str(finished.pk) not in text_of(admin_client.get(LIST, {"failure": "deadline"}))
    for name in ("created_at__gte", "created_at__year", "look__id__exact"):
        value = {"look__id__exact": finished.look_id, "created_at__year": finished.created_at.year}.get(name)
        assert str(finished.pk) in text_of(admin_client.get(LIST, {name: value or "2020-01-01 00:00:00+00:00"}))


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
    seqs = [event.seq for event, _offset in response.context["events"]]
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
    assert not AuditEntry.objects.exists()
    address = f"{LIST}{finished.pk}/photo/"
    assert admin_client.get(address).status_code == 405
    response = admin_client.post(address)
    assert "data:image/jpeg;base64," in text_of(response)
    assert "no-store" in response["Cache-Control"]
    entry = AuditEntry.objects.get()
    assert (entry.actor.username, entry.action, entry.subject) == ("admin", "photo_shown", str(finished.pk))


def test_a_photo_that_is_gone_is_said_to_be_gone(admin_client: Client, finished: Job) -> None:
    storage.delete([finished.clean_key])
    response = admin_client.post(f"{LIST}{finished.pk}/photo/", follow=True)
    assert "not here" in " ".join(str(message) for message in response.context["messages"])
    assert not AuditEntry.objects.exists()


# --- Actions --------------------------------------------------------------------------------------


def test_an_action_asks_first_with_numbers(admin_client: Client, finished: Job) -> None:
    waiting = factories.make_waiting_job()
    text = text_of(ask(admin_client, "cancel_jobs", finished, waiting))
    assert re.search(r"<strong>1 job</strong> will be canceled", text)
    assert re.search(r"<strong>1 job</strong> will be left as before: ended already", text)
    assert Job.objects.get(pk=waiting.pk).status == "queued"


def test_cancel(admin_client: Client, finished: Job) -> None:
    waiting = factories.make_waiting_job()
    messages = do(admin_client, "cancel_jobs", finished, waiting)
    assert messages == ["1 job canceled.", "1 job left as before: ended already."]
    assert Job.objects.get(pk=waiting.pk).status == "canceled"
    assert Job.objects.get(pk=waiting.pk).events.last().data == {"by": "staff"}
    assert Job.objects.get(pk=finished.pk).status == "succeeded"
    entry = AuditEntry.objects.get()
    assert (entry.actor.username, entry.action, entry.subject) == ("admin", "job_canceled", str(waiting.pk))
    factories.is_consistent(waiting.pk)


def test_try_again_makes_a_new_job_and_leaves_the_old_one(admin_client: Client, finished: Job) -> None:
    open_job = factories.make_waiting_job()
    messages = do(admin_client, "retry_jobs", finished, open_job)
    new = Job.objects.exclude(pk__in=[finished.pk, open_job.pk]).get()
    assert "1 job tried again." in messages[0]
    assert str(new.pk) in messages[0]
    assert "still under way" in messages[1]
    assert (new.owner, new.hero_name, new.status) == (finished.owner, "NOVA-7", "queued")
    assert Job.objects.get(pk=finished.pk).status == "succeeded"
    assert AuditEntry.objects.get().data == {"new_job": str(new.pk)}


def test_a_photo_that_cannot_be_read_holds_nobody_up(admin_client: Client, provider: ProviderConfig) -> None:
    jobs = [factories.make_finished_job(provider) for _number in range(2)]
    storage.delete([jobs[0].clean_key])
    messages = do(admin_client, "retry_jobs", *jobs)
    assert "1 job tried again." in messages[0]
    assert "1 job left as before: a file could not be reached" in messages[1]


def test_erase(admin_client: Client, finished: Job) -> None:
    assert do(admin_client, "erase_jobs", finished) == ["1 job erased."]
    gone = Job.objects.get(pk=finished.pk)
    assert gone.erased_at
    assert (gone.hero_name, gone.video_key) == ("", "")
    assert factories.stored_files() == []
    assert AuditEntry.objects.get().action == "job_erased"
    assert do(admin_client, "erase_jobs", finished) == ["1 job left as before: erased already."]
    assert admin_client.get(page_of(finished)).status_code == 200


def test_too_many_at_once_are_refused(admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.admin.parts.MAX_BULK", 2)
    jobs = [factories.make_waiting_job() for _number in range(3)]
    response = ask(admin_client, "cancel_jobs", *jobs[:1], select_across=1)
    assert "more than 2 jobs" in str(next(iter(admin_client.get(response["Location"]).context["messages"])))
    assert not Job.objects.filter(status="canceled").exists()


# --- Who may ----------------------------------------------------------------------------------------


def test_who_may_only_look_cannot_act(finished: Job) -> None:
    viewer = staff("view")
    job = factories.make_waiting_job()
    for name in ALL_PAGES:
        assert viewer.get(f"/admin/jobs/{name}/").status_code == 200, name
    text = text_of(viewer.get(page_of(finished)))
    for word in ("Show the photo", "retry_jobs", "erase_jobs", "cancel_jobs"):
        assert word not in text
    assert "erase_jobs" not in text_of(viewer.get(LIST))
    for action in ("cancel_jobs", "retry_jobs", "erase_jobs"):
        ask(viewer, action, job, finished, confirmed="yes")
    assert viewer.post(f"{LIST}{finished.pk}/photo/").status_code == 403
    assert Job.objects.count() == 2
    assert not Job.objects.filter(status="canceled").exists()
    assert not Job.objects.exclude(erased_at=None).exists()
    assert not AuditEntry.objects.exists()


def test_erasing_takes_the_permission_to_delete(finished: Job) -> None:
    editor = staff("view", "change")
    ask(editor, "erase_jobs", finished, confirmed="yes")
    assert Job.objects.get(pk=finished.pk).erased_at is None
    eraser = staff("view", "delete")
    ask(eraser, "erase_jobs", finished, confirmed="yes")
    assert Job.objects.get(pk=finished.pk).erased_at


def test_without_permissions_and_without_staff_there_is_nothing(client: Client, finished: Job) -> None:
    nobody = staff()
    assert nobody.get(LIST).status_code == 403
    assert nobody.get(page_of(finished)).status_code == 403
    assert nobody.post(f"{LIST}{finished.pk}/photo/").status_code == 403
    assert client.get(LIST).status_code == 302
    assert client.post(f"{LIST}{finished.pk}/photo/").status_code == 302


def test_the_queues_have_no_pages(admin_client: Client) -> None:
    assert admin_client.get("/admin/django_rq/dashboard/").status_code == 404
    with pytest.raises(NoReverseMatch):
        reverse("admin:django_rq_dashboard_changelist")


# --- Looks, deliveries, records ---------------------------------------------------------------------


def test_looks_are_ordered_and_switched_in_the_list(admin_client: Client) -> None:
    looks = [factories.make_look("neon-noir"), factories.make_look("netrunner")]
    text = text_of(admin_client.get("/admin/jobs/look/"))
    assert "/static/img/neon-noir.jpg" in text
    data = {"form-TOTAL_FORMS": 2, "form-INITIAL_FORMS": 2, "_save": "Save"}
    for number, look in enumerate(sorted(looks, key=lambda look: look.order)):
        data |= {f"form-{number}-id": look.pk, f"form-{number}-order": 90 - number}
    assert admin_client.post("/admin/jobs/look/", data).status_code == 302
    for look in looks:
        look.refresh_from_db()
        assert not look.active
        assert look.order >= 89


@pytest.mark.parametrize("path", ["img/nothing.jpg", "../settings.py", "/etc/passwd"])
def test_a_look_s_picture_has_to_be_there(admin_client: Client, path: str) -> None:
    look = factories.make_look()
    fields = {name: getattr(look, name) for name in ("title", "note", "prompt", "negative_prompt", "order", "loop")}
    response = admin_client.post(f"/admin/jobs/look/{look.pk}/change/", fields | {"picture": path})
    assert response.context["adminform"].form.errors == {"picture": ["There is no such static file."]}


@pytest.fixture
def delivery(provider: ProviderConfig) -> Callable[..., WebhookDelivery]:
    attempt = factories.make_submitted_attempt(provider)

    def make(**values: Any) -> WebhookDelivery:
        fields = {
            "provider": provider.slug,
            "attempt_token": attempt.token,
            "event_id": f"msg_{WebhookDelivery.objects.count()}",
            "verdict": "valid",
            "headers": {"webhook-id": "<msg>"},
            "body": b'{"a": "<script>"}',
            "received_at": timezone.now() - timedelta(hours=2),
            "attempt": attempt,
            "error": "not readable",
            "apply_tries": 10,
        }
        return WebhookDelivery.objects.create(**fields | values)

    return make


def test_a_delivery_is_shown_as_it_came(admin_client: Client, delivery: Callable[..., WebhookDelivery]) -> None:
    long = delivery(body=b"x" * 5000 + b"\xff")
    short = delivery()
    listed = text_of(admin_client.get("/admin/jobs/webhookdelivery/"))
    assert str(short.attempt.job_id)[:8] in listed
    assert "&lt;script&gt;" in text_of(admin_client.get(f"/admin/jobs/webhookdelivery/{short.pk}/change/"))
    assert "905 bytes more" in text_of(admin_client.get(f"/admin/jobs/webhookdelivery/{long.pk}/change/"))


def test_genuine_deliveries_can_be_applied_again_forged_ones_never(
    admin_client: Client, delivery: Callable[..., WebhookDelivery]
) -> None:
    genuine, forged, erased = delivery(), delivery(verdict="forged"), delivery(body=b"")
    rows = [genuine.pk, forged.pk, erased.pk]
    response = admin_client.post(
        "/admin/jobs/webhookdelivery/", {"action": "apply_again", "_selected_action": rows, "index": 0}, follow=True
    )
    messages = [str(message) for message in response.context["messages"]]
    assert messages[0].startswith("1 delivery will be applied again")
    assert messages[1].startswith("2 deliveries left out")
    due = WebhookDelivery.objects.exclude(due_at=None).get()
    assert (due.pk, due.apply_tries) == (genuine.pk, 0)
    assert AuditEntry.objects.get().subject == str(genuine.pk)


def test_the_records_can_be_read(admin_client: Client, finished: Job) -> None:
    admin_client.post(f"{LIST}{finished.pk}/photo/")
    Heartbeat.objects.create(name="worker-prepare", seen_at=timezone.now())
    Heartbeat.objects.create(name="reconcile", seen_at=timezone.now() - timedelta(minutes=5))
    assert page_of(finished) in text_of(admin_client.get("/admin/jobs/auditentry/"))
    text = text_of(admin_client.get("/admin/jobs/heartbeat/"))
    assert "alive" in text
    assert "silent for 5 m" in text
    for row in (AuditEntry.objects.get(), Heartbeat.objects.first()):
        address = reverse(f"admin:jobs_{row._meta.model_name}_change", args=[row.pk])
        assert admin_client.get(address).status_code == 200


def test_the_site_says_its_name(admin_client: Client) -> None:
    assert "Selfie Hero" in text_of(admin_client.get("/admin/"))


def test_no_template_of_ours_needs_what_the_content_policy_forbids() -> None:
    for template in (Path(settings.ROOT) / "templates" / "admin").rglob("*.html"):
        text = template.read_text(encoding="utf-8")
        assert not re.search(r"<style|\sstyle=|<script(?![^>]*\ssrc=)|\son\w+=|javascript:", text), template
