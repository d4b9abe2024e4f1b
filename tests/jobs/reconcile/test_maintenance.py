"""What keeps providers ready: secrets that are learned, models that are kept awake."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from jobs.models import Attempt, Job, WebhookDelivery
from jobs.reconcile import maintenance
from providers.adapters.studio import StudioAdapter
from providers.errors import Unavailable
from providers.models import ProviderConfig
from providers.signatures import new_secret
from tests import factories
from tests.jobs.threads import in_threads
from tests.stub_provider import SECRET, Refuse

pytestmark = [pytest.mark.django_db, pytest.mark.database]
NOW = timezone.now
MINUTE = timedelta(minutes=1)
A, B, C = "whsec_YQ==", "whsec_Yg==", "whsec_Yw=="


@pytest.fixture(scope="module")
def threads():
    with ThreadPoolExecutor(4) as pool:
        yield pool


# --- Secrets ---------------------------------------------------------------------------------------


class Vendor:
    """What the vendor says it signs with, and how often it was asked."""

    def __init__(self):
        self.secrets, self.asked, self.error = (A,), 0, None

    def tells(self, account):
        self.asked += 1
        if self.error:
            raise self.error
        return self.secrets


@pytest.fixture
def vendor(provider, monkeypatch):
    told = Vendor()
    monkeypatch.setattr(StudioAdapter, "can_learn_secrets", True)
    monkeypatch.setattr(StudioAdapter, "learn_secrets", told.tells)
    ProviderConfig.objects.update(webhook_secrets=[])
    return told


@pytest.fixture
def learn(threads):
    return lambda after=timedelta(): maintenance.learn_secrets(threads, now=NOW() + after)


def known():
    return ProviderConfig.objects.get().webhook_secrets


def test_secrets_are_learned_at_first_and_then_twice_a_day(vendor, learn):
    assert (learn(), known()) == (1, [A])
    assert ProviderConfig.objects.get().secrets_learned_at is not None
    assert learn(2 * MINUTE) == learn(timedelta(hours=11)) == 0
    assert learn(timedelta(hours=13)) == 1
    assert vendor.asked == 2


def test_the_secrets_of_the_last_time_stay_accepted(vendor, learn):
    learn()
    for now_signed_with, accepted in ((B, [B, A]), (C, [C, B]), (C, [C, B])):
        vendor.secrets = (now_signed_with,)
        ProviderConfig.objects.update(secrets_asked_at=None)
        learn()
        assert known() == accepted


def test_a_vendor_with_several_keys_keeps_as_many_old_ones(vendor, learn):
    vendor.secrets = (A, B)
    learn()
    vendor.secrets = (B, C)
    ProviderConfig.objects.update(secrets_asked_at=None)
    learn()
    assert known() == [B, C, A]


def test_an_unknown_signature_has_secrets_fetched_again_but_not_every_one(vendor, learn, stub, deliver):
    vendor.secrets = (SECRET,)
    learn()
    attempt = factories.make_submitted_attempt(ProviderConfig.objects.get())
    stub.reset()
    forged = stub_delivery(stub, attempt)
    for _ in range(3):
        assert deliver(forged) == 401
    assert learn() == 0, "asked less than a minute ago"
    assert learn(MINUTE) == 1
    assert learn(2 * MINUTE) == 0
    assert WebhookDelivery.objects.filter(verdict="forged").count() == 3


def stub_delivery(stub, attempt):
    body = b'{"prediction": {"id": "x", "status": "running"}}'
    return stub.delivery(None, path=f"/webhooks/studio/{attempt.token}/", body=body, secret=new_secret())


def test_while_the_vendor_does_not_answer_it_is_asked_once_a_minute(vendor, learn):
    vendor.error = Unavailable("down")
    assert [learn(after) for after in (timedelta(), timedelta(seconds=59), MINUTE, 2 * MINUTE)] == [1, 0, 1, 1]
    assert ProviderConfig.objects.get().secrets_learned_at is None
    vendor.error = None
    learn(4 * MINUTE)
    assert known() == [A]
    assert learn(6 * MINUTE) == 0


def test_a_vendor_that_tells_nothing_is_not_asked(provider, learn):
    assert learn() == 0
    assert known() == [SECRET]


@pytest.mark.django_db(transaction=True)
def test_of_several_copies_one_asks(stub, monkeypatch):
    told = Vendor()
    monkeypatch.setattr(StudioAdapter, "can_learn_secrets", True)
    monkeypatch.setattr(StudioAdapter, "learn_secrets", told.tells)
    factories.make_provider(stub.url, webhook_secrets=[])
    with ThreadPoolExecutor(4) as pool:
        in_threads(4, lambda _: maintenance.learn_secrets(pool, now=NOW()))
    assert told.asked == 1
    assert known() == [A]


# --- Keep-warm -------------------------------------------------------------------------------------


@pytest.fixture
def sleepy(provider, monkeypatch):
    """A provider whose model falls asleep, with an interval of five minutes."""
    monkeypatch.setattr(StudioAdapter, "can_keep_warm", True)
    ProviderConfig.objects.update(keep_warm_interval=5 * MINUTE, price=Decimal("0.1"))
    factories.make_look()
    return ProviderConfig.objects.get()


@pytest.fixture
def keep_warm(threads):
    return lambda after=timedelta(): maintenance.keep_warm(threads, now=NOW() + after)


def test_a_small_film_is_asked_for_when_nothing_was_for_an_interval(sleepy, stub, keep_warm):
    assert keep_warm() == 1
    attempt = Attempt.objects.get()
    assert (attempt.kind, attempt.job, attempt.status) == ("keep_warm", None, "submitted")
    assert stub.only.photo[:2] == b"\xff\xd8", "a real photo"
    assert stub.only.webhook_path == f"/webhooks/studio/{attempt.token}/"
    assert keep_warm() == keep_warm(4 * MINUTE) == 0
    assert keep_warm(6 * MINUTE) == 1


def test_a_job_keeps_a_model_warm_as_well(sleepy, keep_warm):
    factories.make_submitted_attempt(sleepy)
    assert keep_warm() == 0
    assert keep_warm(6 * MINUTE) == 1


def test_its_film_is_deleted_and_paid_for_and_belongs_to_no_job(sleepy, stub, keep_warm, deliver, ask, work):
    keep_warm()
    deliver(stub.delivery(stub.only.run(0.5, preview=True)))
    deliver(stub.delivery(stub.only.complete()))
    work("collect")
    attempt = Attempt.objects.get()
    assert (attempt.status, attempt.slot_held, attempt.cost, attempt.cleanup) == (
        *("superseded", False),
        *(sleepy.price, "delete"),
    )
    ask()
    assert stub.only.deleted == 1
    assert not Job.objects.exists()
    assert factories.stored_files() == []


def test_one_that_fails_or_is_silent_ends_quietly(sleepy, stub, keep_warm, deliver, ask, work):
    keep_warm()
    deliver(stub.delivery(stub.only.fail()))
    work("collect")
    assert Attempt.objects.get().status == "failed"
    keep_warm(6 * MINUTE)
    ask(later=timedelta(minutes=20))
    assert Attempt.objects.latest("id").status == "timed_out"
    stub.next_submits(Refuse(429, retry_after="9"))
    keep_warm(30 * MINUTE)
    assert Attempt.objects.latest("id").error_code == "busy"
    assert ProviderConfig.objects.get().rate_limited_until is not None
    assert not Job.objects.exists()


def test_the_adapter_makes_it_as_small_as_it_can(sleepy, stub, keep_warm, monkeypatch):
    def smaller(adapter, account, request):
        return account, dataclasses.replace(request, hero_name="SMALL")

    monkeypatch.setattr(StudioAdapter, "keep_warm_request", smaller)
    keep_warm()
    assert stub.only.request["hero_name"] == "SMALL"


def test_by_address_the_sample_photo_is_a_public_file(sleepy, stub, keep_warm, settings):
    ProviderConfig.objects.update(photo_transport="url")
    keep_warm()
    assert stub.only.request["photo_url"] == f"{settings.CALLBACK_URL}/static/img/before.jpg"


@pytest.mark.parametrize("values", [{"keep_warm_interval": None}, {"enabled": False}], ids=str)
def test_where_staff_do_not_want_it_nothing_is_asked_for(values, sleepy, stub, keep_warm):
    ProviderConfig.objects.update(**values)
    assert keep_warm() == 0
    assert stub.submits() == 0


def test_a_model_without_cold_starts_is_not_kept_warm(sleepy, stub, keep_warm, monkeypatch):
    monkeypatch.setattr(StudioAdapter, "can_keep_warm", False)
    assert keep_warm() == 0


@pytest.mark.django_db(transaction=True)
def test_of_several_copies_one_keeps_it_warm(stub, monkeypatch):
    monkeypatch.setattr(StudioAdapter, "can_keep_warm", True)
    factories.make_provider(stub.url, keep_warm_interval=5 * MINUTE)
    factories.make_look()
    with ThreadPoolExecutor(8) as pool:
        assert sum(in_threads(4, lambda _: maintenance.keep_warm(pool, now=NOW()))) == 1
    assert stub.submits() == 1


def test_a_row_with_an_impossible_interval_leaves_the_others_warm(sleepy, stub, keep_warm):
    broken = factories.make_provider(stub.url, slug="broken", order=1, keep_warm_interval=timedelta(days=10**8))
    assert keep_warm() == 1
    assert not Attempt.objects.filter(provider=broken).exists()
