"""The tables of models: a model accepts its own defaults and the inputs of its smallest film."""

from __future__ import annotations

import pytest

from providers import registry
from providers.adapters.cloud import CloudAdapter
from providers.types import Account, SubmitRequest

CLOUDS = [
    adapter for adapter in map(registry.adapter_for, registry.adapter_names()) if isinstance(adapter, CloudAdapter)
]
MODELS = [pytest.param(adapter, model, id=model) for adapter in CLOUDS for model in adapter.models]
REQUEST = SubmitRequest(
    "token", "neon-noir", "a hero", "blur", "NOVA-7", "job-1", "", photo_url="https://x.example/1.jpg"
)


def account(adapter: CloudAdapter, model: str, **parameters: object) -> Account:
    return Account(adapter.name, "http://127.0.0.1:1", model=model, parameters=parameters)


@pytest.mark.parametrize(("adapter", "model"), MODELS)
def test_what_a_model_is_sent_by_itself_is_what_staff_could_have_entered(adapter: CloudAdapter, model: str) -> None:
    known = adapter.models[model]
    assert adapter.check_model(model) == ""
    for chosen in (known.defaults, known.smallest):
        assert adapter.check_parameters(dict(chosen), model=model) == []
    sent = adapter.inputs(account(adapter, model), REQUEST)
    assert set(sent) - {"prompt", "negative_prompt", "seed", known.image_field} == set(known.defaults)
    assert ("negative_prompt" in sent) == known.takes_negative_prompt
    assert ("seed" in sent) == known.takes_seed


@pytest.mark.parametrize(("adapter", "model"), [case for case in MODELS if case.values[0].can_keep_warm])
def test_a_model_is_kept_awake_with_its_smallest_film(adapter: CloudAdapter, model: str) -> None:
    smallest = adapter.models[model].smallest
    assert smallest
    mine = account(adapter, model, seed=7)
    warm, request = adapter.keep_warm_request(mine, REQUEST)
    assert dict(warm.parameters) == {"seed": 7} | dict(smallest)
    assert dict(mine.parameters) == {"seed": 7}
    assert smallest.items() <= adapter.inputs(warm, request).items()


def test_the_default_model_is_one_the_adapter_knows() -> None:
    assert len(CLOUDS) == 3
    assert all(adapter.default_model in adapter.models for adapter in CLOUDS)
