"""`/metrics`: the figures for Prometheus, for those who may read them, and what is built on their names."""

from __future__ import annotations

import json
import re
from datetime import UTC, timedelta
from typing import Any

import pytest
import yaml
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from jobs.models import Heartbeat, JobMinute, ProviderMinute, WebhookDelivery
from jobs.now import house
from jobs.rollups import histograms
from selfiehero.environment import PROJECT_DIR
from selfiehero.health import metrics
from tests import factories

pytestmark = pytest.mark.django_db
MONITORING = PROJECT_DIR / "deploy" / "monitoring"
# Made by Prometheus itself.
ITS_OWN = {"up"}
TOKEN = "a-token-of-the-scraper"


@pytest.fixture(autouse=True)
def measured_anew() -> None:
    metrics._caches.clear()
    house._cache.clear()


def scrape(**headers: str) -> Any:
    return Client().get("/metrics", headers=headers)


def figures() -> dict[tuple[str, ...], float]:
    """Return each sample by its name and the values of its labels, in the order of their names."""
    text = scrape().content.decode()
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.fixture
def evening() -> None:
    provider = factories.make_provider(
        slug="wavespeed", adapter="wavespeed", max_concurrent=20, daily_budget="50", price="0.2"
    )
    now = timezone.now()
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    for minute, accepted in ((now.replace(second=0, microsecond=0), 60), (midnight - timedelta(minutes=1), 1000)):
        JobMinute.objects.create(
            minute=minute,
            written_at=now,
            accepted=accepted,
            succeeded=40,
            failed=2,
            promised=42,
            kept=38,
            waiting=7,
            in_flight=3,
            collecting=1,
            films=histograms.of([10.0] * 38 + [700.0, 700.0]),
        )
        ProviderMinute.objects.create(
            minute=minute, provider=provider, refused=5, succeeded=40, failed=1, cold=2, cost="8.20"
        )
    Heartbeat.objects.create(name="reconcile", host="hero-1", version="0.1.0", seen_at=now - timedelta(seconds=3))
    WebhookDelivery.objects.create(provider="wavespeed", attempt_token="t", verdict="forged", received_at=now)


def test_the_figures_are_those_of_the_day_and_of_now(evening: None) -> None:
    found = figures()
    assert found["selfiehero_jobs_accepted_total",] == 60  # yesterday's last minute is not among them
    assert found["selfiehero_jobs_ended_total", "failed"] == 2
    assert (found["selfiehero_promises_total",], found["selfiehero_promises_kept_total",]) == (42, 38)
    assert [found["selfiehero_jobs", place] for place in ("waiting", "in_flight", "collecting")] == [7, 3, 1]
    assert found["selfiehero_provider_attempts_total", "succeeded", "wavespeed"] == 40
    assert found["selfiehero_provider_refused_total", "wavespeed"] == 5
    assert found["selfiehero_provider_cost_dollars_total", "wavespeed"] == pytest.approx(8.2)
    assert found["selfiehero_provider_slots_limit", "wavespeed"] == 20
    assert found["selfiehero_provider_budget_dollars", "wavespeed"] == 50
    assert found["selfiehero_provider_open", "wavespeed"] == 1
    assert found["selfiehero_webhooks_refused",] == 1
    assert found["selfiehero_heartbeat_age_seconds", "hero-1", "reconcile", "0.1.0"] == pytest.approx(3, abs=2)
    assert found["selfiehero_queue_depth", "collect"] >= 0


def test_times_are_histograms_that_prometheus_can_add_up(evening: None) -> None:
    found = figures()
    ends = [key[1] for key in found if key[0] == "selfiehero_film_seconds_bucket"]
    counts = [found["selfiehero_film_seconds_bucket", end] for end in ends]
    assert counts == sorted(counts)
    assert (found["selfiehero_film_seconds_bucket", "8.0"], found["selfiehero_film_seconds_bucket", "12.0"]) == (0, 38)
    assert found["selfiehero_film_seconds_bucket", "+Inf"] == found["selfiehero_film_seconds_count",] == 40
    assert found["selfiehero_film_seconds_sum",] == pytest.approx(38 * 10 + 2 * 700, rel=0.03)


def test_a_product_that_has_done_nothing_has_figures_too() -> None:
    assert figures()["selfiehero_jobs_accepted_total",] == 0


def test_a_scraper_that_reads_openmetrics_gets_it(evening: None) -> None:
    answer = scrape(accept="application/openmetrics-text; version=1.0.0")
    assert answer["Content-Type"].startswith("application/openmetrics-text")
    assert answer.content.endswith(b"# EOF\n")
    assert answer["Cache-Control"].startswith("max-age=0")


def test_strangers_get_nothing(settings: Any) -> None:
    settings.METRICS_TOKEN = TOKEN
    answers = [
        Client(REMOTE_ADDR="203.0.113.9").get("/metrics"),
        Client(REMOTE_ADDR="203.0.113.9").get("/metrics", headers={"authorization": "Bearer wrong"}),
        Client().post("/metrics"),
        # Through a proxy on this machine that the settings know nothing of.
        scrape(x_forwarded_for="203.0.113.9"),
        scrape(via="1.1 somebody"),
    ]
    assert [answer.status_code for answer in answers] == [403, 403, 405, 403, 403]
    assert b"selfiehero_" not in b"".join(answer.content for answer in answers)


def test_who_has_the_token_reads_from_anywhere(settings: Any) -> None:
    settings.METRICS_TOKEN, settings.TRUSTED_PROXIES = TOKEN, 1
    client = Client(REMOTE_ADDR="203.0.113.9")
    assert client.get("/metrics", headers={"authorization": f"Bearer {TOKEN}"}).status_code == 200
    settings.METRICS_TOKEN = ""
    assert client.get("/metrics", headers={"authorization": "Bearer "}).status_code == 403


def test_behind_a_known_proxy_the_network_is_that_of_whoever_asked_it(settings: Any) -> None:
    settings.TRUSTED_PROXIES, settings.METRICS_NETWORKS = 1, ("10.0.0.0/8",)
    assert scrape(x_forwarded_for="10.1.2.3").status_code == 200
    assert scrape(x_forwarded_for="203.0.113.9").status_code == 403
    assert scrape(x_forwarded_for="10.1.2.3, 203.0.113.9").status_code == 403


def test_every_name_in_the_dashboard_and_the_alert_rules_is_a_figure(evening: None) -> None:
    known = {key[0] for key in figures()} | ITS_OWN
    # Said only while it is so.
    known |= {"selfiehero_drain_seconds", "selfiehero_admitted_per_second"}
    rules = yaml.safe_load((MONITORING / "alerts.yml").read_text())["groups"][0]["rules"]
    dashboard = json.loads((MONITORING / "dashboard.json").read_text())
    queries = [rule["expr"] for rule in rules]
    queries += [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    named = {name for query in queries for name in re.findall(r"\b(?:selfiehero_\w+|up)\b(?=[\s{\[)]|$)", query)}
    assert named - known == set()
    assert len(named) > 20
    assert {rule["labels"]["severity"] for rule in rules} == {"page", "warn"}


def test_it_takes_a_few_queries_and_no_scan(evening: None, django_assert_max_num_queries: Any) -> None:
    house.look()
    with django_assert_max_num_queries(16):
        scrape()
