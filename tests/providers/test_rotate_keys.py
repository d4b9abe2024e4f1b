"""`manage.py rotate_keys` after a new key was put in front of FIELD_KEYS."""

from __future__ import annotations

import io
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command

from providers import secrets
from providers.models import ProviderConfig

pytestmark = [pytest.mark.django_db, pytest.mark.database]

OLD, NEW, LOST = (Fernet.generate_key().decode() for _ in range(3))


def add_provider(slug: str, **values: Any) -> ProviderConfig:
    return ProviderConfig.objects.create(slug=slug, title=slug, adapter="studio", base_url="http://127.0.0.1", **values)


def stored(provider: ProviderConfig, name: str) -> str:
    rows = ProviderConfig.objects.annotate(stored=secrets.ciphertext_of(name)).values_list("stored", flat=True)
    return rows.get(pk=provider.pk)


def rotate() -> str:
    output = io.StringIO()
    call_command("rotate_keys", stdout=output)
    return output.getvalue()


def test_afterwards_the_old_key_is_not_needed_any_more(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "ROTATION_BATCH", 2)
    settings.FIELD_KEYS = [OLD]
    providers = [add_provider(f"p{n}", api_key=f"sk_{n}", webhook_secrets=[f"whsec_{n}", "b"]) for n in range(5)]
    empty = add_provider("empty")
    settings.FIELD_KEYS = [NEW, OLD]
    shown = rotate()
    assert "providers.ProviderConfig.api_key: 5 changed" in shown
    assert "providers.ProviderConfig.webhook_secrets: 5 changed" in shown
    assert "sk_" not in shown
    settings.FIELD_KEYS = [NEW]
    for number, provider in enumerate(providers):
        provider.refresh_from_db()
        assert (provider.api_key, provider.webhook_secrets) == (f"sk_{number}", [f"whsec_{number}", "b"])
    assert stored(empty, "api_key") == ""


def test_a_second_run_changes_nothing(settings: Any) -> None:
    settings.FIELD_KEYS = [OLD]
    provider = add_provider("one", api_key="sk_1")
    settings.FIELD_KEYS = [NEW, OLD]
    rotate()
    once, updated_at = stored(provider, "api_key"), ProviderConfig.objects.get().updated_at
    assert "providers.ProviderConfig.api_key: 0 changed" in rotate()
    assert (stored(provider, "api_key"), ProviderConfig.objects.get().updated_at) == (once, updated_at)


def test_what_no_key_decrypts_is_named_and_kept_and_the_rest_is_rotated(settings: Any) -> None:
    settings.FIELD_KEYS = [LOST]
    lost = add_provider("lost", api_key="sk_lost")
    kept = stored(lost, "api_key")
    settings.FIELD_KEYS = [OLD]
    known = add_provider("known", api_key="sk_known")
    settings.FIELD_KEYS = [NEW, OLD]
    with pytest.raises(CommandError) as caught:
        rotate()
    assert caught.value.returncode == 1
    assert f"providers.ProviderConfig.api_key of {lost.pk}." in str(caught.value)
    assert "sk_" not in str(caught.value)
    assert kept not in str(caught.value)
    assert stored(lost, "api_key") == kept
    settings.FIELD_KEYS = [NEW]
    known.refresh_from_db()
    assert known.api_key == "sk_known"


def test_a_value_that_staff_replace_meanwhile_stays_theirs(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.FIELD_KEYS = [OLD]
    provider = add_provider("one", api_key="sk_old")
    settings.FIELD_KEYS = [NEW, OLD]
    read = list(secrets._stored_values(ProviderConfig, "api_key"))
    ProviderConfig.objects.filter(pk=provider.pk).update(api_key="sk_new")
    monkeypatch.setattr(secrets, "_stored_values", lambda *_: iter(read))
    assert secrets.rotate(ProviderConfig, "api_key") == secrets.Rotation(changed=0)
    provider.refresh_from_db()
    assert provider.api_key == "sk_new"
