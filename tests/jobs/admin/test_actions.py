"""What staff may do to jobs, and who of them."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.utils import timezone

from jobs import lifecycle, services, storage
from jobs.models import AuditEntry, Job
from providers.models import ProviderConfig
from tests import factories
from tests.support.admin_pages import LIST, Forms, ask, do, page_of, staff, text_of

pytestmark = pytest.mark.slow

ALL_PAGES = ("job", "look", "webhookdelivery", "auditentry", "heartbeat")


@pytest.fixture
def finished(provider: ProviderConfig) -> Job:
    return factories.make_finished_job(provider, hero_name="NOVA-7")


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
    entry = AuditEntry.objects.exclude(action="faces_shown").get()
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
    assert AuditEntry.objects.exclude(action="faces_shown").get().data == {"new_job": str(new.pk)}


def test_the_buttons_on_a_job_s_page_do_what_they_say(admin_client: Client, finished: Job) -> None:
    (form,) = Forms(admin_client.get(page_of(finished))).with_button("Try again")
    question = admin_client.post(form["action"], form["fields"])
    assert re.search(r"<strong>1 job</strong> will be tried again", text_of(question))
    assert Job.objects.count() == 1
    (yes,) = Forms(question).with_button("Try again")
    answer = admin_client.post(yes["action"] or form["action"], yes["fields"])
    assert answer["Location"] == page_of(finished), "back to the page the button was on"
    page = admin_client.get(answer["Location"])
    new = Job.objects.exclude(pk=finished.pk).get()
    (message,) = [str(message) for message in page.context["messages"]]
    assert message.startswith("1 job tried again. The new job is ")
    (address,) = re.findall(r'href="([^"]+)"', message)
    assert address == page_of(new)
    assert (new.status, new.look_id, new.hero_name, new.owner) == ("queued", finished.look_id, "NOVA-7", finished.owner)
    assert storage.read(new.clean_key) == storage.read(finished.clean_key)
    factories.is_consistent(new.pk)


def test_a_page_has_the_buttons_that_make_sense(admin_client: Client, provider: ProviderConfig, finished: Job) -> None:
    failed = factories.make_waiting_job()
    lifecycle.fail(failed.pk, code="no_provider", now=timezone.now())
    without_photo = factories.make_waiting_job()
    lifecycle.fail(without_photo.pk, code="no_provider", now=timezone.now())
    Job.objects.filter(pk=without_photo.pk).update(clean_key="")
    erased = factories.make_finished_job(provider)
    services.erase_job(erased.pk, now=timezone.now())
    words = ("Try again", "Cancel", "Erase")
    for job, wanted in (
        (factories.make_waiting_job(), {"Cancel", "Erase"}),
        (finished, {"Try again", "Erase"}),
        (failed, {"Try again", "Erase"}),
        (without_photo, {"Erase"}),
        (erased, set()),
    ):
        forms = Forms(admin_client.get(page_of(job)))
        assert {word for word in words if forms.with_button(word)} == wanted, job.status


def test_a_photo_that_cannot_be_read_does_not_hold_up_others(admin_client: Client, provider: ProviderConfig) -> None:
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
    assert AuditEntry.objects.exclude(action="faces_shown").get().action == "job_erased"
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
    assert not AuditEntry.objects.exclude(action="faces_shown").exists()


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
