"""Messages and subscriptions in the admin: what became of them, and nothing that could be used to send one."""

from __future__ import annotations

import pytest
from django.test import Client
from django.utils import timezone

from notifications.models import Notification, PushSubscription
from tests import factories
from tests.support.admin_pages import text_of

OUTBOX, SUBSCRIPTIONS = "/admin/notifications/notification/", "/admin/notifications/pushsubscription/"


@pytest.fixture
def told(db: None) -> dict[str, Notification]:
    """A message in each state, of one film, and of one browser."""
    now = timezone.now()
    subscription = PushSubscription.objects.create(
        owner=factories.OWNER,
        endpoint="https://push.example/secret-address",
        endpoint_hash="0" * 64,
        p256dh="public-part",
        auth="auth-part",
        user_agent="Firefox on Android",
        created_at=now,
    )
    made = {}
    for state, values in {
        "sent": {"channel": "push", "subscription": subscription, "sent_at": now + timezone.timedelta(seconds=2)},
        "given up": {"channel": "email", "given_up_at": now, "error": "550 no such user"},
        "waits": {"channel": "email"},
    }.items():
        made[state] = Notification.objects.create(job=factories.make_job(), created_at=now, due_at=now, **values)
    return made


def test_the_outbox_says_what_became_of_each_message(admin_client: Client, told: dict[str, Notification]) -> None:
    text = text_of(admin_client.get(OUTBOX))
    assert "550 no such user" in text
    assert "2.0 s" in text
    for state, row in told.items():
        assert state in text
        assert f"/admin/jobs/job/{row.job_id}/change/" in text
    for chosen, state in (("sent", "sent"), ("given_up", "given up"), ("open", "waits"), ("late", "waits")):
        text = text_of(admin_client.get(f"{OUTBOX}?state={chosen}"))
        assert [str(row.job_id) in text for row in told.values()] == [one == state for one in told], chosen


def test_where_a_push_goes_is_shown_to_nobody(admin_client: Client, told: dict[str, Notification]) -> None:
    row = PushSubscription.objects.get()
    pages = [OUTBOX, f"{OUTBOX}{told['sent'].id}/change/", SUBSCRIPTIONS, f"{SUBSCRIPTIONS}{row.id}/change/"]
    for page in pages:
        text = text_of(admin_client.get(page))
        assert not [secret for secret in ("secret-address", row.p256dh, row.auth) if secret in text], page
    text = text_of(admin_client.get(SUBSCRIPTIONS))
    assert "push.example" in text
    assert "Firefox on Android" in text
    assert "every film of its owner" in text


@pytest.mark.parametrize("page", [OUTBOX, SUBSCRIPTIONS])
def test_nothing_can_be_added_edited_or_removed(page: str, admin_client: Client, told: dict[str, Notification]) -> None:
    row = (Notification if page == OUTBOX else PushSubscription).objects.first()
    assert admin_client.get(f"{page}add/").status_code == 403
    assert admin_client.post(f"{page}{row.pk}/change/", {"error": "x"}).status_code == 403
    assert admin_client.post(f"{page}{row.pk}/delete/", {"post": "yes"}).status_code == 403
