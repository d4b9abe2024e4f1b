"""The list of webhook calls: reports of progress are folded, so that what decides is seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from jobs.models import Lane, WebhookDelivery
from providers.models import ProviderConfig
from tests.jobs.orders import URL, order
from tests.stub_provider import StubProvider
from tests.support.admin_pages import text_of

pytestmark = [pytest.mark.django_db, pytest.mark.database]
LIST = "/admin/jobs/webhookdelivery/"


def listed(client: Client, **query: str) -> list[bool]:
    """Return of each listed call, the newest first, whether it only reports progress."""
    return [row.is_progress for row in client.get(LIST, query).context["cl"].result_list]


def test_progress_is_folded_into_the_call_that_decides(
    admin_client: Client,
    api: Client,
    provider: ProviderConfig,
    stub: StubProvider,
    work: Callable[..., None],
    deliver: Any,
    sandbox: Any,
) -> None:
    assert api.post(URL, order()).status_code == 202
    work(Lane.PREPARE, Lane.DISPATCH)
    for share in (0.2, 0.4, 0.6):
        deliver(stub.delivery(stub.only.run(share)))
    assert listed(admin_client) == [False] * 3  # not applied yet: nobody knows what they say
    work(Lane.COLLECT)
    assert listed(admin_client) == []
    deliver(stub.delivery(stub.only.complete()))
    work(Lane.COLLECT)
    assert listed(admin_client) == [False]
    assert listed(admin_client, verdict__exact="valid", provider=provider.slug) == [False]

    token = WebhookDelivery.objects.filter(is_progress=False).get().attempt_token
    text = text_of(admin_client.get(LIST))
    assert f'<a href="?q={token}">3 reports</a>' in text
    assert listed(admin_client, q=token) == [False, True, True, True]
    assert listed(admin_client, progress="shown") == [False, True, True, True]
