"""A look's wording: a new version, its sample film by a provider, and then people get it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import requests
from django.conf import settings
from django.test import Client
from django.utils import timezone

from jobs import storage
from jobs.lanes import fetching
from jobs.looks import versions
from jobs.models import Attempt, AuditEntry, Job, Lane, Look, LookVersion
from jobs.reconcile import look_samples, retention, sweep
from providers.models import ProviderConfig
from tests import factories
from tests.stub_provider import StubProvider
from tests.support.admin_pages import staff, text_of
from tests.support.simulator import RunningSimulator, running_simulator

pytestmark = pytest.mark.django_db
# After which a vendor that said nothing is asked.
LATER = timedelta(seconds=21)
QUICK = {"providers": {"replicate": {"times": {"duration": 0}}}}


@pytest.fixture(scope="module")
def simulator() -> Iterator[RunningSimulator]:
    with running_simulator(QUICK) as running:
        yield running


@pytest.fixture
def look(provider: ProviderConfig) -> Look:
    look = factories.make_look()
    versions.write_first(look, now=timezone.now())
    return look


def page_of(look: Look) -> str:
    return f"/admin/jobs/look/{look.pk}/versions/"


def write(client: Client, look: Look, prompt: str = "Rain, neon.") -> LookVersion:
    answer = client.post(f"{page_of(look)}add/", {"prompt": prompt, "negative_prompt": "", "note": "Wetter."})
    assert answer.status_code == 302, text_of(answer)
    return look.versions.first()


def press(client: Client, version: LookVersion, action: str, **fields: object) -> str:
    answer = client.post(f"/admin/jobs/look/versions/{version.pk}/{action}/", fields, follow=True)
    assert answer.status_code == 200
    return text_of(answer)


@pytest.fixture
def cloud(simulator: RunningSimulator, look: Look) -> ProviderConfig:
    """A vendor that is asked with the look's own words, and echoes them."""
    return factories.make_provider(
        f"{simulator.url}/replicate/v1",
        slug="replicate",
        title="Replicate",
        adapter="replicate",
        photo_transport="upload",
        api_key="simulator",
        result_hosts=["127.0.0.1"],
        order=1,
    )


def asked_for(cloud: ProviderConfig, attempt: Attempt) -> str:
    """Return the prompt that the vendor got."""
    headers = {"Authorization": f"Bearer {cloud.api_key}"}
    answer = requests.get(f"{cloud.base_url}/predictions/{attempt.prediction_id}", headers=headers, timeout=10)
    return answer.json()["input"]["prompt"]


@pytest.mark.slow
@pytest.mark.database
def test_a_version_is_tried_before_people_get_it(
    admin_client: Client,
    look: Look,
    cloud: ProviderConfig,
    reconciler: sweep.Reconciler,
    ask: Callable[..., None],
    work: Callable[..., None],
) -> None:
    version = write(admin_client, look)
    assert "People get version 1" in text_of(admin_client.get(page_of(look)))
    assert "Make a sample film of it first" in press(admin_client, version, "activate")
    assert Look.objects.get(pk=look.pk).prompt == look.prompt

    assert "Being made by" in press(admin_client, version, "sample", provider=cloud.pk)
    assert "made already" in press(admin_client, version, "sample", provider=cloud.pk)
    reconciler._make_look_samples()
    assert asked_for(cloud, Attempt.objects.get()) == "Rain, neon."
    ask(later=LATER)
    reconciler._make_look_samples()
    version.refresh_from_db()
    assert version.sample_result.startswith("Made by Replicate in "), version.sample_result
    assert storage.is_on_disk(version.video_key)
    assert version.video_key.startswith("sample/")
    text = text_of(admin_client.get(page_of(look)))
    (film,) = [part.split('"')[0] for part in text.split('src="') if version.video_key in part.split('"')[0]]
    # The provider is told to forget it, and no sweep takes it for a file of people.
    assert Attempt.objects.get(token=version.sample_token).cleanup == "delete"
    assert not [key for keys in retention.unreferenced_files(older_than=timezone.now()) for key in keys]

    assert "People get version 2 from now on" in press(admin_client, version, "activate")
    job = factories.make_waiting_job(look=look)
    work(Lane.DISPATCH)
    assert asked_for(cloud, job.attempts.get()) == "Rain, neon."
    entries = AuditEntry.objects.filter(action__startswith="look_").order_by("id").values_list("action", "data")
    assert [(action, data["version"]) for action, data in entries] == [
        ("look_version_written", 2),
        ("look_sample_asked", 2),
        ("look_version_activated", [1, 2]),
    ]

    # Back to what people had before, which needs no new sample.
    press(admin_client, look.versions.last(), "activate")
    assert Look.objects.get(pk=look.pk).prompt == look.prompt
    answer = admin_client.get(film)  # last, because its end closes the connection
    assert answer["Content-Type"] == "video/mp4"
    answer.close()


@pytest.mark.slow
def test_another_sample_takes_the_place_of_the_one_before(
    admin_client: Client,
    look: Look,
    provider: ProviderConfig,
    stub: StubProvider,
    reconciler: sweep.Reconciler,
    ask: Callable[..., None],
) -> None:
    version, keys = look.versions.get(), []
    for _ in range(2):
        press(admin_client, version, "sample", provider=provider.pk)
        reconciler._make_look_samples()
        list(stub.predictions.values())[-1].complete()
        ask(later=LATER)
        reconciler._make_look_samples()
        version.refresh_from_db()
        keys.append(version.video_key)
    assert keys[0] != keys[1]
    assert [storage.is_on_disk(key) for key in keys] == [False, True]
    assert len([path for path in Path(settings.MEDIA_ROOT, "sample").rglob("*") if path.is_file()]) == 2


def test_a_sample_that_fails_says_why_and_is_asked_for_again(
    admin_client: Client, look: Look, provider: ProviderConfig, stub: StubProvider, reconciler: sweep.Reconciler
) -> None:
    version = look.versions.get()
    press(admin_client, version, "sample", provider=provider.pk)
    reconciler._make_look_samples()
    Attempt.objects.update(status="failed", error_code="provider_failed", raw_error="out of memory", slot_held=False)
    reconciler._make_look_samples()
    text = text_of(admin_client.get(page_of(look)))
    assert "Failed: out of memory" in text
    assert "Make a sample film" in text
    assert not look_samples.waiting().exists()


@pytest.mark.slow
def test_a_film_that_comes_after_its_sample_was_given_up_is_forgotten_by_the_provider(
    admin_client: Client,
    look: Look,
    provider: ProviderConfig,
    stub: StubProvider,
    reconciler: sweep.Reconciler,
    ask: Callable[..., None],
) -> None:
    press(admin_client, look.versions.get(), "sample", provider=provider.pk)
    reconciler._make_look_samples()
    attempt = Attempt.objects.get()
    look.versions.update(sample_asked_at=None, sample_result="Failed: it took too long.")
    stub.only.complete()
    ask(later=LATER)
    attempt.refresh_from_db()
    assert (attempt.status, attempt.video_url) == ("superseded", "")
    assert stub.only.deleted == 1


@pytest.mark.slow
def test_a_film_that_cannot_be_fetched_is_asked_for_now_and_then(
    admin_client: Client,
    look: Look,
    provider: ProviderConfig,
    stub: StubProvider,
    reconciler: sweep.Reconciler,
    ask: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tries: list[str] = []

    def fetch_film(_sandbox: object, attempt: Attempt, **_: object) -> fetching.Fetched:
        tries.append(attempt.token)
        return fetching.Fetched(result=fetching.FetchResult.UNAVAILABLE, error="503")

    monkeypatch.setattr(fetching, "fetch_film", fetch_film)
    press(admin_client, look.versions.get(), "sample", provider=provider.pk)
    reconciler._make_look_samples()
    stub.only.complete()
    ask(later=LATER)
    for _ in range(3):
        reconciler._make_look_samples()
    assert len(tries) == 1
    look_samples._next_tries.clear()
    look_samples.advance(reconciler._threads, now=timezone.now() + 2 * look_samples.FETCHED_WITHIN)
    assert len(tries) == 2
    assert look.versions.get().sample_result == "Failed: the film could not be fetched: 503"
    assert Attempt.objects.get().cleanup == "delete"


def test_a_sample_waits_for_a_free_slot_like_a_job(
    admin_client: Client, look: Look, provider: ProviderConfig, stub: StubProvider, reconciler: sweep.Reconciler
) -> None:
    ProviderConfig.objects.update(max_concurrent=1)
    factories.make_submitted_attempt(provider)
    press(admin_client, look.versions.get(), "sample", provider=provider.pk)
    reconciler._make_look_samples()
    assert not stub.predictions
    look_samples.advance(reconciler._threads, now=timezone.now() + 2 * look_samples.ROOM_WITHIN)
    assert look.versions.get().sample_result.startswith("Failed: no slot")


def test_a_new_look_is_offered_once_its_first_version_was_tried(admin_client: Client, provider: ProviderConfig) -> None:
    fields = {"title": "Tin Rain", "slug": "tin-rain", "prompt": "Tin.", "order": 70, "picture": "img/neon-noir.jpg"}
    assert admin_client.post("/admin/jobs/look/add/", fields | {"active": "on"}).status_code == 302
    look = Look.objects.get()
    assert not look.active
    page = f"/admin/jobs/look/{look.pk}/change/"
    answer = admin_client.post(page, fields | {"active": "on"})
    assert "Make a sample film of a version first" in text_of(answer)
    look.versions.update(video_key="sample/aa/x.mp4")
    versions.activate(look.versions.get(), now=timezone.now())
    assert admin_client.post(page, fields | {"active": "on"}).status_code == 302
    assert Look.objects.get().active


def test_who_sees_looks_sees_versions_and_cannot_act(look: Look, provider: ProviderConfig) -> None:
    version = look.versions.get()
    reader, stranger = staff("view"), staff()
    text = text_of(reader.get(page_of(look)))
    assert version.prompt in text
    assert "Make a sample film" not in text
    assert reader.get(f"{page_of(look)}add/").status_code == 403
    for action in ("sample", "activate"):
        address = f"/admin/jobs/look/versions/{version.pk}/{action}/"
        assert reader.post(address, {"provider": provider.pk}).status_code == 403
    assert stranger.get(page_of(look)).status_code == 403
    assert not LookVersion.objects.waiting().exists()


@pytest.mark.parametrize("chosen", ["", "0", "x", "999999999999999999999", "²"])
def test_a_provider_that_is_none_is_refused(admin_client: Client, look: Look, chosen: str) -> None:
    assert "Choose a provider" in press(admin_client, look.versions.get(), "sample", provider=chosen)


def test_the_wording_that_people_get_is_no_new_version(admin_client: Client, look: Look) -> None:
    fields = {"prompt": look.prompt, "negative_prompt": look.negative_prompt, "note": ""}
    assert "This is what people get already" in text_of(admin_client.post(f"{page_of(look)}add/", fields))
    assert look.versions.count() == 1
    assert not Job.objects.exists()
