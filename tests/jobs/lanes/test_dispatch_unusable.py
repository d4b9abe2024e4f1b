"""A provider's row that breaks the work with it, written past the form: the others go on."""

import logging
from datetime import timedelta

import pytest
from cryptography.fernet import Fernet
from django.db import OperationalError
from django.utils import timezone

from jobs.lanes.dispatch import DispatchLane
from jobs.models import Attempt, Lane
from jobs.queue import claims
from providers.models import BreakerState, ProviderConfig
from tests import factories

pytestmark = pytest.mark.django_db
FOREVER = timedelta(days=10**8)


@pytest.mark.parametrize("column", ["attempt_deadline", "connect_timeout", "submit_timeout"])
def test_a_row_no_claim_can_work_with_leaves_its_jobs_to_the_others(column, stub, work, caplog):
    broken = factories.make_provider(stub.url, slug="broken", order=1)
    sound = factories.make_provider(stub.url, slug="sound", order=2)
    ProviderConfig.objects.filter(id=broken.id).update(**{column: FOREVER})
    jobs = [factories.make_waiting_job() for _ in range(2)]
    with caplog.at_level(logging.ERROR):
        work(Lane.DISPATCH)
    attempts = Attempt.objects.filter(job__in=jobs)
    assert [(attempt.provider_id, attempt.status) for attempt in attempts] == [(sound.id, "submitted")] * 2
    assert [record.getMessage() for record in caplog.records] == ["claim_failed provider=broken"]
    broken.refresh_from_db()
    assert timedelta(seconds=50) < broken.rate_limited_until - timezone.now() <= timedelta(minutes=1)
    assert "OverflowError" in broken.last_error
    assert broken.consecutive_failures == 0


def test_once_the_row_is_mended_it_gets_jobs_again(stub, work):
    broken = factories.make_provider(stub.url, attempt_deadline=FOREVER)
    job = factories.make_waiting_job()
    work(Lane.DISPATCH)
    assert not Attempt.objects.filter(job=job).exists()
    over = timezone.now() - timedelta(seconds=1)
    ProviderConfig.objects.update(attempt_deadline=timedelta(minutes=5), rate_limited_until=over, blocked_at=over)
    work(Lane.DISPATCH)
    assert Attempt.objects.get(job=job, provider=broken).status == "submitted"


def test_an_endless_silence_spoils_no_batch(stub, work):
    endless = factories.make_provider(stub.url, slug="endless", order=1, max_concurrent=1, silence=FOREVER)
    usual = factories.make_provider(stub.url, slug="usual", order=2)
    jobs = [factories.make_waiting_job() for _ in range(2)]
    work(Lane.DISPATCH)
    attempts = Attempt.objects.filter(job__in=jobs)
    assert {(attempt.provider_id, attempt.status) for attempt in attempts} == {
        (endless.id, "submitted"),
        (usual.id, "submitted"),
    }
    longest = attempts.get(provider=endless).poll_at - timezone.now()
    assert timedelta(minutes=59) < longest <= timedelta(hours=1)


def test_trouble_with_the_database_is_no_providers_fault(provider, monkeypatch):
    def deadlock(*arguments, **choices):
        raise OperationalError("deadlock detected")

    factories.make_waiting_job()
    monkeypatch.setattr(claims, "claim_slots", deadlock)
    with pytest.raises(OperationalError):
        DispatchLane().claim(5)
    assert ProviderConfig.objects.get().rate_limited_until is None


def test_a_key_that_cannot_be_decrypted_is_never_sent_and_is_not_the_providers_fault(stub, work, settings, caplog):
    locked = factories.make_provider(stub.url, slug="locked", order=1)
    settings.FIELD_KEYS = (Fernet.generate_key().decode(),)
    job = factories.make_waiting_job()
    with caplog.at_level(logging.ERROR):
        work(Lane.DISPATCH)
    assert (stub.submits(), Attempt.objects.filter(job=job).count()) == (0, 0)
    assert [record.getMessage() for record in caplog.records] == ["secret_unreadable provider=locked field=api_key"]
    locked.refresh_from_db()
    assert (locked.breaker_state(now=timezone.now()), locked.consecutive_failures) == (BreakerState.CLOSED, 0)
    assert timedelta(seconds=50) < locked.rate_limited_until - timezone.now() <= timedelta(minutes=1)
    assert "No key in FIELD_KEYS decrypts the stored api_key" in locked.last_error


def test_a_poll_without_a_readable_key_asks_nobody_and_leaves_the_breaker_closed(provider, stub, work, ask, settings):
    job = factories.make_waiting_job()
    work(Lane.DISPATCH)
    settings.FIELD_KEYS = (Fernet.generate_key().decode(),)
    before = stub.count("GET *")
    ask(later=timedelta(minutes=1))
    assert stub.count("GET *") == before
    assert Attempt.objects.get(job=job).status == "submitted"
    assert ProviderConfig.objects.get().breaker_state(now=timezone.now()) == BreakerState.CLOSED


def test_a_webhook_that_cannot_be_checked_is_asked_for_again(provider, stub, work, deliver, settings):
    factories.make_waiting_job()
    work(Lane.DISPATCH)
    delivery = stub.delivery(stub.only.complete())
    own, settings.FIELD_KEYS = settings.FIELD_KEYS, (Fernet.generate_key().decode(),)
    assert deliver(delivery) == 503
    settings.FIELD_KEYS = own
    assert deliver(delivery) == 202
