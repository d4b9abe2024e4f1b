"""The account that a provider's row gives its adapter, and the settings that are rejected."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from providers.models import ProviderConfig

NOW = datetime(2026, 9, 1, 12, tzinfo=UTC)


def row(adapter: str, base_url: str, **values: object) -> ProviderConfig:
    fields = {"slug": "one", "title": "One", "photo_transport": "url", "model": ""}
    return ProviderConfig(adapter=adapter, base_url=base_url, **fields | values)


@pytest.mark.parametrize(
    ("adapter", "base_url", "hosts", "wanted"),
    [
        ("studio", "http://127.0.0.1:9000", [], ("127.0.0.1",)),
        ("wavespeed", "https://api.wavespeed.ai/api/v3", [], ("*.cloudfront.net", "*.wavespeed.ai")),
        ("replicate", "https://api.replicate.com/v1", [], ("replicate.delivery", "*.replicate.delivery")),
        ("fal", "https://queue.fal.run", [], ("fal.media", "*.fal.media")),
        ("fal", "https://queue.fal.run", ["cdn.example"], ("cdn.example",)),
        ("fal", "http://127.0.0.1:9100/fal", [], ("fal.media", "*.fal.media", "127.0.0.1")),
        ("gone", "https://api.example/v1", [], ("api.example",)),
    ],
)
def test_films_lie_at_the_vendors_hosts_unless_staff_say_otherwise(
    adapter: str, base_url: str, hosts: list[str], wanted: tuple[str, ...]
) -> None:
    assert row(adapter, base_url, result_hosts=hosts).account().result_hosts == wanted


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"model": "hero"}, "model"),
        ({"parameters": {"duration": 10}}, "parameters"),
        ({"model": "kwaivgi/kling-v2.1-i2v-standard", "parameters": {"duration": 8}}, "parameters"),
        ({"photo_transport": "inline"}, "photo_transport"),
    ],
)
def test_what_the_vendors_model_does_not_accept_is_rejected_at_its_field(values: dict[str, object], field: str) -> None:
    with pytest.raises(ValidationError) as caught:
        row("wavespeed", "https://api.wavespeed.ai/api/v3", **values).clean()
    assert list(caught.value.message_dict) == [field]


def test_parameters_are_checked_for_the_model_they_are_for() -> None:
    kling = {"model": "kwaivgi/kling-v2.1-i2v-standard", "parameters": {"duration": 10}}
    row("wavespeed", "https://api.wavespeed.ai/api/v3", **kling).clean()


def test_a_provider_can_do_what_its_adapter_says_and_nothing_when_that_is_gone() -> None:
    known, gone = row("studio", "http://127.0.0.1:9000"), row("gone", "https://api.example/v1")
    assert (known.capabilities.is_ours, known.capabilities.can_look_up) == (True, True)
    assert known.capabilities.takes_no_face({"allow_no_face": True})
    assert (gone.capabilities.is_ours, gone.capabilities.can_look_up, gone.capabilities.can_learn_secrets) == (
        (False,) * 3
    )
    assert not gone.capabilities.takes_no_face({"allow_no_face": True})


@pytest.mark.parametrize(
    ("values", "is_open"),
    [
        ({}, True),
        ({"rate_limited_until": NOW + timedelta(seconds=1)}, False),
        ({"breaker_until": NOW + timedelta(seconds=1)}, False),
        ({"rate_limited_until": NOW - timedelta(seconds=1)}, True),
        ({"price": 3, "daily_budget": 5, "budget_used": 3, "budget_day": NOW.date()}, False),
        ({"price": 3, "daily_budget": 5, "budget_used": 3, "budget_day": NOW.date() - timedelta(days=1)}, True),
    ],
)
def test_a_provider_is_open_while_nothing_blocks_it_and_its_budget_lasts(values: dict[str, Any], is_open: bool) -> None:
    assert row("studio", "http://127.0.0.1:9000", **values).is_open(now=NOW) is is_open
