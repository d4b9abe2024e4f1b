"""Two hosts on one database, each with a studio of its own at 127.0.0.1."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from jobs.lanes import polling
from jobs.lanes.collect import CollectLane
from jobs.models import Attempt, Heartbeat, Job
from jobs.routing import hosts, selection
from providers.models import ProviderConfig
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def be(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], str]]:
    """Go on as a process of this host, each with a VAR_DIR of its own; return the host's name."""
    settings.STUDIO_IS_SHARED = False

    def become(name: str) -> str:
        settings.VAR_DIR = tmp_path / name
        settings.STUDIO_URL = f"http://127.0.0.1:{9000 + len(name)}"
        hosts.this_host.cache_clear()
        hosts._cache.clear()
        return hosts.this_host()

    yield become
    hosts.this_host.cache_clear()
    hosts._cache.clear()


def seed() -> None:
    call_command("seed", "--no-admin", verbosity=0)


def beat(host: str, *, ago: timedelta = timedelta()) -> None:
    Heartbeat.objects.update_or_create(name="reconcile", host=host, defaults={"seen_at": timezone.now() - ago})


@pytest.fixture
def two(be: Callable[[str], str]) -> tuple[ProviderConfig, ProviderConfig]:
    """The rows of two hosts that are there; the test goes on as the second."""
    a = be("a")
    seed()
    beat(a)
    b = be("bb")
    seed()
    beat(b)
    return ProviderConfig.objects.get(host=a), ProviderConfig.objects.get(host=b)


def test_each_host_has_a_row_and_the_first_keeps_the_name(
    be: Callable[[str], str], two: tuple[ProviderConfig, ProviderConfig]
) -> None:
    """They used to write their addresses over each other's."""
    a, b = two
    assert (a.slug, a.base_url, b.base_url) == ("studio", "http://127.0.0.1:9001", "http://127.0.0.1:9002")
    assert b.slug == f"studio-{b.host[-6:]}"
    assert a.api_key != b.api_key
    be("a")
    seed()
    be("bb")
    seed()
    assert set(ProviderConfig.objects.values_list("slug", "base_url")) == {
        *((row.slug, row.base_url) for row in two),
    }


def test_a_host_calls_only_its_own_and_forecasts_count_both(two: tuple[ProviderConfig, ProviderConfig]) -> None:
    a, b = two
    assert [capacity.provider.id for capacity in selection.survey(now=timezone.now())] == [b.id]
    assert {row.id for row in ProviderConfig.objects.in_order()} == {a.id, b.id}
    assert list(hosts.out_of_reach()) == [a.id]


def test_a_host_polls_and_fetches_only_its_own(
    be: Callable[[str], str], two: tuple[ProviderConfig, ProviderConfig]
) -> None:
    a, _ = two
    waiting = factories.make_submitted_attempt(a)
    Attempt.objects.update(poll_at=timezone.now() - timedelta(seconds=1))
    film = factories.make_rendered_job(a)
    lane = CollectLane()
    with ThreadPoolExecutor(1) as threads:
        assert polling.poll_silent(threads, now=timezone.now()) == 0
        assert lane.claim(5) == []
        be("a")
        assert [item.job_id for item in lane.claim(5)] == [film.id]
        assert polling.poll_silent(threads, now=timezone.now()) == 1
    waiting.refresh_from_db()
    assert waiting.status in Attempt.OPEN


def test_a_host_that_is_gone_is_retired_and_taken_back(
    be: Callable[[str], str], two: tuple[ProviderConfig, ProviderConfig]
) -> None:
    a, b = two
    attempt = factories.make_submitted_attempt(a)
    ProviderConfig.objects.update(updated_at=timezone.now() - timedelta(hours=1))
    assert hosts.retire_gone(now=timezone.now()) == 0
    beat(a.host, ago=hosts.GONE_AFTER + timedelta(seconds=1))
    assert hosts.retire_gone(now=timezone.now()) == 1
    assert [row.id for row in ProviderConfig.objects.in_order()] == [b.id]
    assert list(hosts.out_of_reach()) == []
    # What it was making is made elsewhere.
    polling.give_up_late_attempts(now=timezone.now())
    attempt.refresh_from_db()
    assert attempt.status == Attempt.Status.TIMED_OUT
    assert Job.objects.get(id=attempt.job_id).status in Job.OPEN
    beat(a.host)
    assert hosts.retire_gone(now=timezone.now()) == 1
    assert [row.id for row in ProviderConfig.objects.in_order()] == [a.id, b.id]


def test_a_host_that_was_renamed_keeps_its_row(be: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> None:
    be("a")
    seed()
    monkeypatch.setattr("socket.gethostname", lambda: "another-name")
    renamed = be("a")
    seed()
    row = ProviderConfig.objects.get()
    assert (row.slug, row.host) == ("studio", renamed)


def test_the_row_of_the_release_before_goes_to_whoever_has_its_key(be: Callable[[str], str]) -> None:
    a = be("a")
    seed()
    ProviderConfig.objects.update(host="")
    beat(a)
    be("bb")
    seed()
    be("a")
    seed()
    assert set(ProviderConfig.objects.values_list("slug", "host")) == {
        ("studio", a),
        (f"studio-{be('bb')[-6:]}", be("bb")),
    }


def test_a_shared_studio_is_everybody_s(be: Callable[[str], str], settings: Any) -> None:
    settings.STUDIO_IS_SHARED = True
    for name in ("a", "bb"):
        be(name)
        settings.STUDIO_URL = "http://studio.internal:9000"
        seed()
    row = ProviderConfig.objects.get()
    assert (row.slug, row.host, row.is_managed) == ("studio", "", True)
