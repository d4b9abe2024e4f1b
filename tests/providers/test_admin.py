"""Providers in the admin: settings, write-only secrets, and the columns that a save must not change."""

from __future__ import annotations

import re
from datetime import UTC, timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from jobs.models import AuditEntry
from providers.admin import transport_problem
from providers.models import ProviderConfig
from tests import factories

pytestmark = pytest.mark.slow

LIST = "/admin/providers/providerconfig/"
KEY, OLD, NEW = "key-in-the-database", "whsec_b2xkLXNlY3JldC1vbGQtc2VjcmV0", "whsec_bmV3LXNlY3JldC1uZXctc2VjcmV0"


@pytest.fixture
def row(db: None) -> ProviderConfig:
    return factories.make_provider(api_key=KEY, webhook_secrets=[OLD])


@pytest.fixture
def viewer(db: None) -> Client:
    """Staff who may look and nothing else."""
    user = User.objects.create_user("viewer", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_providerconfig"))
    client = Client()
    client.force_login(user)
    return client


def page_of(row: ProviderConfig) -> str:
    return f"{LIST}{row.pk}/change/"


def form_of(client: Client, row: ProviderConfig, **changes: Any) -> dict[str, Any]:
    """Return what a browser would send back from the form, with some fields changed."""
    form = client.get(page_of(row)).context["adminform"].form
    data = {name: form[name].value() for name in form.fields}
    data = {name: value for name, value in data.items() if value is not None and value is not False}
    return {name: value for name, value in (data | changes).items() if value is not None}


def save(client: Client, row: ProviderConfig, **changes: Any) -> ProviderConfig:
    response = client.post(page_of(row), form_of(client, row, **changes))
    assert response.status_code == 302, response.context["errors"]
    return ProviderConfig.objects.get(pk=row.pk)


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


def act(client: Client, action: str, *rows: ProviderConfig) -> str:
    data = {"action": action, "_selected_action": [row.pk for row in rows], "index": 0}
    response = client.post(LIST, data, follow=True)
    return " ".join(str(message) for message in response.context["messages"])


STATES = {
    "disabled": {"enabled": False},
    "waits for": {"rate_limited_until": timedelta(hours=1), "rate_limited_reason": "busy"},
    "one probe after a wait": {"rate_limited_until": -timedelta(seconds=1), "rate_limited_reason": "busy"},
    "its calls fail": {"breaker_until": timedelta(hours=1), "breaker_reason": "calls"},
    "our key or balance": {"breaker_until": timedelta(hours=1), "breaker_reason": "account"},
    "breaker half open": {"breaker_until": -timedelta(seconds=1), "breaker_reason": "films"},
    "budget is used up": {"price": 1, "daily_budget": 5, "budget_used": 5, "budget_day": timedelta()},
    "ready": {},
}


@pytest.mark.parametrize("word", STATES)
def test_the_list_says_in_what_state_a_provider_is(word: str, admin_client: Client, row: ProviderConfig) -> None:
    now = timezone.now()
    values = {
        name: now + value if isinstance(value, timedelta) and name != "budget_day" else value
        for name, value in STATES[word].items()
    }
    if "budget_day" in values:
        values["budget_day"] = now.astimezone(UTC).date()
    ProviderConfig.objects.update(**values)
    shown = pill_of(admin_client.get(LIST).content.decode())
    assert word in shown
    assert word in pill_of(admin_client.get(page_of(row)).content.decode())


def pill_of(text: str) -> str:
    found = re.search(r'<span class="pill [^>]*>([^<]*)', text)
    assert found
    return found[1]


def test_of_two_reasons_the_one_that_ends_later_is_shown(admin_client: Client, row: ProviderConfig) -> None:
    soon, later = timezone.now() + timedelta(minutes=1), timezone.now() + timedelta(minutes=9)
    ProviderConfig.objects.update(
        rate_limited_until=soon, rate_limited_reason="busy", breaker_until=later, breaker_reason="calls"
    )
    assert "breaker open" in pill_of(admin_client.get(LIST).content.decode())
    ProviderConfig.objects.update(rate_limited_until=later + timedelta(minutes=1))
    assert "waits for" in pill_of(admin_client.get(LIST).content.decode())


def test_staff_close_a_breaker_and_end_a_wait(admin_client: Client, row: ProviderConfig) -> None:
    until = timezone.now() + timedelta(hours=1)
    ProviderConfig.objects.update(
        rate_limited_until=until,
        rate_limited_reason="busy",
        consecutive_failures=4,
        breaker_until=until,
        breaker_reason="account",
        blocked_at=timezone.now(),
    )
    assert "1 changed" in act(admin_client, "close_breaker", row)
    closed = ProviderConfig.objects.get()
    assert (closed.blocked_until(now=timezone.now()), closed.needs_probe(now=timezone.now())) == (None, False)
    assert (closed.breaker_reason, closed.rate_limited_reason, closed.consecutive_failures) == ("", "", 0)
    assert AuditEntry.objects.get().action == "provider_breaker_closed"
    assert "Nothing to change" in act(admin_client, "close_breaker", row)


def test_a_new_key_ends_the_trouble_with_the_old_one(admin_client: Client, row: ProviderConfig) -> None:
    trouble = {"breaker_until": timezone.now() + timedelta(hours=1), "breaker_reason": "account"}
    ProviderConfig.objects.update(secrets_asked_at=timezone.now(), **trouble)
    assert save(admin_client, row, title="Another").breaker_reason == "account"
    saved = save(admin_client, row, new_api_key="a-fresh-key")
    assert (saved.breaker_until, saved.breaker_reason, saved.secrets_asked_at) == (None, "", None)


def test_a_new_budget_is_counted_afresh(admin_client: Client, row: ProviderConfig) -> None:
    ProviderConfig.objects.update(budget_day=timezone.now().date(), budget_used=3)
    assert save(admin_client, row, title="Another").budget_day is not None
    assert save(admin_client, row, daily_budget="20").budget_day is None


def test_the_newest_error_is_shown_as_text(admin_client: Client, row: ProviderConfig) -> None:
    ProviderConfig.objects.update(last_error="HTTP 503: <script>x</script>", last_error_at=timezone.now())
    text = admin_client.get(LIST).content.decode()
    assert "HTTP 503: &lt;script&gt;" in text
    assert "<script>x" not in text


def test_enable_and_disable(admin_client: Client, row: ProviderConfig) -> None:
    act(admin_client, "disable", row)
    assert not ProviderConfig.objects.get().enabled
    act(admin_client, "enable", row)
    assert ProviderConfig.objects.get().enabled
    actions = list(AuditEntry.objects.order_by("id").values_list("action", flat=True))
    assert actions == ["provider_disabled", "provider_enabled"]


def test_who_may_only_look_cannot_act(viewer: Client, row: ProviderConfig) -> None:
    page = viewer.get(page_of(row)).content.decode()
    assert 'type="password"' not in page
    assert "New webhook secret" not in page
    assert viewer.post(page_of(row), {"title": "x"}).status_code == 403
    assert viewer.get(f"{LIST}{row.pk}/new-secret/").status_code == 403
    assert viewer.post(f"{LIST}{row.pk}/new-secret/").status_code == 403
    act(viewer, "disable", row)
    unchanged = ProviderConfig.objects.get()
    assert unchanged.enabled
    assert unchanged.webhook_secrets == [OLD]


def test_the_list_shows_the_load(admin_client: Client, row: ProviderConfig) -> None:
    factories.make_attempt(row)
    factories.make_submitted_attempt(row)
    text = admin_client.get(LIST).content.decode()
    assert "2 / 3" in text
    assert "2 / 600" in text
    assert "2 / 3" in admin_client.get(page_of(row)).content.decode()


def test_the_list_takes_as_many_queries_for_one_as_for_ten(admin_client: Client, row: ProviderConfig) -> None:
    counts = []
    for wanted in (1, 10):
        for number in range(wanted - ProviderConfig.objects.count()):
            factories.make_provider(slug=f"more-{number}")
        with CaptureQueriesContext(
            connection,
        ) as queries:
            admin_client.get(LIST)
        counts.append(len(queries))
    assert counts[0] == counts[1]
