"""Beside a provider's limits stands what they deliver, and what larger ones would."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest
from django.test import Client
from django.utils import timezone

from jobs.models import JobMinute, ProviderMinute
from jobs.now import other_limits
from jobs.rollups import histograms
from providers.models import ProviderConfig
from tests import factories
from tests.support.admin_pages import text_of

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


@pytest.fixture
def now() -> datetime:
    return timezone.now().replace(second=0, microsecond=0)


@pytest.fixture
def wavespeed() -> ProviderConfig:
    provider = factories.make_provider(
        slug="wavespeed", title="WaveSpeed", adapter="wavespeed", max_concurrent=20, max_per_minute=60
    )
    ProviderConfig.objects.filter(id=provider.id).update(price="0.3")
    provider.refresh_from_db()
    return provider


def quarter_of_an_hour(provider: ProviderConfig, now: datetime, *, waiting: int, refused: int = 0) -> None:
    """Write 15 minutes: 40 jobs come and 30 go in each; films take 40 seconds, and half of them fail."""
    for back in range(1, 16):
        minute = now - back * MINUTE
        JobMinute.objects.create(minute=minute, written_at=minute + MINUTE, accepted=40, succeeded=30, waiting=waiting)
        ProviderMinute.objects.create(
            minute=minute,
            provider=provider,
            succeeded=15,
            failed=15,
            refused=refused,
            films=histograms.of([40.0] * 15),  # by its buckets: 41 s
        )


def test_the_present_limits_twice_the_slots_and_larger_levels_are_compared(wavespeed, now) -> None:
    quarter_of_an_hour(wavespeed, now, waiting=300)
    told = list(other_limits.lines(wavespeed, now=now))
    # 20 slots of 41 s, the middle of their bucket, are 29 films a minute, of which half succeed; of 60 calls, 30.
    assert [line.partition(";")[0] for line in told[:-1]] == [
        "As it is, 20 at once: 15 films a minute",
        "With 40 at once: 29 films a minute",
        "Silver, 100 at once: 30 films a minute",
        "Gold, 2,000 at once: 300 films a minute",
        "Ultra, 5,000 at once: 2,500 films a minute",
    ]
    # 40 come and 30 go: 15 more a minute are enough, and none more are not.
    assert told[0].endswith("; the line grows.")
    assert re.search(r"; the line is empty at \d\d:\d\d\.$", told[1])
    assert told[-1] == "Counted with 41 s a film, 60 calls a minute now, $0.30 a film."


def test_a_provider_that_takes_nothing_or_refuses_says_so(wavespeed, now) -> None:
    quarter_of_an_hour(wavespeed, now, waiting=0, refused=9)
    told = list(other_limits.lines(wavespeed, now=now))
    assert told[0] == "As it is, 20 at once: 15 films a minute; nobody waits."
    assert told[-1].startswith("While it answers 429 it delivers what it did lately, ")
    wavespeed.enabled = False
    assert list(other_limits.lines(wavespeed, now=now))[-1].startswith("It takes no films at present")


def test_it_stands_on_the_providers_page(admin_client: Client, wavespeed: ProviderConfig) -> None:
    page = text_of(admin_client.get(f"/admin/providers/providerconfig/{wavespeed.pk}/change/"))
    assert "What they deliver" in page
    assert "With 40 at once: " in page
    assert "What they deliver" not in text_of(admin_client.get("/admin/providers/providerconfig/add/"))
