"""Looks, deliveries and the records in the admin."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from jobs.models import AuditEntry, Heartbeat, Job, WebhookDelivery
from providers.models import ProviderConfig
from tests import factories
from tests.stub_provider import Prediction, StubProvider
from tests.support.admin_pages import LIST, page_of, text_of


@pytest.fixture
def finished(provider: ProviderConfig) -> Job:
    return factories.make_finished_job(provider, hero_name="NOVA-7")


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


NOW = {"error": "", "apply_tries": 0}


@pytest.mark.parametrize(
    ("values", "says", "may_apply"),
    [
        ({"verdict": "forged"}, "Somebody without our secret posts in the name of The studio.", False),
        ({"verdict": "stale"}, "It is signed as The studio signs, for another time.", False),
        ({"body": b"", "applied_at": timezone.now()} | NOW, "says something that is erased", False),
        ({"applied_at": timezone.now()} | NOW, "attempt 1. It was applied after ", True),
        ({"due_at": timezone.now()} | NOW, "It is applied within seconds.", True),
        ({}, "It was given up after 10 tries: not readable.", True),
        ({"due_at": timezone.now(), "apply_tries": 1}, "after 1 try.", True),
        (
            {"verdict": "unknown", "attempt": None, "due_at": timezone.now(), "error": "no such attempt yet"},
            "The studio tells of an attempt that we do not have. It is tried again at",
            True,
        ),
    ],
    ids=["forged", "stale", "erased", "applied", "due", "given up", "tried again", "unknown"],
)
def test_a_delivery_s_page_says_what_came_of_it(
    admin_client: Client, delivery: Callable[..., WebhookDelivery], values: dict[str, Any], says: str, may_apply: bool
) -> None:
    row = delivery(**values)
    text = text_of(admin_client.get(f"/admin/jobs/webhookdelivery/{row.pk}/change/"))
    assert says in text
    assert ('default" disabled' in text) is not may_apply
    answer = admin_client.post(f"/admin/jobs/webhookdelivery/{row.pk}/apply/", follow=True)
    (message,) = [str(message) for message in answer.context["messages"]]
    assert message.startswith("1 delivery will be applied" if may_apply else "1 delivery left out"), message


@pytest.mark.parametrize(
    ("is_now", "says"),
    [
        ({"status": "succeeded", "has_film": True}, "that the film is ready"),
        ({"status": "running", "progress": 0.4}, "that it is at 40%"),
        ({"status": "failed", "error_code": "no_face"}, "that it failed (no_face)"),
        ({"status": "canceled"}, "that it was canceled"),
        ({"status": "dreaming"}, "something new to us"),
    ],
    ids=["succeeded", "running", "failed", "canceled", "new"],
)
def test_a_delivery_s_page_says_what_the_provider_says(
    admin_client: Client,
    delivery: Callable[..., WebhookDelivery],
    stub: StubProvider,
    is_now: dict[str, Any],
    says: str,
) -> None:
    request = {"reference": "r", "webhook": {"url": "http://127.0.0.1/x"}}
    row = delivery(body=stub.delivery(Prediction("p", request, stub, **is_now), path="/x").body)
    assert says in text_of(admin_client.get(f"/admin/jobs/webhookdelivery/{row.pk}/change/"))


def test_a_refused_sender_is_counted(admin_client: Client, provider: ProviderConfig) -> None:
    for number in range(3):
        Client().post(
            "/webhooks/studio/x/", json.dumps({"n": number}), content_type="application/json", REMOTE_ADDR="192.0.2.7"
        )
    row = WebhookDelivery.objects.latest("id")
    text = text_of(admin_client.get(f"/admin/jobs/webhookdelivery/{row.pk}/change/"))
    assert "192.0.2.7, refused 3 times within ten minutes" in text


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
