"""No statement on a hero's way reads a big table whole, however many heroes have ended before it.

A few thousand ended jobs are enough: SQLite's planner goes by the indexes, and PostgreSQL's is told that reading a
whole table is dear.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from jobs.models import Attempt, Job, Lane
from jobs.reconcile import erasures, retention
from jobs.reconcile.sweep import Reconciler
from providers.models import ProviderConfig
from tests import factories
from tests.jobs.orders import URL, order
from tests.stub_provider import StubProvider
from tests.support import big_tables

pytestmark = [pytest.mark.django_db, pytest.mark.database]
ENDED = 2000


def test_from_the_photo_to_the_erased_film_no_big_table_is_read_whole(
    api: Client, provider: ProviderConfig, stub: StubProvider, work: Callable[..., None], deliver: Any, sandbox: Any
) -> None:
    big_tables.make(ENDED)
    ProviderConfig.objects.exclude(id=provider.id).update(enabled=False)
    reconciler = Reconciler()
    with big_tables.watching() as watch:
        answer = api.post(URL, order())
        assert answer.status_code == 202, answer.content
        job = answer.json()
        work(Lane.PREPARE, Lane.DISPATCH)
        api.get(job["links"]["self"])
        assert deliver(stub.delivery(stub.only.run(0.5))) < 300
        work(Lane.COLLECT)
        assert deliver(stub.delivery(stub.only.complete())) < 300
        work(Lane.COLLECT)
        assert api.get(job["links"]["self"]).json()["status"] == "succeeded"
        reconciler.tick()
        reconciler.ask_providers()
        now = timezone.now()
        Job.objects.filter(id=job["id"]).update(erase_at=now)
        assert erasures.erase_ended(now=now, limit=1) == 1
        retention.erase_due(now=now - timedelta(days=365))
    reconciler._threads.shutdown()
    assert watch.whole_reads() == []


def test_what_goes_wrong_reads_no_big_table_whole_either(provider: ProviderConfig, stub: StubProvider) -> None:
    big_tables.make(ENDED)
    ProviderConfig.objects.exclude(id=provider.id).update(enabled=False)
    ago = timezone.now() - timedelta(minutes=1)
    silent, unconfirmed, late = (factories.make_submitted_attempt(provider) for _ in range(3))
    Attempt.objects.filter(id=silent.id).update(poll_at=ago, submitted_at=ago)
    Attempt.objects.filter(id=unconfirmed.id).update(status="unconfirmed", lease_until=ago)
    Attempt.objects.filter(id=late.id).update(deadline_at=ago)
    factories.make_job(deadline_at=ago)
    reconciler = Reconciler()
    with big_tables.watching() as watch:
        for _ in range(2):
            reconciler.tick()
            reconciler.ask_providers()
    reconciler._threads.shutdown()
    assert watch.whole_reads() == []
    assert stub.count("GET /v1/predictions/*")
