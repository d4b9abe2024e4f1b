"""The facts of the staff's first page for Prometheus. Every web process answers the same, so one of them is scraped.

Counters are those of the day: they start at 0 at midnight (UTC), which `rate` and `increase` take for a restart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from jobs.rollups import day, histograms

from .facts import Facts, Studio, read
from .house import Measured

# Upper ends of the buckets, in seconds.
BUCKETS = (0.5, 1, 2, 3, 5, 8, 12, 20, 30, 45, 60, 90, 120, 180, 300, 600, 1200, 1800)


class FactsCollector(Collector):
    """Reads the facts when it is asked, at the time that `clock` tells."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock

    def collect(self) -> Iterator[Metric]:
        now = self._clock()
        facts, (jobs, providers) = read(now=now), day.today(now=now)
        yield from _jobs(facts, jobs)
        yield from _load(facts)
        yield from _providers(facts, providers)
        yield from _house(facts)
        yield from _processes(facts)

    def describe(self) -> Iterator[Metric]:
        """Nothing: a registry would collect once, to know the names."""
        return iter(())


def _gauge(name: str, words: str, value: float) -> Metric:
    return GaugeMetricFamily(f"selfiehero_{name}", words, value=value)


def _jobs(facts: Facts, jobs: day.Sums) -> Iterator[Metric]:
    flow, counts = facts.flow, jobs.counts
    yield CounterMetricFamily("selfiehero_jobs_accepted", "Accepted jobs.", value=counts["accepted"])
    ended = CounterMetricFamily("selfiehero_jobs_ended", "Jobs that came to an end.", labels=["status"])
    for status in ("succeeded", "failed", "canceled"):
        ended.add_metric([status], counts[status])
    yield ended
    yield CounterMetricFamily("selfiehero_promises", "Ended jobs whose promise counts.", value=counts["promised"])
    yield CounterMetricFamily("selfiehero_promises_kept", "Those whose film came in time.", value=counts["kept"])
    jobs_now = GaugeMetricFamily("selfiehero_jobs", "Open jobs by where they are.", labels=["place"])
    for place, number in (
        *(("waiting", flow.waiting), ("in_flight", flow.in_flight), ("collecting", flow.collecting)),
    ):
        if number is not None:
            jobs_now.add_metric([place], number)
    yield jobs_now
    pictures = HistogramMetricFamily("selfiehero_first_picture_seconds", "From accepting to the first picture.")
    pictures.add_metric([], *_buckets(jobs.histograms.get("first_frames", {})))
    yield pictures
    films = HistogramMetricFamily("selfiehero_film_seconds", "From accepting to the film.")
    films.add_metric([], *_buckets(jobs.histograms.get("films", {})))
    yield films


def _load(facts: Facts) -> Iterator[Metric]:
    load, minutes = facts.load, facts.drain.minutes
    yield _gauge("backlog_seconds", "How long a job that comes now would wait.", load.backlog_seconds)
    yield _gauge("brownout_level", "What is left out because too much waits, 0 for nothing.", float(load.level))
    if load.admitted_per_second is not None:
        yield _gauge(
            "admitted_per_second", "New jobs that each web process lets in; missing: all.", load.admitted_per_second
        )
    if minutes is not None:
        yield _gauge("drain_seconds", "When nobody waits at this pace; missing: the queue grows.", 60 * minutes)
    if facts.flow.at is not None:
        age = (facts.at - facts.flow.at).total_seconds()
        yield _gauge("figures_age_seconds", "Since reconcile wrote the figures of the minute.", age)


def _providers(facts: Facts, of_day: Mapping[int, day.Sums]) -> Iterator[Metric]:
    at, label = facts.at, ["provider"]
    gauges: list[tuple[str, str, Callable[[Studio], float | Decimal | None]]] = [
        ("open", "1 while it gets films.", lambda it: it.row.enabled and it.row.is_open(now=at)),
        ("breaker_open", "1 while its breaker is open.", lambda it: it.is_broken(now=at)),
        (
            "out_of_budget",
            "1 while another film would exceed today's budget.",
            lambda it: it.row.is_out_of_budget(now=at),
        ),
        ("slots_used", "Attempts that hold a slot.", lambda it: it.slots),
        ("slots_limit", "How many may.", lambda it: it.row.max_concurrent),
        ("calls_used", "Calls of the last minute.", lambda it: it.calls),
        ("calls_limit", "How many calls a minute may be made.", lambda it: it.row.max_per_minute),
        ("films_per_minute", "What it can deliver now.", lambda it: it.per_minute),
        ("budget_dollars", "Today's budget; missing: no limit.", lambda it: it.row.daily_budget),
        ("budget_used_dollars", "Spent and committed today.", lambda it: float(it.row.spent_today(now=at))),
    ]
    for name, words, value_of in gauges:
        family = GaugeMetricFamily(f"selfiehero_provider_{name}", words, labels=label)
        for studio in facts.studios:
            if (value := value_of(studio)) is not None:
                family.add_metric([studio.row.slug], float(value))
        yield family
    sums = {studio.row.slug: of_day.get(studio.row.id, day.Sums()) for studio in facts.studios}
    refused = CounterMetricFamily("selfiehero_provider_refused", "Calls answered as busy (429).", labels=label)
    films = CounterMetricFamily(
        "selfiehero_provider_attempts", "Attempts that ended, by outcome.", labels=[*label, "outcome"]
    )
    cold = CounterMetricFamily("selfiehero_provider_cold_films", "Films of a cold model.", labels=label)
    cost = CounterMetricFamily("selfiehero_provider_cost_dollars", "What was charged.", labels=label)
    submits = HistogramMetricFamily("selfiehero_provider_submit_seconds", "Until a call was answered.", labels=label)
    seconds = HistogramMetricFamily("selfiehero_provider_film_seconds", "From the call to the film.", labels=label)
    for slug, its in sums.items():
        refused.add_metric([slug], its.counts["refused"])
        for outcome in ("succeeded", "failed"):
            films.add_metric([slug, outcome], its.counts[outcome])
        cold.add_metric([slug], its.counts["cold"])
        cost.add_metric([slug], float(its.cost))
        submits.add_metric([slug], *_buckets(its.histograms.get("submits", {})))
        seconds.add_metric([slug], *_buckets(its.histograms.get("films", {})))
    yield from (refused, films, cold, cost, submits, seconds)


def _house(facts: Facts) -> Iterator[Metric]:
    house = facts.house
    depths = GaugeMetricFamily("selfiehero_queue_depth", "RQ jobs that wait, by queue.", labels=["queue"])
    for queue, depth in house.depths.items():
        depths.add_metric([queue], depth)
    yield depths
    up = GaugeMetricFamily("selfiehero_up", "1 while it answers and has room.", labels=["part"])
    for part in ("redis", "database", "disk", "storage"):
        measured: Measured = getattr(house, part)
        up.add_metric([part], float(measured.tone != "bad"))
    yield up
    yield _gauge("erasures_overdue", "People whose photo should be erased and is not.", house.overdue_erasures)
    yield _gauge("webhooks_refused", "Forged or late webhooks of the last 15 minutes.", facts.refused_webhooks)
    yield _gauge("ledger_differences", "Jobs that are not where their events say.", facts.law.difference_count or 0)
    if facts.law.at is not None:
        age = (facts.at - facts.law.at).total_seconds()
        yield _gauge("ledger_age_seconds", "Since the ledger was last read.", age)


def _processes(facts: Facts) -> Iterator[Metric]:
    labels = ["process", "host", "version"]
    ages = GaugeMetricFamily("selfiehero_heartbeat_age_seconds", "Since a process was last seen.", labels=labels)
    for process in facts.processes:
        age = (facts.at - process.seen_at).total_seconds()
        ages.add_metric([process.name, process.host, process.version], max(0.0, age))
    yield ages


def _buckets(histogram: histograms.Histogram) -> tuple[list[tuple[str, float]], float]:
    """Return the cumulative buckets of Prometheus, and the sum of all times."""
    times = sorted((float(histograms.STEP ** int(bucket)), count) for bucket, count in histogram.items())
    found = [(f"{float(end)}", float(sum(count for time, count in times if time <= end))) for end in BUCKETS]
    total = float(sum(count for _, count in times))
    return [*found, ("+Inf", total)], sum(time * count for time, count in times)
