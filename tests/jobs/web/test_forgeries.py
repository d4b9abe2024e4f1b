"""Webhooks that somebody made up, in more than a hundred variants at the door: each gets a 401 and moves nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from django.test import Client

from jobs.intake import deliveries
from jobs.models import Attempt, Job, WebhookDelivery
from tests import factories
from tests.providers.adapters.test_contract_webhooks import spoiled
from tests.support.vendors import VENDORS, Secret, Vendor

pytestmark = pytest.mark.django_db

LEAST_VARIANTS = 90


def forgeries(vendor: Vendor, secret: Secret, body: bytes) -> Iterator[tuple[str, dict[str, str], bytes]]:
    """Yield calls that the vendor never made, each with what is wrong about it."""
    now = int(time.time())
    genuine = vendor.sign(secret, body, now, 1)
    yield from ((kind, headers, body) for kind, headers in spoiled(vendor, genuine))
    yield "no headers", {}, body
    for kind, other in (
        ("cut", body[:-1]),
        ("a space more", body + b" "),
        ("turned around", body[::-1]),
        ("empty", b""),
        ("another delivery's", vendor.deliveries[1]),
    ):
        yield f"body {kind}", genuine, other
    yield "another account's secret", vendor.sign(vendor.make_secret(), body, now, 1), body
    yield "an hour old", vendor.sign(secret, body, now - 3600, 1), body
    yield "an hour ahead", vendor.sign(secret, body, now + 3600, 1), body
    old = vendor.sign(secret, body, now - 3600, 1)
    yield "made younger", {key: str(now) if value == str(now - 3600) else value for key, value in old.items()}, body


@pytest.mark.parametrize("name", VENDORS)
def test_no_forgery_moves_an_attempt(name: str) -> None:
    vendor = VENDORS[name]
    secret, body = vendor.make_secret(), vendor.deliveries[0]
    row = factories.make_provider(slug=name, adapter=name, webhook_secrets=[secret.shown])
    attempt = factories.make_submitted_attempt(row)
    path = f"/webhooks/{name}/{attempt.token}/"
    deliveries._allowance = deliveries._Allowance(1000)
    before = Attempt.objects.values().get(), Job.objects.values().get()

    def post(headers: dict[str, str], content: bytes) -> int:
        # A server hands on bytes of headers as Latin-1: what is no character elsewhere is one here.
        sent = {key: value.replace("\udcff", "\xff") for key, value in headers.items()}
        answer = Client().post(path, content, content_type="application/json", headers=sent)
        return answer.status_code

    calls = list(forgeries(vendor, secret, body))
    for kind, headers, content in calls:
        assert post(headers, content) == 401, f"{name}: {kind}"
    assert set(WebhookDelivery.objects.values_list("verdict", flat=True)) == {"forged", "stale"}
    assert (Attempt.objects.values().get(), Job.objects.values().get()) == before
    assert len(calls) * len(VENDORS) >= LEAST_VARIANTS
    assert post(vendor.sign(secret, body, int(time.time()), 1), body) == 202, "and the genuine one is taken"
