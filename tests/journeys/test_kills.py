"""Processes die in the middle of a film; each time the film is delivered without help.

What is on the film does not matter here, so it is tiny and takes three seconds; the studio dies in `test_first_hero`,
in the middle of a real one.
"""

import os
import signal

import pytest

from tests.journeys.conftest import PHOTO
from tests.journeys.visitor import Visitor
from tests.support.product import Product

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

# A dispatch lease and a look-up at most, then a film.
RECOVERED_WITHIN = 120


def start_a_film(product: Product) -> tuple[Visitor, str]:
    visitor = Visitor(product.url)
    answer = visitor.send(PHOTO, hero_name="STEADY")
    assert answer.status_code == 202
    return visitor, answer.json()["id"]


def assert_delivered_once(product: Product, visitor: Visitor, job_id: str) -> None:
    job = visitor.wait_for_end(job_id, seconds=RECOVERED_WITHIN)
    assert job["status"] == "succeeded", job
    assert visitor.film(job)[4:8] == b"ftyp"
    events = visitor.session.get(product.url + job["links"]["events"], timeout=10).json()["events"]
    assert [event["kind"] for event in events].count("succeeded") == 1


THOROUGH = pytest.mark.thorough  # `make test` kills the workers together, below, and one by one in test_storm


@pytest.mark.parametrize(
    "name",
    [
        *(pytest.param(name, marks=THOROUGH) for name in ("worker-prepare", "worker-dispatch", "worker-collect")),
        "reconcile",
    ],
)
def test_a_film_survives_the_death_of_a_process_during_its_render(quick_product, name):
    visitor, job_id = start_a_film(quick_product)
    visitor.wait_for(job_id, "rendering")
    old = quick_product.kill(name)
    assert_delivered_once(quick_product, visitor, job_id)
    quick_product.wait_until_restarted(name, old)


def test_a_film_survives_the_death_of_the_web_process_during_the_wait(quick_product):
    visitor, job_id = start_a_film(quick_product)
    visitor.wait_for(job_id, "rendering")
    quick_product.kill("web")
    assert_delivered_once(quick_product, visitor, job_id)


@pytest.mark.parametrize(
    "stage", [*(pytest.param(stage, marks=THOROUGH) for stage in ("accepted", "submitted")), "rendering"]
)
def test_a_film_survives_a_valkey_that_comes_back_empty(quick_product, stage):
    visitor, job_id = start_a_film(quick_product)
    visitor.wait_for(job_id, stage, "rendering")
    old = quick_product.pid_of("valkey")
    for kept in (quick_product.var_dir / "valkey").rglob("*"):
        if kept.is_file():
            kept.unlink()
    os.kill(old, signal.SIGKILL)
    assert_delivered_once(quick_product, visitor, job_id)
    quick_product.wait_until_restarted("valkey", old)


def test_every_worker_at_once_may_die(quick_product):
    visitor, job_id = start_a_film(quick_product)
    visitor.wait_for(job_id, "submitted", "rendering")
    for name in ("worker-prepare", "worker-dispatch", "worker-collect"):
        quick_product.kill(name)
    assert_delivered_once(quick_product, visitor, job_id)
