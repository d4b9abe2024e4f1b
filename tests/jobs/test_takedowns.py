"""Reported films: what staff do with a report, and what everybody sees of a film that was taken down."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from jobs import now as first_page
from jobs import services, takedowns
from jobs.models import AuditEntry, FilmReport, Job
from jobs.now import problems
from jobs.reconcile import erasures
from tests import factories
from tests.jobs.orders import order
from tests.support.admin_pages import staff, text_of

pytestmark = [pytest.mark.django_db, pytest.mark.database]
LIST = "/admin/jobs/filmreport/"


@pytest.fixture
def shared(provider) -> Job:
    job = factories.make_finished_job(provider, film=b"a film of somebody")
    return services.share_job(job.id, now=timezone.now())


def told(job: Job, reason: str = "me", **more: str) -> FilmReport:
    kept = takedowns.report(job.id, reason=reason, words="That is me.", now=timezone.now(), **more)
    assert kept is not None
    return kept


def do(client: Client, action: str, *reports: FilmReport) -> list[str]:
    chosen = {"action": action, "_selected_action": [report.pk for report in reports]}
    return [str(message) for message in client.post(LIST, chosen, follow=True).context["messages"]]


def public_addresses(job: Job) -> list[str]:
    return [f"/v/{job.share_slug}/{end}" for end in ("", "embed/", "report/", "card.jpg", "poster.jpg", "film.mp4")]


def statuses(job: Job) -> set[int]:
    return {Client().head(address).status_code for address in public_addresses(job)}


def test_staff_take_a_film_down_and_can_undo_it(admin_client, shared):
    assert statuses(shared) == {200}
    first, second = told(shared), told(shared, "child")
    assert do(admin_client, "take_down", first, second) == ["1 film taken down."]
    assert statuses(shared) == {410}
    assert set(FilmReport.objects.values_list("state", "settled_by__username")) == {("taken_down", "admin")}
    assert do(admin_client, "take_down", first) == ["1 film left as before: not public."]
    assert do(admin_client, "reinstate", first) == ["1 film public again."]
    assert statuses(shared) == {200}
    assert set(FilmReport.objects.values_list("state", flat=True)) == {"dismissed"}
    acts = AuditEntry.objects.filter(subject=str(shared.id)).order_by("at", "id").values_list("action", "actor_name")
    assert list(acts) == [
        *[("film_reported", "")] * 2,
        ("film_taken_down", "admin"),
        ("film_reinstated", "admin"),
    ]
    assert [event.kind for event in shared.events.order_by("seq")][-3:] == ["shared", "taken_down", "reinstated"]
    factories.is_consistent(shared.id)


def test_a_dismissed_report_leaves_the_film(admin_client, shared):
    report, other = told(shared), told(shared)
    assert do(admin_client, "dismiss", report) == ["1 report dismissed."]
    assert do(admin_client, "dismiss", report) == ["1 report left as before: settled already."]
    assert statuses(shared) == {200}
    assert FilmReport.objects.get(state="open") == other


def test_whoever_comes_by_the_link_reads_that_it_was_taken_down(admin_client, shared):
    do(admin_client, "take_down", told(shared))
    page = Client().get(f"/v/{shared.share_slug}/")
    assert "decided that it should not be public" in page.content.decode()
    assert (page["Cache-Control"], page["X-Robots-Tag"]) == ("private, no-store", "noindex, noimageindex")
    assert not page.cookies
    embed = Client().get("/oembed", {"url": f"http://testserver/v/{shared.share_slug}/"})
    assert embed.status_code == 404


def test_the_owner_reads_why_keeps_the_film_and_cannot_share_it_anew(admin_client, api, provider):
    """Not even under another address, after ending the first one."""
    api.post("/api/v1/jobs/", order())
    job = factories.make_finished_job(provider, owner=Job.objects.latest("created_at").owner)
    client, share = api, f"/api/v1/jobs/{job.id}/share/"
    assert client.post(share).status_code == 200
    do(admin_client, "take_down", told(job))
    page = client.get(f"/jobs/{job.id}/").content.decode()
    assert "Somebody reported your film" in page
    body = client.get(f"/api/v1/jobs/{job.id}/").json()
    assert body["links"]["share"] is None
    assert client.head(body["links"]["video"]).status_code == 200
    for _ in range(2):
        refused = client.post(share)
        assert (refused.status_code, refused.json()["code"]) == (409, "taken_down")
        assert "took this film down" in refused.json()["detail"]
        client.delete(share)
    do(admin_client, "reinstate", FilmReport.objects.get())
    assert "Somebody reported your film" not in client.get(f"/jobs/{job.id}/").content.decode()
    assert client.post(share).status_code == 200


@pytest.mark.parametrize("way", ["by the owner", "when it is due"])
def test_reports_go_with_the_film(way, shared):
    told(shared, email="rachael@example.org")
    if way == "by the owner":
        services.erase_job(shared.id, now=timezone.now())
    else:
        erasures.erase_ended(now=shared.erase_at + timedelta(seconds=1), limit=10)
    assert factories.reload(shared).erased_at
    assert not FilmReport.objects.exists()
    assert takedowns.report(shared.id, reason="me", words="", now=timezone.now()) is None
    assert not FilmReport.objects.exists()


def test_staff_see_on_their_first_page_that_reports_wait(admin_client, shared):
    report = told(shared)
    at = report.reported_at + timedelta(minutes=5)
    found = problems.found_in(first_page.read(now=at))
    (waiting,) = [one for one in found if "report" in one.words]
    assert waiting.words == "One report of a shared film waits for a decision for 5\N{NO-BREAK SPACE}min."
    assert [move.url for move in waiting.moves] == [f"{LIST}?state__exact=open"]
    listed = text_of(admin_client.get(waiting.moves[0].url))
    assert "That is me." in listed
    do(admin_client, "dismiss", report)
    found = problems.found_in(first_page.read(now=at))
    assert not [one for one in found if "report" in one.words]


def test_who_may_not_see_faces_sees_no_address_and_who_may_not_act_does_nothing(shared):
    report = told(shared, email="rachael@example.org")
    viewer, actor = staff("view"), staff("change")
    support = without_faces()
    seen = text_of(support.get(LIST)) + text_of(support.get(f"{LIST}{report.pk}/change/"))
    assert "rachael@example.org" not in seen
    assert "r…@example.org" in seen
    assert "rachael@example.org" in text_of(viewer.get(LIST))
    viewer.post(LIST, {"action": "take_down", "_selected_action": [report.pk]})
    assert statuses(shared) == {200}
    assert actor.get("/admin/jobs/filmreport/add/").status_code == 403


def without_faces() -> Client:
    user = User.objects.create_user("support", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_filmreport"))
    client = Client()
    client.force_login(user)
    return client


def test_a_film_that_many_report_settles_once(admin_client, shared):
    cache.clear()
    reports = [told(shared) for _ in range(5)]
    do(admin_client, "take_down", reports[0])
    assert FilmReport.objects.filter(state="taken_down").count() == 5
    assert AuditEntry.objects.get(action="film_taken_down").data == {"reports": 5}
