"""All adapters by name. To add a vendor, add a file to `adapters/` and a line here."""

from __future__ import annotations

from providers.adapters.base import OWN_RULE, Adapter, Capabilities
from providers.adapters.fal import FalAdapter
from providers.adapters.replicate import ReplicateAdapter
from providers.adapters.studio import StudioAdapter
from providers.adapters.wavespeed import WaveSpeedAdapter

_ADAPTERS: dict[str, Adapter] = {
    adapter.name: adapter
    for adapter in (
        StudioAdapter(),
        WaveSpeedAdapter(),
        ReplicateAdapter(),
        FalAdapter(),
    )
}


def adapter_for(name: str) -> Adapter:
    """Return the adapter called `name`. Raise KeyError when there is none."""
    return _ADAPTERS[name]


def capabilities_of(name: str) -> Capabilities:
    """Return what the adapter called `name` can do; the safe defaults when there is no such adapter."""
    try:
        return adapter_for(name)
    except KeyError:
        return Capabilities()


def adapter_names() -> list[str]:
    """Return the names of all adapters, in order."""
    return sorted(_ADAPTERS)


def adapter_choices() -> list[tuple[str, str]]:
    """Return (name, title) for a form field."""
    return [(name, _ADAPTERS[name].title) for name in adapter_names()]


def content_rule(name: str) -> str:
    """Return the name of the content policy that an adapter's photos are checked against; by default its own name."""
    adapter = _ADAPTERS.get(name)
    return name if adapter is None or adapter.content_rule == OWN_RULE else adapter.content_rule
