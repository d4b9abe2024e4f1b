"""The rows of the simulated clouds: made and kept up to date while a simulator runs, disabled while none does.

They have slugs of their own, so that a real WaveSpeed, Replicate or fal that staff set up is never touched.
"""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from common.files import replace_file
from jobs.clock import database_now
from jobs.routing import hosts
from providers import registry
from providers.models import ProviderConfig
from providers.simulator import behaviour, scenario_files, signing

PREFIX = "simulator-"
# What each adapter wants below the simulator's address, and the limits of the scenario `everyday`.
ROWS: dict[str, dict[str, Any]] = {
    "wavespeed": {
        "path": "/wavespeed/api/v3",
        "title": "WaveSpeed (simulated)",
        "order": 10,
        "model": "wavespeed-ai/wan-2.2/i2v-720p",
        "photo_transport": "upload",
        "max_concurrent": 3,
        "max_per_minute": 5,
        "price": Decimal("0.30"),
    },
    "replicate": {
        "path": "/replicate/v1",
        "title": "Replicate (simulated)",
        "order": 20,
        "model": "kwaivgi/kling-v2.1",
        "photo_transport": "url",
        "max_concurrent": 20,
        "max_per_minute": 600,
        "price": Decimal("0.30"),
    },
    "fal": {
        "path": "/fal",
        "title": "fal (simulated)",
        "order": 30,
        "model": "fal-ai/wan/v2.2-a14b/image-to-video",
        "photo_transport": "upload",
        "max_concurrent": 2,
        "max_per_minute": 60,
        "price": Decimal("0.40"),
    },
}


def enable(url: str, *, scenario: str, secrets_path: Path) -> list[str]:
    """Make or update the row of every simulated cloud that has an adapter; return their titles.

    A row has the limits of the account that the scenario plays. They are set when the scenario's change; in between
    staff's own stay.
    """
    applied = secrets_path.with_name("limits.json")
    before, limits = _read_limits(applied), _limits_of(scenario)
    secrets = signing.load_or_create(secrets_path)
    known = set(registry.adapter_names())
    titles = []
    for adapter, row in ROWS.items():
        if adapter not in known:
            continue
        own, slug = hosts.own_row(PREFIX + adapter, host=hosts.this_host(), api_key="", now=database_now())
        current = {
            "is_managed": True,
            "host": hosts.this_host(),
            "host_gone_at": None,
            "enabled": True,
            "base_url": url + row["path"],
            "api_key": "simulator",
            "webhook_secrets": [signing.verifying_secret(adapter, secrets[adapter])],
            "result_hosts": ["127.0.0.1"],
        }
        its_limits = limits[adapter]
        if before is not None and before.get(adapter) != its_limits:
            current |= its_limits
        first_time = {name: value for name, value in row.items() if name != "path"} | {
            **its_limits,
            "adapter": adapter,
            "connect_timeout": timedelta(seconds=2),
            "submit_timeout": timedelta(seconds=10),
            "silence": timedelta(seconds=15),
            "attempt_deadline": timedelta(minutes=5),
        }
        ProviderConfig.objects.update_or_create(
            slug=own.slug if own else slug, defaults=current, create_defaults=current | first_time
        )
        titles.append(row["title"])
    replace_file(applied, json.dumps(limits))
    return titles


def _limits_of(scenario: str) -> dict[str, dict[str, int]]:
    """Return the limits of each cloud's row: the scenario's, and where it has none those of `everyday`."""
    _, said = behaviour.read_scenario(scenario_files.read(scenario) or {})
    limits = {adapter: said.get(adapter, {}).get("limits", {}) for adapter in ROWS}
    return {
        adapter: {
            "max_concurrent": limits[adapter].get("concurrent") or row["max_concurrent"],
            "max_per_minute": limits[adapter].get("per_minute") or row["max_per_minute"],
        }
        for adapter, row in ROWS.items()
    }


def _read_limits(path: Path) -> dict[str, dict[str, int]] | None:
    """Return the limits that were set last, None when none were or nobody knows."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None


def disable() -> list[str]:
    """Disable this host's rows of simulated clouds; return the titles of those that were enabled."""
    rows = ProviderConfig.objects.filter(slug__startswith=PREFIX, is_managed=True, enabled=True)
    rows = rows.reached_from(hosts.this_host())
    titles = list(rows.values_list("title", flat=True))
    rows.update(enabled=False)
    return titles
