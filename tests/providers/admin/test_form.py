"""Providers in the admin: settings, write-only secrets, and the columns that a save must not change."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.utils import timezone

from jobs.models import AuditEntry
from providers.callbacks import transport_problem
from providers.models import ProviderConfig
from tests.providers.admin.form import KEY, LIST, NEW, OLD, form_of, page_of, save

pytestmark = pytest.mark.slow


def test_no_page_holds_a_secret(admin_client: Client, row: ProviderConfig) -> None:
    for address in (LIST, page_of(row), f"{LIST}add/", f"{LIST}{row.pk}/history/", f"{LIST}{row.pk}/delete/"):
        text = admin_client.get(address).content.decode()
        assert KEY not in text
        assert OLD not in text


def test_blank_fields_keep_the_secrets(admin_client: Client, row: ProviderConfig) -> None:
    kept = save(admin_client, row, title="Another title")
    assert (kept.title, kept.api_key, kept.webhook_secrets) == ("Another title", KEY, [OLD])
    assert not AuditEntry.objects.filter(action="provider_key_changed").exists()


def test_a_new_key_replaces_the_old_one_and_is_nowhere_but_in_its_column(
    admin_client: Client, row: ProviderConfig
) -> None:
    assert save(admin_client, row, new_api_key="a-fresh-key").api_key == "a-fresh-key"
    entry = AuditEntry.objects.get(action="provider_key_changed")
    assert (entry.actor.username, entry.subject, entry.data) == ("admin", "studio", {"api_key": "replaced"})
    log = " ".join(f"{line.change_message} {line.object_repr}" for line in LogEntry.objects.all())
    assert "a-fresh-key" not in log
    assert KEY not in log
    assert "a-fresh-key" not in admin_client.get(page_of(row)).content.decode()


def test_an_invalid_form_does_not_send_the_secret_back(admin_client: Client, row: ProviderConfig) -> None:
    data = form_of(admin_client, row, new_api_key="a-fresh-key", max_concurrent="0")
    response = admin_client.post(page_of(row), data)
    assert response.status_code == 200
    assert "max_concurrent" in response.context["adminform"].form.errors
    assert "a-fresh-key" not in response.content.decode()
    assert ProviderConfig.objects.get().api_key == KEY


def test_a_key_can_be_removed(admin_client: Client, row: ProviderConfig) -> None:
    assert save(admin_client, row, remove_api_key="on").api_key == ""
    assert "not set" in admin_client.get(page_of(row)).content.decode()


def test_two_webhook_secrets_are_live_during_a_rotation(admin_client: Client, row: ProviderConfig) -> None:
    assert save(admin_client, row, new_webhook_secret=NEW).webhook_secrets == [NEW, OLD]
    assert "2 set, all accepted" in admin_client.get(page_of(row)).content.decode()
    assert save(admin_client, row, drop_older="on").webhook_secrets == [NEW]
    assert list(AuditEntry.objects.order_by("id").values_list("data", flat=True)) == [
        {"webhook_secrets": "added"},
        {"webhook_secrets": "older dropped"},
    ]


def test_a_third_secret_pushes_the_oldest_out(admin_client: Client, row: ProviderConfig) -> None:
    save(admin_client, row, new_webhook_secret=NEW)
    third = "whsec_dGhpcmQtc2VjcmV0LXRoaXJkLXNlYw=="
    assert save(admin_client, row, new_webhook_secret=third).webhook_secrets == [third, NEW]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"new_api_key": "x", "remove_api_key": "on"}, "remove_api_key"),
        ({"new_webhook_secret": NEW, "remove_webhook_secrets": "on"}, "remove_webhook_secrets"),
        ({"new_webhook_secret": "whsec_not base64"}, "new_webhook_secret"),
        ({"parameters": '{"surely_unknown": 1}'}, "parameters"),
        ({"parameters": "[1]"}, "parameters"),
        ({"photo_transport": "upload"}, "photo_transport"),
        ({"adapter": "nobody"}, "adapter"),
        ({"result_hosts": "https://cdn.example/"}, "result_hosts"),
        ({"result_hosts": "cdn.example\r\n*.com"}, "result_hosts"),
        ({"silence": "0"}, "silence"),
        ({"base_url": "ftp://x"}, "base_url"),
    ],
)
def test_what_cannot_work_is_said_at_its_field(
    admin_client: Client, row: ProviderConfig, changes: dict[str, str], field: str
) -> None:
    response = admin_client.post(page_of(row), form_of(admin_client, row, **changes))
    assert response.status_code == 200
    assert field in response.context["adminform"].form.errors
    unchanged = ProviderConfig.objects.get(pk=row.pk)
    assert (unchanged.api_key, unchanged.webhook_secrets) == (KEY, [OLD])


def test_hosts_are_written_one_a_line(admin_client: Client, row: ProviderConfig) -> None:
    saved = save(admin_client, row, result_hosts="cdn.example\r\n *.CDN2.example \r\n\r\n")
    assert saved.result_hosts == ["cdn.example", "*.cdn2.example"]


def test_a_secret_that_no_key_opens_is_said_to_be_unreadable_and_survives_a_save(
    admin_client: Client, row: ProviderConfig, settings: Any
) -> None:
    own_keys, settings.FIELD_KEYS = settings.FIELD_KEYS, ["MDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDA="]
    assert "unreadable" in admin_client.get(page_of(row)).content.decode()
    save(admin_client, row, title="Touched")
    settings.FIELD_KEYS = own_keys
    kept = ProviderConfig.objects.get(pk=row.pk)
    assert (kept.title, kept.api_key, kept.webhook_secrets) == ("Touched", KEY, [OLD])


def test_a_save_leaves_what_the_workers_write_alone(
    admin_client: Client, row: ProviderConfig, monkeypatch: Any
) -> None:
    data = form_of(admin_client, row, title="New title")
    until = timezone.now() + timedelta(minutes=5)
    from providers.admin import ProviderAdmin

    before = ProviderAdmin.save_model

    def parked_meanwhile(*arguments: Any) -> None:
        ProviderConfig.objects.filter(pk=row.pk).update(rate_limited_until=until, consecutive_failures=7)
        before(*arguments)

    monkeypatch.setattr(ProviderAdmin, "save_model", parked_meanwhile)
    assert admin_client.post(page_of(row), data).status_code == 302
    saved = ProviderConfig.objects.get(pk=row.pk)
    assert (saved.title, saved.rate_limited_until, saved.consecutive_failures) == ("New title", until, 7)


def test_a_provider_can_be_added(admin_client: Client, row: ProviderConfig) -> None:
    data = form_of(admin_client, row, slug="second", new_api_key="k", new_webhook_secret=NEW)
    response = admin_client.post(f"{LIST}add/", data)
    assert response.status_code == 302, response.context["errors"]
    made = ProviderConfig.objects.get(slug="second")
    assert (made.api_key, made.webhook_secrets) == ("k", [NEW])
    assert not made.enabled, "it is switched on by a change of its own"
    actions = set(AuditEntry.objects.filter(subject="second").values_list("action", flat=True))
    assert actions == {"provider_added", "provider_key_changed"}


def test_a_new_provider_has_to_have_a_price(admin_client: Client, row: ProviderConfig) -> None:
    form = admin_client.get(f"{LIST}add/").context["adminform"].form
    assert form["price"].value() is None
    assert "enabled" not in form.fields
    response = admin_client.post(f"{LIST}add/", form_of(admin_client, row, slug="second", price=""))
    assert "price" in response.context["adminform"].form.errors
    assert not ProviderConfig.objects.filter(slug="second").exists()


@pytest.mark.parametrize(
    ("callback", "transport", "address", "word"),
    [
        ("http://127.0.0.1:8000", "url", "https://api.wavespeed.ai/api/v3", "fetch photos"),
        ("http://hero.example.com", "url", "https://api.wavespeed.ai/api/v3", "fetch photos"),
        ("https://10.0.0.7", "url", "https://api.wavespeed.ai/api/v3", "fetch photos"),
        ("http://127.0.0.1:8000", "upload", "https://api.wavespeed.ai/api/v3", "Films are polled"),
        ("https://hero.example.com", "url", "https://api.wavespeed.ai/api/v3", ""),
        ("http://127.0.0.1:8000", "url", "http://127.0.0.1:9000", ""),
    ],
)
def test_a_transport_that_cannot_work_is_warned_of(
    callback: str, transport: str, address: str, word: str, settings: Any
) -> None:
    settings.CALLBACK_URL = callback
    problem = transport_problem(ProviderConfig(title="X", base_url=address, photo_transport=transport))
    assert (word in problem) if word else problem == ""
