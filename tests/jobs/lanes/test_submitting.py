"""One submit: the photo's way to the vendor, and the moment after which no POST starts."""

import dataclasses
import subprocess
import sys
from datetime import timedelta

import pytest
from django.utils import timezone

from jobs import storage
from jobs.lanes.dispatch import DispatchLane
from jobs.models import Attempt, Job, Lane
from jobs.queue import claims
from jobs.routing import limits
from providers.adapters.studio import StudioAdapter
from providers.errors import AccountProblem, Busy, Unconfirmed
from providers.models import ProviderConfig
from selfiehero.environment import PROJECT_DIR
from tests import factories

pytestmark = pytest.mark.django_db


class Uploads:
    """What is asked of the adapter's `upload`, and what it answers."""

    def __init__(self):
        self.photos, self.seconds, self.error, self.before = [], [], None, None

    def __call__(self, adapter, account, request):
        self.photos.append(request.photo_bytes)
        self.seconds.append(account.read_seconds)
        if self.before:
            self.before()
        if self.error:
            raise self.error
        return dataclasses.replace(request, photo_bytes=b"", photo_url="https://vendor.example/photo.jpg")


@pytest.fixture
def uploads(monkeypatch, provider):
    """The provider wants photos uploaded."""
    recorder = Uploads()
    monkeypatch.setattr(StudioAdapter, "upload", lambda *arguments: recorder(*arguments))
    ProviderConfig.objects.update(photo_transport="upload")
    return recorder


def the_attempt():
    return Attempt.objects.latest("number")


def test_the_photo_is_uploaded_before_the_submit_that_names_it(uploads, stub, work):
    job = factories.make_waiting_job()
    work(Lane.DISPATCH)
    assert uploads.photos == [storage.read(job.clean_key)]
    assert stub.only.request["photo_url"] == "https://vendor.example/photo.jpg"
    assert "photo" not in stub.only.request
    assert the_attempt().status == "submitted"


@pytest.mark.parametrize(
    ("error", "code"),
    [(Unconfirmed("gone"), "provider_failed"), (Busy("later", retry_after=timedelta(seconds=9)), "busy")],
    ids=["lost", "busy"],
)
def test_an_upload_that_fails_made_no_prediction(error, code, uploads, stub, work):
    uploads.error = error
    factories.make_waiting_job()
    work(Lane.DISPATCH)
    attempt = the_attempt()
    assert (attempt.status, attempt.error_code, attempt.slot_held) == ("failed", code, False)
    assert stub.submits() == 0
    assert stub.count("GET *") == 0, "there is nothing to look up"
    assert ProviderConfig.objects.get().consecutive_failures == (code != "busy")


def test_trouble_with_our_account_at_the_upload_opens_the_breaker(uploads, stub, work):
    uploads.error = AccountProblem("HTTP 402")
    factories.make_waiting_job()
    work(Lane.DISPATCH)
    assert ProviderConfig.objects.get().breaker_reason == "account"


def test_an_upload_has_time_of_its_own_in_the_lease(uploads, provider):
    provider.refresh_from_db()
    by_address = ProviderConfig(photo_transport="url", submit_timeout=provider.submit_timeout)
    by_address.connect_timeout = provider.connect_timeout
    assert claims.lease_of(provider) - claims.lease_of(by_address) == claims.UPLOAD_ALLOWANCE
    for row in (provider, by_address):
        latest_end = claims.may_start_for(row) + row.connect_timeout + row.submit_timeout
        assert latest_end < claims.lease_of(row)


def test_after_an_upload_that_took_too_long_no_post_starts(uploads, stub, monkeypatch):
    lane = DispatchLane()
    factories.make_waiting_job()
    (submission,) = lane.claim(1)

    def time_passes():
        monkeypatch.setattr("jobs.lanes.submitting.time.monotonic", lambda: submission.start_by + 0.01)

    uploads.before = time_passes
    outcome = lane.work(submission)
    monkeypatch.undo()
    lane.record([outcome])
    assert stub.submits() == 0
    assert (the_attempt().status, the_attempt().error_code) == ("failed", "never_sent")
    assert ProviderConfig.objects.get().consecutive_failures == 0
    assert Job.objects.get().lane == Lane.DISPATCH
    # What was never called does not use up the provider's minute.
    assert limits.calls_counted([the_attempt().provider_id], now=timezone.now()) == {}


def test_an_upload_waits_no_longer_than_its_allowance(uploads, stub, work):
    ProviderConfig.objects.update(submit_timeout=timedelta(minutes=2))
    factories.make_waiting_job()
    work(Lane.DISPATCH)
    assert uploads.seconds == [claims.UPLOAD_ALLOWANCE.total_seconds()]


def test_by_address_nothing_is_read(provider, stub, work, settings):
    ProviderConfig.objects.update(photo_transport="url")
    job = factories.make_waiting_job()
    storage.delete([job.clean_key])
    work(Lane.DISPATCH)
    assert stub.only.request["photo_url"].startswith(settings.CALLBACK_URL)


def test_a_provider_whose_adapter_is_gone_is_sent_nothing(provider, stub, work):
    ProviderConfig.objects.update(adapter="removed")
    factories.make_waiting_job()
    work(Lane.DISPATCH)
    assert (the_attempt().status, the_attempt().error_code) == ("failed", "never_sent")


FIRST_REQUEST = """
import sys, django
django.setup()
from jobs.lanes import dispatch, submitting
from jobs.models import Attempt, Job, Look
from providers.models import ProviderConfig
dispatch.DispatchLane().warm_up()
loaded = set(sys.modules)
provider = ProviderConfig(slug="studio", adapter="studio", photo_transport="url")
request = submitting._request_for(Attempt(provider=provider, token="token", job=Job(clean_key="clean/1.jpg")), Look())
assert request.webhook_url and request.photo_url
print(sorted(set(sys.modules) - loaded))
"""


@pytest.mark.slow
def test_a_fresh_worker_loads_nothing_more_for_its_first_request():
    """Loading the URL configuration took longer than the first claims' leases allow."""
    done = subprocess.run([sys.executable, "-c", FIRST_REQUEST], cwd=PROJECT_DIR, capture_output=True, text=True)
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr
