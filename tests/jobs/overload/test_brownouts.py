"""What each brownout level leaves out, seen where it would have happened."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from jobs.lanes import ingest
from jobs.models import Job, Lane
from jobs.overload import state
from jobs.overload.levels import WORDS, Level
from jobs.overload.state import Load
from notifications import publish
from providers import registry
from providers.types import Account
from tests import factories


def set_level(level: Level) -> None:
    state._cache.put(Load(level=level), seconds=600.0)


@pytest.mark.parametrize(("level", "has_preview"), [(Level.FULL, True), (Level.NO_POSTERS, False)])
def test_without_posters_no_first_picture_is_fetched(
    level: Level, has_preview: bool, provider: Any, stub: Any, work: Callable, deliver: Callable
) -> None:
    job = factories.make_waiting_job()
    work(Lane.DISPATCH)
    set_level(level)
    deliver(stub.delivery(stub.only.run(0.5, preview=True)))
    ingest.apply_deliveries()
    assert (factories.reload(job).lane == Lane.COLLECT) is has_preview


@pytest.mark.parametrize(
    ("adapter", "model", "given", "shortest"),
    [
        ("wavespeed", "", {"duration": 8}, 5),
        ("replicate", "kwaivgi/kling-v2.1", {"duration": 10, "mode": "pro"}, 5),
    ],
)
def test_shorter_films_are_the_models_shortest(adapter: str, model: str, given: dict, shortest: int) -> None:
    account = Account(slug="x", base_url="http://x", model=model, parameters=given)
    found = registry.adapter_for(adapter).shortened(account).parameters
    assert found == given | {"duration": shortest}


@pytest.mark.parametrize("adapter", ["studio", "replicate"])
def test_a_model_without_a_length_is_left_alone(adapter: str) -> None:
    account = Account(slug="x", base_url="http://x", model="wavespeedai/wan-2.1-i2v-720p", parameters={})
    assert registry.adapter_for(adapter).shortened(account) == account


@pytest.mark.django_db
@pytest.mark.parametrize(("level", "is_told"), [(Level.SHORT_FILMS, True), (Level.EMAIL_ONLY, False)])
def test_pages_hear_only_of_the_end(
    level: Level, is_told: bool, provider: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(publish, "with_listeners", list)
    monkeypatch.setattr(publish, "publish", lambda bodies: told.extend(body["id"] for body in bodies))
    waiting, ended = factories.make_waiting_job(), factories.make_finished_job(provider)
    set_level(level)
    publish.on_job_changed(job_ids=[waiting.id, ended.id])
    assert (str(waiting.id) in told) is is_told
    assert str(ended.id) in told
    assert Job.objects.count() == 2


def test_each_level_is_said_in_words() -> None:
    assert set(WORDS) == set(Level) - {Level.FULL}
