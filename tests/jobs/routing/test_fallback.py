"""What happens after an attempt came to nothing, and what its owner reads about it."""

from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from jobs import lifecycle, snapshots
from jobs.models import Attempt, Job, Lane
from jobs.routing import fallback
from providers import registry
from providers.adapters.studio import StudioAdapter
from providers.models import ProviderConfig
from tests import factories
from tests.stub_provider import Refuse, StubProvider

pytestmark = [pytest.mark.django_db, pytest.mark.database]
NOW = timezone.now


class CloudAdapter(StudioAdapter):
    """Speaks the studio's protocol and is not ours."""

    is_ours = False
    content_rule = "strict"


class LooseAdapter(CloudAdapter):
    content_rule = "loose"


@pytest.fixture
def adapters(monkeypatch):
    """Two clouds under one content rule, one under another, and the studio."""
    more = {"strict-1": CloudAdapter(), "strict-2": CloudAdapter(), "loose": LooseAdapter()}
    monkeypatch.setattr(registry, "_ADAPTERS", registry._ADAPTERS | more)
    return more


@pytest.fixture
def cloud(adapters, stub):
    """Make a cloud at an address of its own; return its row and its stub."""
    running = []

    def make(name, **values):
        other = StubProvider()
        running.append(other)
        title = values.pop("title", name.title())
        return factories.make_provider(other.url, slug=name, adapter=name, title=title, **values), other

    yield make
    for other in running:
        other.__exit__()


@pytest.fixture
def clouds(cloud, stub):
    """strict-1, strict-2, loose, and the studio as the last resort."""
    made = {name: cloud(name, order=number) for number, name in enumerate(("strict-1", "strict-2", "loose"), start=1)}
    return made | {"studio": (factories.make_provider(stub.url, order=1000), stub)}


def went_to(job):
    return [attempt.provider.slug for attempt in job.attempts.select_related("provider").order_by("number")]


def reason_of(job):
    return snapshots.of(factories.reload(job), now=NOW())["queue"]["reason"]


def fails(attempt, code):
    with transaction.atomic():
        lifecycle.mark_attempt_failed(attempt, code=code, raw_error="", now=NOW())
        fallback.after_failure(attempt, code=code, now=NOW())


# --- Photos ----------------------------------------------------------------------------------------


def test_a_refused_photo_goes_only_where_another_rule_holds(clouds, work, deliver):
    job = factories.make_waiting_job()
    work(Lane.DISPATCH)
    fails(Attempt.objects.get(), "photo_refused")
    work(Lane.DISPATCH)
    assert went_to(job) == ["strict-1", "loose"], "strict-2 has the same rule"
    assert reason_of(job) == "Strict-1 does not work with this photo, so your hero tries Loose."
    fails(Attempt.objects.latest("number"), "photo_refused")
    work(Lane.DISPATCH)
    assert went_to(job) == ["strict-1", "loose", "studio"]
    assert reason_of(job) == "No other film studio could make this one, so our own studio does."
    fails(Attempt.objects.latest("number"), "photo_refused")
    job = factories.reload(job)
    assert (job.status, job.failure_code) == ("failed", "photo_refused")
    assert job.reason_code, "kept for staff"
    assert reason_of(job) is None
    factories.is_consistent(job.id)


def test_a_refused_photo_waits_with_that_reason_while_no_other_provider_is_open(clouds, work):
    job = factories.make_waiting_job()
    work(Lane.DISPATCH)
    ProviderConfig.objects.exclude(slug="strict-1").update(rate_limited_until=NOW() + timedelta(minutes=1))
    fails(Attempt.objects.get(), "photo_refused")
    assert reason_of(job) == "Strict-1 does not work with this photo, so your hero waits for another film studio."
    lifecycle.cancel(job.id, now=NOW(), by="owner")
    assert reason_of(job) is None


def test_blocked_clouds_count_as_down_even_for_a_photo_they_refused(clouds, work):
    job = factories.make_waiting_job()
    work(Lane.DISPATCH)
    ProviderConfig.objects.exclude(slug="studio").update(rate_limited_until=NOW() + timedelta(minutes=1))
    fails(Attempt.objects.get(), "photo_refused")
    Job.objects.update(due_at=NOW())
    work(Lane.DISPATCH)
    assert went_to(job) == ["strict-1", "studio"]
    assert reason_of(job) == "All film studios in the cloud are busy or down, so our own studio makes your film."


@pytest.mark.parametrize("code", sorted(fallback.PHOTO_CODES))
def test_a_photo_that_no_provider_could_use_ends_the_job(code, clouds, work):
    job = factories.make_waiting_job()
    work(Lane.DISPATCH)
    fails(Attempt.objects.get(), code)
    job = factories.reload(job)
    assert (job.status, job.failure_code) == ("failed", code)
    assert went_to(job) == ["strict-1"]


# --- Providers -------------------------------------------------------------------------------------


def test_an_unavailable_provider_leads_to_the_next_without_waiting(clouds, work):
    _, first = clouds["strict-1"]
    job = factories.make_waiting_job()
    first.next_submits(Refuse(503))
    work(Lane.DISPATCH)
    assert went_to(job) == ["strict-1", "strict-2"]
    assert reason_of(job) == "Strict-1 had trouble, your hero moves to Strict-2."


def test_what_every_cloud_has_failed_our_own_studio_makes_and_the_page_says_so(clouds, work, deliver):
    job = factories.make_waiting_job()
    for name in ("strict-1", "strict-2", "loose"):
        clouds[name][1].next_submits(*[Refuse(503)] * 9)
    work(Lane.DISPATCH)
    assert went_to(job) == ["strict-1", "strict-2", "loose", "studio"]
    assert reason_of(job) == "No other film studio could make this one, so our own studio does."
    studio = clouds["studio"][1]
    deliver(studio.delivery(studio.only.complete()))
    work(Lane.COLLECT)
    assert factories.reload(job).status == "succeeded"
    assert reason_of(job) is None


def test_with_every_cloud_blocked_the_next_job_goes_to_the_studio_at_once(clouds, work):
    ProviderConfig.objects.exclude(slug="studio").update(
        breaker_until=NOW() + timedelta(minutes=1), breaker_reason="calls"
    )
    job = factories.make_waiting_job()
    work(Lane.DISPATCH)
    assert went_to(job) == ["studio"]
    assert reason_of(job).startswith("All film studios in the cloud")


def test_a_studio_that_is_all_there_is_needs_no_excuse(provider, stub, work):
    job = factories.make_waiting_job()
    work(Lane.DISPATCH)
    assert reason_of(job) is None


def test_a_busy_cloud_is_named_and_who_takes_over(clouds, work):
    _, first = clouds["strict-1"]
    job = factories.make_waiting_job()
    first.next_submits(Refuse(429, retry_after="30"))
    work(Lane.DISPATCH)
    assert reason_of(job) == "Strict-1 is busy, your hero moves to Strict-2."


def test_when_the_same_provider_takes_it_after_all_nothing_is_said_any_more(provider, stub, work):
    job = factories.make_waiting_job()
    stub.next_submits(Refuse(429, retry_after="1"))
    work(Lane.DISPATCH)
    assert reason_of(job) == "The studio is busy, so your hero waits for the next free place."
    ProviderConfig.objects.update(rate_limited_until=NOW())
    work(Lane.DISPATCH)
    assert reason_of(job) is None


def test_the_last_resort_gets_its_chance_however_many_tries_there_were(clouds, work, settings):
    settings.MAX_ATTEMPTS = 2
    job = factories.make_waiting_job()
    for name in ("strict-1", "strict-2", "loose"):
        clouds[name][1].next_submits(*[Refuse(422)] * 9)
    work(Lane.DISPATCH)
    assert went_to(job) == ["strict-1", "strict-2", "loose", "studio"]
    fails(Attempt.objects.latest("number"), "provider_failed")
    assert factories.reload(job).failure_code == "no_provider"


@pytest.fixture
def long_backoff(monkeypatch):
    monkeypatch.setattr(fallback, "backoff", lambda tries: timedelta(seconds=50 * tries))


def test_the_same_provider_again_only_after_a_backoff(provider, stub, work, long_backoff):
    job = factories.make_waiting_job()
    stub.next_submits(Refuse(503))
    work(Lane.DISPATCH)
    assert went_to(job) == ["studio"]
    assert factories.reload(job).due_at > NOW() + timedelta(seconds=40)


def test_a_job_waits_with_a_backoff_for_a_blocked_provider(clouds, work, long_backoff):
    ProviderConfig.objects.exclude(slug="strict-1").update(rate_limited_until=NOW() + timedelta(minutes=1))
    job = factories.make_waiting_job()
    clouds["strict-1"][1].next_submits(Refuse(503))
    work(Lane.DISPATCH)
    assert went_to(job) == ["strict-1"]
    assert factories.reload(job).due_at > NOW() + timedelta(seconds=40)


def test_without_any_enabled_provider_a_job_waits(provider, stub, work):
    job = factories.make_waiting_job()
    work(Lane.DISPATCH)
    ProviderConfig.objects.update(enabled=False)
    fails(Attempt.objects.get(), "provider_failed")
    assert factories.reload(job).lane == Lane.DISPATCH
    assert Job.objects.get().status == "processing"
