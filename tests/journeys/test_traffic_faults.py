"""Fallback against the simulator with real processes: whatever a provider does, one film a job, none paid twice."""

from __future__ import annotations

import socket
from collections import Counter, defaultdict
from datetime import timedelta

import pytest

from jobs.models import Attempt, WebhookDelivery
from tests.support.processes import wait_for
from tests.support.rig import ALIAS, CLOUDS, Rig

pytestmark = [pytest.mark.slow, pytest.mark.timeout(420)]


def charges_by_job(rig: Rig) -> dict[object, list[dict]]:
    """Return what the simulator charged for each job, joined by the attempts' references."""
    jobs = dict(rig.attempts().values_list("token", "job_id"))
    found = defaultdict(list)
    for vendor in CLOUDS:
        for entry in rig.simulator.entries(vendor):
            if entry["prediction_id"]:
                found[jobs[entry["reference"]]].append(entry)
    return found


def test_a_first_provider_that_hangs_costs_its_timeout_and_a_second(rig):
    rig.simulator.set("replicate", faults={"submit": [{"fault": "hang"}]})
    rig.simulator.set("fal", times={"answer": 0.05, "duration": 0.2})
    rig.add_provider("replicate", order=1, max_concurrent=1, submit_timeout=timedelta(seconds=3))
    rig.add_provider("fal", order=2)
    rig.start_all(dispatch=2)
    (job_id,) = rig.queue_jobs(1)
    rig.wait_until_final(seconds=60)
    first, second = rig.attempts().filter(job_id=job_id).order_by("number")
    assert (first.provider.slug, second.provider.slug) == ("replicate", "fal")
    gap = (second.claimed_at - first.claimed_at).total_seconds()
    provider = rig.provider("replicate")
    timeout = (provider.connect_timeout + provider.submit_timeout).total_seconds()
    assert gap <= 2 * timeout  # and not the attempt's deadline
    rig.assert_each_has_one_film(1)


def test_every_webhook_lost_every_job_found_by_polling(rig):
    rig.simulator.set("wavespeed", times={"answer": 0.05, "duration": 1}, faults={"webhook": ["lost"]})
    rig.add_provider("wavespeed", max_concurrent=20, silence=timedelta(seconds=2))
    rig.queue_jobs(20)
    rig.start_all(dispatch=2)
    rig.wait_until_final(seconds=120)
    assert rig.simulator.state("wavespeed")["webhooks"] == {}
    assert not WebhookDelivery.objects.using(ALIAS).exists()
    rig.assert_each_has_one_film(20)


def test_ten_copies_of_each_webhook_at_once_have_one_effect(rig):
    for vendor in CLOUDS:
        rig.simulator.set(
            vendor, times={"answer": 0.05, "duration": 0.5}, faults={"webhook": [{"fault": "duplicated", "copies": 10}]}
        )
        rig.add_provider(vendor, max_concurrent=10)
    rig.queue_jobs(30)
    rig.start_all(dispatch=2)
    rig.wait_until_final(seconds=120)
    rig.assert_each_has_one_film(30)
    kinds = Counter()
    for job in rig.jobs():
        kinds += Counter(job.events.using(ALIAS).values_list("kind", flat=True))
    assert kinds["succeeded"] == kinds["rendered"] == 30
    assert sum(sum(rig.simulator.state(vendor)["webhooks"].values()) for vendor in CLOUDS) >= 300
    answers = [answer for vendor in CLOUDS for answer in rig.simulator.state(vendor)["webhooks"]]
    assert [answer for answer in answers if not answer.startswith("2")] == []


def test_webhooks_before_the_submit_answer_are_joined(rig):
    for vendor in CLOUDS:
        rig.simulator.set(vendor, times={"answer": 0.5, "duration": 0.1}, faults={"submit": ["webhook_first"]})
        rig.add_provider(vendor, max_concurrent=10)
    rig.queue_jobs(30)
    rig.start_all(dispatch=2)
    rig.wait_until_final(seconds=60)
    rig.assert_each_has_one_film(30)
    assert rig.attempts().count() == 30


@pytest.mark.parametrize("times", [20, pytest.param(50, marks=pytest.mark.thorough)])
def test_workers_killed_inside_the_submit_make_no_second_charge(rig, times):
    """kill -9 after the provider took the submit and before its id was stored, so many times."""
    for vendor in CLOUDS:
        rig.simulator.set(vendor, times={"answer": 0.6, "duration": 1.5})
        rig.add_provider(
            vendor,
            max_concurrent=100,
            submit_timeout=timedelta(seconds=2),
            silence=timedelta(seconds=2),
            attempt_deadline=timedelta(seconds=45),
        )
    rig.start_all(dispatch=0, collect=1, reconcile=2)
    caught = 0
    while caught < times:
        before = rig.simulator.accepted()
        rig.queue_jobs(9)
        worker = rig.start("dispatch")
        wait_for(lambda before=before: rig.simulator.accepted() > before, "a submit", seconds=30, every=0.01)
        rig.kill(worker)
        entries = [entry for vendor in CLOUDS for entry in rig.simulator.entries(vendor)]
        taken = {entry["reference"] for entry in entries if entry["prediction_id"]}
        caught += rig.attempts().filter(status=Attempt.Status.SUBMITTING, token__in=taken).count()
    count = rig.jobs().count()
    rig.start("dispatch")
    rig.wait_until_final(seconds=180)
    rig.assert_each_has_one_film(count)
    charges = charges_by_job(rig)
    assert len(charges) == count
    assert {job_id: len(found) for job_id, found in charges.items() if len(found) > 1} == {}


def test_with_every_cloud_down_the_studio_makes_the_films(tmp_path, django_db_blocker):
    fake = "tests.support.fake_renderer:Renderer"
    with django_db_blocker.unblock(), Rig(tmp_path, studio=True, STUDIO_RENDERER=fake) as rig:
        down = {"wavespeed": "html", "replicate": {"fault": "status", "status": 500}, "fal": "lose_request"}
        for order, (vendor, fault) in enumerate(down.items()):
            rig.add_provider(
                vendor,
                order=order,
                max_concurrent=3,
                submit_timeout=timedelta(seconds=1),
                attempt_deadline=timedelta(seconds=10),
            )
            rig.simulator.set(vendor, faults={"any": [fault]})
        rig.queue_jobs(20)
        rig.start_all(dispatch=2)
        rig.wait_until_final(seconds=200)
        rig.assert_each_has_one_film(20)
        winners = rig.attempts().filter(status=Attempt.Status.SUCCEEDED)
        assert set(winners.values_list("provider__slug", flat=True)) == {"studio"}


# What a film's address answers with, and the failure of the attempt it leads to.
HOSTILE = {
    "html": "film_unusable",
    "garbage": "film_unusable",
    "empty": "film_unusable",
    "truncated": "film_unusable",
    "endless": "film_unusable",
    "expired": "prediction_lost",
    "status": "film_unusable",
    "redirect": "film_unusable",
}


def test_hostile_films_are_told_apart_and_never_reach_a_private_address(rig):
    canary = socket.create_server(("127.0.0.2", 0))
    canary.settimeout(0.1)
    private = f"http://127.0.0.2:{canary.getsockname()[1]}/film.mp4"
    options = {"endless": {"bytes_per_second": 200_000_000}, "redirect": {"url": private}}
    for order, vendor in enumerate(("wavespeed", "fal")):
        rig.simulator.set(vendor, times={"answer": 0.02, "duration": 0.1})
        rig.add_provider(vendor, order=order, max_concurrent=20)
    rig.start_all()
    # A byte a second until the deadline; meanwhile all others have their turn.
    rig.simulator.next("wavespeed", "film", "drip", seconds=1.0)
    rig.queue_jobs(1)
    wait_for(lambda: rig.simulator.state("wavespeed")["faults"].get("film.drip"), "the drip to begin", seconds=30)
    for name in HOSTILE:
        rig.simulator.next("wavespeed", "film", name, times=20, **options.get(name, {}))
        run_one(rig)
        rig.simulator.forget_scripted("wavespeed")
    rig.simulator.next("wavespeed", "outcome", "output_url", url=private)
    run_one(rig)
    rig.wait_until_final(seconds=120)
    happened = {name.removeprefix("film.") for name in rig.simulator.state("wavespeed")["faults"]}
    assert happened == {*HOSTILE, "drip", "outcome.output_url"}
    with pytest.raises(TimeoutError):
        canary.accept()
    canary.close()
    rig.assert_each_has_one_film(len(HOSTILE) + 2)
    assert rig.tracebacks() == []


def run_one(rig: Rig) -> None:
    """Let one job be tried at WaveSpeed first, whatever it did before, and end."""
    rig.forgive("wavespeed")
    (job_id,) = rig.queue_jobs(1)
    wait_for(lambda: rig.jobs().get(id=job_id).is_final, "the job to end", seconds=90, every=0.1)
    first = rig.attempts().filter(job_id=job_id).order_by("number").first()
    assert first.provider.slug == "wavespeed"
    assert first.status == Attempt.Status.FAILED, first.error_code
