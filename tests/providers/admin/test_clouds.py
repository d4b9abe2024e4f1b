"""Clouds in the provider form: set up by name and account level, hosts, generated secrets."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from jobs.models import AuditEntry
from providers.models import ProviderConfig
from tests.providers.admin.form import LIST, NEW, OLD, form_of, page_of, save

pytestmark = pytest.mark.slow


# --- Clouds -------------------------------------------------------------------------------------------

WAVESPEED_SECRET, FAL_KEY = "whsec_demoSecret123", "ed25519:A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg"


def add(client: Client, row: ProviderConfig, **changes: Any) -> Any:
    """Post the form for a new provider, with everything an adapter fills in left empty."""
    empty = {"base_url": "", "result_hosts": "", "photo_transport": "url"}
    return client.post(f"{LIST}add/", form_of(client, row, slug="cloud", **empty | changes))


@pytest.mark.parametrize(
    ("adapter", "level", "address", "limits", "secret"),
    [
        ("wavespeed", "bronze", "https://api.wavespeed.ai/api/v3", (3, 5), WAVESPEED_SECRET),
        ("wavespeed", "ultra", "https://api.wavespeed.ai/api/v3", (5000, 5000), WAVESPEED_SECRET),
        ("replicate", "no-card", "https://api.replicate.com/v1", (9, 6), NEW),
        ("fal", "new", "https://queue.fal.run", (2, 60), FAL_KEY),
    ],
)
def test_a_cloud_is_set_up_by_its_name_and_its_account_level(
    admin_client: Client,
    row: ProviderConfig,
    adapter: str,
    level: str,
    address: str,
    limits: tuple[int, int],
    secret: str,
) -> None:
    response = add(
        admin_client,
        row,
        adapter=adapter,
        account_level=f"{adapter}:{level}",
        new_api_key="k",
        new_webhook_secret=secret,
    )
    assert response.status_code == 302, response.context["errors"]
    made = ProviderConfig.objects.get(slug="cloud")
    assert (made.base_url, made.max_concurrent, made.max_per_minute) == (address, *limits)
    assert (made.api_key, made.webhook_secrets, made.result_hosts) == ("k", [secret], [])
    assert "127.0.0.1" not in made.account().result_hosts


def test_a_level_chosen_later_changes_both_limits_and_nothing_else(admin_client: Client, row: ProviderConfig) -> None:
    add(admin_client, row, adapter="wavespeed", account_level="wavespeed:bronze", price="0.3")
    made = ProviderConfig.objects.get(slug="cloud")
    changed = save(admin_client, made, account_level="wavespeed:silver")
    assert (changed.max_concurrent, changed.max_per_minute, str(changed.price)) == (100, 60, "0.3000")
    kept = save(admin_client, made, max_concurrent="42")
    assert (kept.max_concurrent, kept.max_per_minute) == (42, 60)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"adapter": "fal", "account_level": "wavespeed:bronze"}, "account_level"),
        ({"adapter": "fal", "account_level": "fal:platinum"}, "account_level"),
        ({"adapter": "studio"}, "base_url"),
        ({"adapter": "wavespeed", "model": "nonsense"}, "model"),
        ({"adapter": "wavespeed", "parameters": '{"duration": 7}'}, "parameters"),
        ({"adapter": "wavespeed", "new_webhook_secret": "short"}, "new_webhook_secret"),
        ({"adapter": "replicate", "new_webhook_secret": "no-prefix"}, "new_webhook_secret"),
        ({"adapter": "fal", "new_webhook_secret": NEW}, "new_webhook_secret"),
        ({"adapter": "fal", "result_hosts": "*"}, "result_hosts"),
        ({"adapter": "fal", "result_hosts": "a.*.example"}, "result_hosts"),
    ],
)
def test_what_a_cloud_could_not_work_with_is_said_at_its_field(
    admin_client: Client, row: ProviderConfig, changes: dict[str, str], field: str
) -> None:
    response = add(admin_client, row, **changes)
    assert response.status_code == 200
    assert list(response.context["adminform"].form.errors) == [field]
    assert not ProviderConfig.objects.filter(slug="cloud").exists()


def test_hosts_may_stand_for_everything_below_them(admin_client: Client, row: ProviderConfig) -> None:
    assert save(admin_client, row, result_hosts="*.cdn.example").result_hosts == ["*.cdn.example"]


def test_no_secret_is_generated_for_a_vendor_that_chooses_its_own(admin_client: Client, row: ProviderConfig) -> None:
    assert "new-secret" in admin_client.get(page_of(row)).content.decode()
    add(admin_client, row, adapter="fal")
    made = ProviderConfig.objects.get(slug="cloud")
    assert "new-secret" not in admin_client.get(page_of(made)).content.decode()
    assert admin_client.post(f"{LIST}{made.pk}/new-secret/").status_code == 404


def test_a_generated_secret_is_shown_once(admin_client: Client, row: ProviderConfig) -> None:
    address = f"{LIST}{row.pk}/new-secret/"
    assert "whsec_" not in admin_client.get(address).content.decode()
    response = admin_client.post(address)
    (shown,) = re.findall(r"whsec_[A-Za-z0-9+/=]+", response.content.decode())
    assert "no-store" in response["Cache-Control"]
    assert ProviderConfig.objects.get(pk=row.pk).webhook_secrets == [shown, OLD]
    assert shown not in admin_client.get(page_of(row)).content.decode()
    everything = str(list(AuditEntry.objects.values())) + str(list(LogEntry.objects.values()))
    assert "generated" in everything
    assert shown not in everything
