"""A job on its way through each cloud: ordered, called back, and nothing asked of anybody while a webhook waits."""

from __future__ import annotations

import json
import time

import pytest
from django.test import Client
from django.urls import reverse

from jobs.lanes import ingest
from jobs.models import Attempt, Job, Lane, WebhookDelivery
from providers import registry
from providers.http import client
from tests import factories
from tests.support.scripted import PAYLOADS, ScriptedVendor
from tests.support.vendors import VENDORS, recorded

pytestmark = pytest.mark.django_db

CLOUDS = ["wavespeed", "replicate", "fal"]


@pytest.fixture(params=CLOUDS)
def name(request):
    return request.param


@pytest.fixture
def secret(name):
    return VENDORS[name].make_secret()


@pytest.fixture
def server(name):
    vendor = ScriptedVendor()
    adapter = registry.adapter_for(name)
    path = {"replicate": f"/models/{adapter.default_model}/predictions"}.get(name, f"/{adapter.default_model}")
    vendor.on(f"POST {path}", (200, PAYLOADS / name / "submit.json"))
    yield vendor
    vendor.close()


@pytest.fixture
def attempt(name, server, secret, work):
    """An attempt at that cloud, which has taken it."""
    factories.make_provider(
        server.url, slug=name, adapter=name, photo_transport="url", webhook_secrets=[secret.shown], api_key="k"
    )
    factories.make_waiting_job()
    work(Lane.DISPATCH)
    return Attempt.objects.get()


def deliver(attempt, secret, body, *, number=1, at=None):
    headers = VENDORS[attempt.provider.slug].sign(secret, body, int(at or time.time()), number)
    path = reverse("webhook", args=[attempt.provider.slug, attempt.token])
    return Client().post(path, body, content_type="application/json", headers=headers).status_code


def test_the_order_names_the_attempt_in_photo_and_webhook(attempt, server):
    assert attempt.status in (Attempt.Status.SUBMITTED, Attempt.Status.RUNNING)
    (seen,) = server.seen
    sent = json.dumps([seen.query, seen.json])
    assert f"/{attempt.token}.jpg" in sent
    assert f"/webhooks/{attempt.provider.slug}/{attempt.token}/" in sent


def test_a_webhook_brings_the_film_without_a_call_to_the_vendor(attempt, secret, monkeypatch):
    vendor = VENDORS[attempt.provider.slug]
    film = next(event for event, (status, _) in vendor.events.items() if status == "succeeded")

    def nobody(*_, **__):
        raise AssertionError("a webhook waits for nobody")

    monkeypatch.setattr(client, "call", nobody)
    assert deliver(attempt, secret, recorded(vendor, film)) == 202
    assert deliver(attempt, secret, recorded(vendor, film)) == 200
    delivery = WebhookDelivery.objects.get()
    assert set(registry.adapter_for(attempt.provider.adapter).webhook_headers) <= set(delivery.headers)
    ingest.apply_deliveries()
    attempt.refresh_from_db()
    assert attempt.status == Attempt.Status.SUCCEEDED
    assert attempt.video_url.startswith("https://")
    assert Job.objects.get().winner_id == attempt.id


def test_two_events_of_one_prediction_are_both_kept(attempt, secret):
    first, second = VENDORS[attempt.provider.slug].deliveries
    assert [deliver(attempt, secret, body, number=n) for n, body in enumerate((first, second))] == [202, 202]
    assert WebhookDelivery.objects.count() == 2


def test_a_forgery_is_kept_with_what_it_claims_to_be(attempt, secret):
    vendor = VENDORS[attempt.provider.slug]
    body = vendor.deliveries[0]
    assert deliver(attempt, vendor.make_secret(), body) == 401
    assert deliver(attempt, secret, body, at=time.time() - 400) == 401
    for delivery in WebhookDelivery.objects.all():
        assert delivery.verdict in ("forged", "stale")
        assert delivery.event_id
        assert vendor.signature_header in delivery.headers
