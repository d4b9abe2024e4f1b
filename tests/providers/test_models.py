"""What a provider's row becomes for its adapter, and what it refuses to be."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError

from providers.models import ProviderConfig


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
def test_what_the_vendors_model_would_not_take_is_refused_at_its_field(values: dict[str, object], field: str) -> None:
    with pytest.raises(ValidationError) as caught:
        row("wavespeed", "https://api.wavespeed.ai/api/v3", **values).clean()
    assert list(caught.value.message_dict) == [field]


def test_parameters_are_checked_for_the_model_they_are_for() -> None:
    kling = {"model": "kwaivgi/kling-v2.1-i2v-standard", "parameters": {"duration": 10}}
    row("wavespeed", "https://api.wavespeed.ai/api/v3", **kling).clean()
