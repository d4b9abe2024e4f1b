"""The staff's first page: the worst thing first, with the next step, and figures that it keeps fresh by itself."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from html import unescape

import pytest
from django.test import Client
from django.utils import timezone

from jobs import now, rollups
from jobs.ledger import Finding, Ledger, Newest
from jobs.models import Heartbeat, JobMinute, ProviderMinute
from jobs.now import cards, house, problems, words
from jobs.overload.levels import Level
from jobs.overload.state import Load
from providers import switches
from providers.models import ProviderConfig
from tests import factories
from tests.support import big_tables
from tests.support.admin_pages import staff, text_of
from tests.support.evening import make_evening

pytestmark = pytest.mark.django_db
WORKERS = ("worker-prepare", "worker-dispatch", "worker-collect", "reconcile", "web")
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def measured_anew() -> None:
    house._cache.clear()


@pytest.fixture
def wavespeed() -> ProviderConfig:
    return factories.make_provider(slug="wavespeed", title="WaveSpeed", adapter="wavespeed", max_concurrent=20)


@pytest.fixture
def evening(wavespeed: ProviderConfig) -> Callable[..., now.Facts]:
    """Write an hour in which all is well but for what a test says, and return the facts."""

    def write(*, waiting: int = 0, accepted: int = 60, succeeded: int = 60, refused: int = 0, failed: int = 0):
        moment = timezone.now()
        for name in WORKERS:
            Heartbeat.objects.update_or_create(name=name, host="hero-1", defaults={"seen_at": moment})
        last = moment.replace(second=0, microsecond=0)
        for back in range(60):
            minute = last - back * MINUTE
            written = moment if not back else minute + MINUTE
            JobMinute.objects.create(
                minute=minute,
                written_at=written,
                accepted=accepted,
                succeeded=succeeded,
                failed=failed,
                waiting=waiting,
            )
            ProviderMinute.objects.create(
                minute=minute, provider=wavespeed, succeeded=15, refused=refused if back < 20 else 0
            )
        # A rate reaches into the minute before: as if the present one were over.
        JobMinute.objects.filter(minute=last).update(written_at=last + MINUTE)
        facts = now.read(now=last + MINUTE)
        beats = [replace(one, is_late=False, seen_at=facts.at) for one in facts.processes]
        well = replace(facts.house, redis=house.Measured("0.4 ms, 38 MB"), queues=house.Measured("empty"))
        return replace(facts, house=well, processes=beats)

    return write


def sentences(facts: now.Facts) -> list[tuple[str, str]]:
    return [(problem.level, problem.words) for problem in problems.found_in(facts)]


def test_when_nothing_is_wrong_it_says_so(evening: Callable[..., now.Facts]) -> None:
    page = now.page_of(evening())
    assert (page.level, page.words, page.moves) == ("good", "All is well: nobody waits.", ())
    assert page.why == "60 come and 60 go a minute."


def test_a_provider_that_refuses_is_named_with_the_queue_and_when_it_is_empty(evening, wavespeed) -> None:
    facts = evening(waiting=1240, accepted=53, succeeded=74, refused=38)
    page = now.page_of(facts)
    empty = timezone.localtime(facts.at + timedelta(minutes=1240 / 21))
    since = facts.minutes[-20].minute
    assert page.level == "warn"
    assert page.words == (
        f"WaveSpeed answers 429 since {since:%H:%M}; 1,240 wait; at this pace the line is empty at {empty:%H:%M}."
    )
    assert [move.label for move in page.moves] == ["Open WaveSpeed"]
    # 15 of the 74 come from there: without it 1240 + 15 * (53 - 59) wait after 15 minutes.
    assert page.moves[0].words.startswith("Without it 1,150 wait at ")


def test_more_slots_where_all_are_taken_is_the_next_step_with_its_forecast(evening, wavespeed) -> None:
    ProviderConfig.objects.filter(id=wavespeed.id).update(rate_limited_until=timezone.now() + timedelta(hours=1))
    other = factories.make_provider(slug="replicate", title="Replicate", adapter="replicate", max_concurrent=1)
    ProviderConfig.objects.filter(id=other.id).update(price="0.24")
    factories.make_submitted_attempt(other)
    page = now.page_of(evening(waiting=300, accepted=50, succeeded=60))
    move = page.moves[0]
    assert move.label == "Give Replicate more slots"
    assert re.fullmatch(r"With 2: empty at \d\d:\d\d; \$0\.24 a film\.", move.words), move.words
    assert move.url == f"/admin/providers/providerconfig/{other.pk}/change/#id_max_concurrent"


def test_slots_that_are_not_enough_are_offered_with_what_they_change(evening, wavespeed) -> None:
    ProviderConfig.objects.filter(id=wavespeed.id).update(rate_limited_until=timezone.now() + timedelta(hours=1))
    short, quick = (
        factories.make_provider(slug=slug, title=slug, adapter="replicate", max_concurrent=slots)
        for slug, slots in (("short", 2), ("quick", 1))
    )
    for other in (short, short, quick):
        factories.make_submitted_attempt(other)
    # It delivers more than the other, and no more with more slots: its calls a minute are what is short.
    ProviderConfig.objects.filter(id=short.id).update(max_per_minute=1)
    ProviderConfig.objects.filter(id=quick.id).update(price="0.3")
    move = now.page_of(evening(waiting=300, accepted=100, succeeded=60)).moves[0]
    assert move.label == "Give quick more slots"
    words = re.fullmatch(r"With 2: (\d+) wait at \d\d:\d\d, not 900; \$0\.30 a film\.", move.words)
    assert words and 890 <= int(words[1]) < 900, move.words


def test_a_parked_provider_is_said_to_be_parked_and_not_to_refuse(evening, wavespeed) -> None:
    until = timezone.now() + timedelta(minutes=15)
    parked = {"rate_limited_until": until, "rate_limited_reason": switches.PARKED}
    ProviderConfig.objects.filter(id=wavespeed.id).update(**parked)
    factories.make_provider(slug="studio")
    facts = evening(refused=38)
    at = f"{timezone.localtime(until):%H:%M}"
    assert sentences(facts)[0] == ("warn", f"WaveSpeed is parked until {at}; nobody waits.")
    assert [(move.label, move.words) for move in now.page_of(facts).moves] == [
        ("Open WaveSpeed", "Park it for longer there, or resume it.")
    ]
    (card,) = [card for card in cards.cards_of(facts) if card.slug == "wavespeed"]
    assert (card.state.text, card.why.text) == (
        "parked",
        f"First in order. By staff until {at}; films under way go on.",
    )


def test_a_short_wait_is_told_in_seconds(evening, wavespeed) -> None:
    facts = evening()
    wavespeed.rate_limited_until = facts.at + timedelta(seconds=8)
    (studio,) = facts.studios
    (card,) = cards.cards_of(replace(facts, studios=[replace(studio, row=wavespeed)]))
    assert card.why.text == "First in order. Asked us to wait another 8\N{NO-BREAK SPACE}s."


def test_films_and_prices_are_written_out() -> None:
    assert [words.films(count) for count in (0, 0.6, 1.4, 1240)] == ["0 films", "1 film", "1 film", "1,240 films"]
    amounts = ("0.3", "0.3000", "2", "0.0025", "10")
    assert [words.price(Decimal(one)) for one in amounts] == ["$0.30", "$0.30", "$2.00", "$0.0025", "$10.00"]


def test_a_breaker_and_an_empty_budget_are_told(evening, wavespeed) -> None:
    factories.make_provider(slug="studio")
    open_until = {"breaker_until": timezone.now() + timedelta(hours=1), "breaker_reason": "films"}
    ProviderConfig.objects.filter(id=wavespeed.id).update(**open_until)
    assert sentences(evening())[0] == ("warn", "WaveSpeed gets no films: its films fail; nobody waits.")
    today = timezone.now().date()
    ProviderConfig.objects.filter(id=wavespeed.id).update(
        breaker_until=None, breaker_reason="", daily_budget=600, budget_day=today, budget_used=600, price="0.2"
    )
    JobMinute.objects.all().delete()
    ProviderMinute.objects.all().delete()
    assert sentences(evening())[0][1] == "WaveSpeed has used today's budget of $600; nobody waits."


def test_without_any_open_provider_that_comes_first(evening, wavespeed) -> None:
    ProviderConfig.objects.filter(id=wavespeed.id).update(enabled=False)
    assert sentences(evening(waiting=7))[0] == ("bad", "No provider takes films; 7 wait.")


def test_a_silent_worker_is_bad_unless_another_host_does_its_work(evening) -> None:
    facts = evening()
    late = [
        replace(one, is_late=one.name == "reconcile", is_replaced=False, seen_at=facts.at - timedelta(minutes=3))
        for one in facts.processes
    ]
    ((level, words),) = sentences(replace(facts, processes=late))
    assert (level, words.replace("\N{NO-BREAK SPACE}", " ")) == (
        "bad",
        "Nobody does the work of reconcile: last seen 3 min ago.",
    )
    assert sentences(replace(facts, processes=[replace(one, is_replaced=True) for one in late])) == []


def test_broken_promises_to_people_are_bad(evening) -> None:
    facts = evening()
    finding = Finding("phase_differs", "…", 2, ())
    wrong = replace(Ledger.nothing(facts.at), differences=(finding,))
    law = Newest(wrong, None, None, None, False)
    facts = replace(facts, law=law, house=replace(facts.house, overdue_erasures=3))
    assert [words for level, words in sentences(facts) if level == "bad"] == [
        "The ledger does not balance: 2 jobs are not where their events say.",
        "3 people's photos should be erased by now and are not.",
    ]


def test_what_is_left_out_because_too_much_waits_is_told(evening) -> None:
    load = Load(level=Level.SHORT_FILMS, admitted_per_second=0.5)
    assert sentences(replace(evening(), load=load)) == [
        ("warn", "Too much waits: each web process lets in 30 photos a minute."),
        ("warn", "Brownout level short films is on."),
    ]


def test_old_figures_are_said_to_be_old(evening) -> None:
    facts = evening()
    later = replace(facts, at=facts.at + timedelta(minutes=5))
    assert ("bad", f"Reconcile has written no figures since {facts.at:%H:%M}: what stands here is old.") in sentences(
        later
    )


def test_every_field_of_the_page_is_kept_fresh(admin_client: Client, wavespeed: ProviderConfig) -> None:
    moment = timezone.now()
    make_evening([wavespeed], now=moment, minutes=3, jobs=40)
    rollups.Writer().write_due(now=moment)
    Heartbeat.objects.create(name="reconcile", host="hero-1-8f2c00", version="1", seen_at=moment)
    html = text_of(admin_client.get("/admin/"))
    answer = admin_client.get("/admin/now.json").json()
    keys = set(re.findall(r'data-f="([^"]+)"', html))
    assert keys == set(answer["fields"]) - {"host.hero-1-8f2c00.beat"}
    assert set(re.findall(r'data-key="([^"]+)"', html)) - set(answer["ages"]) <= {"law.age"}
    assert unescape(re.search(r'data-shape="([^"]+)"', html)[1]) == answer["shape"]
    drawn = json.loads(re.search(r'id="chart-data" type="application/json">(.*?)</script>', html)[1])
    assert [row[0] for row in drawn["rows"]] == [row[0] for row in answer["chart"]["rows"]]
    assert "style=" not in html
    assert "onclick" not in html


def test_it_costs_few_queries_and_reads_no_big_table(admin_client: Client, wavespeed: ProviderConfig) -> None:
    make_evening([wavespeed], now=timezone.now(), jobs=300)
    rollups.Writer().write_due(now=timezone.now())
    with big_tables.watching() as watch:
        assert admin_client.get("/admin/now.json").status_code == 200
    assert len(watch.statements) <= 15
    assert watch.whole_reads() == []


def test_who_may_see_no_job_sees_no_figures() -> None:
    nobody, viewer = staff(), staff("view")
    assert "ask an owner for a role" in text_of(nobody.get("/admin/"))
    assert nobody.get("/admin/now.json").status_code == 403
    assert viewer.get("/admin/now.json").status_code == 200
    assert Client().get("/admin/now.json").status_code == 302
