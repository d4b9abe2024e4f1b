"""What was promised at the door, held against what became of it, through a spike."""

import statistics
from datetime import timedelta
from random import Random

import pytest
from django.utils import timezone

from jobs.estimates import metrics
from jobs.models import Job
from tests import factories
from tests.support.spike import Spike, burst, house, remember

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


def everyday():
    return [
        house("wave", places=40, median=45, spread=0.25, order=1),
        house("replica", places=20, median=75, spread=0.4, order=2),
        house("studio", places=3, median=6, spread=0.15, order=9, adapter="studio"),
    ]


def failing():
    wave, replica, studio = everyday()
    wave.fails, replica.away = 0.15, (60.0, 240.0)
    return [wave, replica, studio]


def much_slower_than_guessed():
    return [house("slow", places=25, median=110, spread=0.3, order=1)]


def limited():
    return [
        house("bronze", places=3, per_minute=5, median=40, spread=0.2, order=1),
        house("silver", places=60, per_minute=60, median=60, spread=0.3, order=2),
    ]


@pytest.mark.parametrize(
    ("houses", "is_measured"),
    [
        (everyday, True),
        (failing, False),
        (much_slower_than_guessed, True),
        (limited, False),
        pytest.param(everyday, False, marks=pytest.mark.thorough),
        pytest.param(failing, True, marks=pytest.mark.thorough),
        pytest.param(much_slower_than_guessed, False, marks=pytest.mark.thorough),
        pytest.param(limited, True, marks=pytest.mark.thorough),
    ],
)
def test_four_of_five_films_come_when_they_were_promised(houses, is_measured):
    """Some hundred people within two minutes, places for a part of them."""
    chance, now, look = Random(1), timezone.now(), factories.make_look()
    made = houses()
    if is_measured:
        for one in made:
            remember(one, 30, before=now, chance=chance, look=look)
    count = 150 if houses is much_slower_than_guessed else 300
    ended = Spike(made, burst(count, 120.0, chance), start=now, seed=1).run()
    card = metrics.promises(now=ended + timedelta(seconds=5))
    jobs = Job.objects.filter(promised_p90__isnull=False)
    took = [(job.promised_p90, (job.finished_at - job.created_at).total_seconds()) for job in jobs]
    width = statistics.median(p90 / seconds for p90, seconds in took)
    print(
        f"{houses.__name__}, measured {is_measured}: {card.kept:.0%} of {card.count} films came by the end promised "
        f"({card.share(card.sooner):.0%} sooner, {card.share(card.inside):.0%} in the range), those late by "
        f"{card.seconds_late:.0f} s; the end was at {width:.2f} times what it took"
    )
    assert card.count == count
    assert max(seconds for _, seconds in took) > 200, "there was a queue"
    assert card.kept >= 0.8
    assert width < 2.8, "a promise of for ever is easily kept"
    if is_measured:
        assert width < 1.8
        assert 0.2 <= card.share(card.sooner) <= 0.65, "half of the films come sooner than the median"
