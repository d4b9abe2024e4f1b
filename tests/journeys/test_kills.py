"""Processes die in the middle of a film; each time the film is delivered without help."""

import os
import signal

import pytest

from tests.journeys.conftest import PHOTO
from tests.journeys.visitor import Visitor

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

# A dispatch lease and a look-up at most, then a film.
RECOVERED_WITHIN = 120


def start_a_film(product) -> tuple[Visitor, str]:
    visitor = Visitor(product.url)
    answer = visitor.send(PHOTO, hero_name="NOVA-7")
    assert answer.status_code == 202
    return visitor, answer.json()["id"]


def assert_delivered_once(product, visitor: Visitor, job_id: str) -> None:
    job = visitor.wait_for_end(job_id, seconds=RECOVERED_WITHIN)
    assert job["status"] == "succeeded", job
    assert len(visitor.film(job)) > 100_000
    events = visitor.session.get(product.url + job["links"]["events"], timeout=10).json()["events"]
    assert [event["kind"] for event in events].count("succeeded") == 1


@pytest.mark.parametrize("name", ["worker-prepare", "worker-dispatch", "worker-collect", "reconcile", "studio"])
def test_a_film_survives_the_death_of_a_process_during_its_render(product, name):
    visitor, job_id = start_a_film(product)
    visitor.wait_for(job_id, "rendering")
    old = product.kill(name)
    assert_delivered_once(product, visitor, job_id)
    product.wait_until_restarted(name, old)


def test_a_film_survives_the_death_of_the_web_process_during_the_wait(product):
    visitor, job_id = start_a_film(product)
    visitor.wait_for(job_id, "rendering")
    product.kill("web")
    assert_delivered_once(product, visitor, job_id)


@pytest.mark.parametrize("stage", ["accepted", pytest.param("submitted", marks=pytest.mark.thorough), "rendering"])
def test_a_film_survives_a_valkey_that_comes_back_empty(product, stage):
    visitor, job_id = start_a_film(product)
    visitor.wait_for(job_id, stage, "rendering")
    old = product.pid_of("valkey")
    for kept in (product.var_dir / "valkey").rglob("*"):
        if kept.is_file():
            kept.unlink()
    os.kill(old, signal.SIGKILL)
    assert_delivered_once(product, visitor, job_id)
    product.wait_until_restarted("valkey", old)


def test_every_worker_at_once_may_die(product):
    visitor, job_id = start_a_film(product)
    visitor.wait_for(job_id, "submitted", "rendering")
    for name in ("worker-prepare", "worker-dispatch", "worker-collect"):
        product.kill(name)
    assert_delivered_once(product, visitor, job_id)
