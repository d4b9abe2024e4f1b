"""Who sees faces, and that it is written down."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone

from jobs.models import AuditEntry, Job, WebhookDelivery
from notifications.models import Notification, PushSubscription
from providers.models import ProviderConfig
from tests import factories
from tests.support.admin_pages import LIST, page_of, text_of

pytestmark = pytest.mark.slow
EMAIL, SECRET_BODY = "deckard@lapd.example", b'{"output": "https://vendor.example/face-of-somebody.mp4"}'


@pytest.fixture
def finished(provider: ProviderConfig) -> Job:
    job = factories.make_finished_job(provider, hero_name="NOVA-7", email=EMAIL)
    Job.objects.filter(pk=job.pk).update(share_slug="a-share-slug")
    return factories.reload(job)


@pytest.fixture
def delivery(finished: Job) -> WebhookDelivery:
    attempt = finished.attempts.get()
    return WebhookDelivery.objects.create(
        provider="studio",
        attempt=attempt,
        attempt_token=attempt.token,
        event_id="e-1",
        verdict="valid",
        headers={"x-webhook": "a-header-value"},
        body=SECRET_BODY,
        received_at=timezone.now(),
    )


def somebody(*codenames: str, name: str = "support") -> Client:
    user = User.objects.create_user(name, is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client = Client()
    client.force_login(user)
    return client


VIEWS = [
    f"view_{model}"
    for model in (
        *("job", "look", "webhookdelivery", "auditentry", "heartbeat", "providerconfig"),
        *("notification", "pushsubscription"),
    )
]


def addresses(job: Job, delivery: WebhookDelivery) -> dict[str, int]:
    """Return every address of the admin's pages of jobs, providers and notifications that only read, by model."""
    now = timezone.now()
    subscription = PushSubscription.objects.create(
        owner=job.owner, endpoint="https://push.example/x", endpoint_hash="h", p256dh="p", auth="a", created_at=now
    )
    Notification.objects.filter(job=job).delete()
    notification = Notification.objects.create(job=job, channel="email", created_at=now, due_at=now)
    entry = AuditEntry.objects.create(at=now, action="job_erased", subject=str(job.pk))
    rows = {
        "jobs/job": job.pk,
        "jobs/look": job.look_id,
        "jobs/webhookdelivery": delivery.pk,
        "jobs/auditentry": entry.pk,
        "providers/providerconfig": job.attempts.get().provider_id,
        "notifications/notification": notification.pk,
        "notifications/pushsubscription": subscription.pk,
    }
    pages = ["/admin/", "/admin/jobs/", "/admin/notifications/", "/admin/jobs/heartbeat/", f"{LIST}ledger/"]
    for model, key in rows.items():
        pages += [f"/admin/{model}/{rest}" for rest in ("", f"{key}/change/", f"{key}/history/")]
    return pages


def faces_in(text: str, job: Job) -> list[str]:
    keys = [job.poster_key, job.clean_key, job.raw_key, job.video_key, job.preview_key]
    what = [*(key for key in keys if key), f"{job.pk}/film/", f"{job.pk}/photo/", "a-share-slug", EMAIL]
    return [word for word in [*what, "a-header-value", "face-of-somebody", "thumbnail-none"] if word in text]


def test_without_the_permission_no_page_shows_a_face(finished: Job, delivery: WebhookDelivery) -> None:
    client = somebody(*VIEWS, "change_job", "change_webhookdelivery")
    for page in addresses(finished, delivery):
        response = client.get(page)
        assert response.status_code == 200, page
        assert faces_in(text_of(response), finished) == [], page
    assert "d…@lapd.example" in text_of(client.get(page_of(finished)))
    assert client.post(f"{LIST}{finished.pk}/photo/").status_code == 403
    assert client.get(f"{LIST}{finished.pk}/film/").status_code == 403
    assert not AuditEntry.objects.filter(action__endswith="_shown").exists()


@pytest.mark.parametrize("is_boss", [True, False])
def test_with_it_they_are_seen_and_each_look_is_written_down(
    is_boss: bool, finished: Job, delivery: WebhookDelivery
) -> None:
    client = somebody(*VIEWS, "change_job", "view_faces", name="seer")
    User.objects.filter(username="seer").update(is_superuser=is_boss)
    seen = {page: faces_in(text_of(client.get(page)), finished) for page in addresses(finished, delivery)}
    assert finished.poster_key in seen[LIST]
    assert {finished.poster_key, EMAIL, "a-share-slug"} <= set(seen[page_of(finished)])
    assert "face-of-somebody" in seen[f"/admin/jobs/webhookdelivery/{delivery.pk}/change/"]
    film = client.get(f"{LIST}{finished.pk}/film/")
    assert (film.status_code, finished.video_key in film["Location"]) == (302, True)
    assert client.post(f"{LIST}{finished.pk}/photo/").status_code == 200
    entries = AuditEntry.objects.filter(action__endswith="_shown").order_by("id")
    assert [(entry.action, entry.subject) for entry in entries] == [
        ("faces_shown", "jobs"),
        ("faces_shown", str(finished.pk)),
        ("delivery_shown", str(delivery.pk)),
        ("film_shown", str(finished.pk)),
        ("photo_shown", str(finished.pk)),
    ]
    assert entries[0].data == {"jobs": [str(finished.pk)]}
    assert {(entry.actor_name, entry.address) for entry in entries} == {("seer", "127.0.0.1")}


def test_strangers_see_no_page_at_all(client: Client, finished: Job, delivery: WebhookDelivery) -> None:
    pages = [*addresses(finished, delivery), f"{LIST}{finished.pk}/film/"]
    visitor = Client()
    visitor.force_login(User.objects.create_user("a-user"))
    for stranger in (client, visitor):
        for page in pages:
            response = stranger.get(page)
            assert (response.status_code, "/admin/login/" in response["Location"]) == (302, True), page


def test_the_audit_log_is_read_and_never_changed(admin_client: Client, finished: Job) -> None:
    admin_client.get(page_of(finished))
    entry = AuditEntry.objects.get()
    page = f"/admin/jobs/auditentry/{entry.pk}/"
    assert "127.0.0.1" in text_of(admin_client.get("/admin/jobs/auditentry/"))
    for address in (f"{page}change/", f"{page}delete/", "/admin/jobs/auditentry/add/"):
        assert admin_client.post(address, {"action": "nothing", "post": "yes"}).status_code == 403
    everything = {"action": "delete_selected", "_selected_action": entry.pk, "post": "yes"}
    admin_client.post("/admin/jobs/auditentry/", everything)
    User.objects.all().delete()
    entry.refresh_from_db()
    assert (entry.action, entry.actor, entry.actor_name) == ("faces_shown", None, "admin")
