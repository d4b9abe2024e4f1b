"""The list of providers: states, actions, load."""

from __future__ import annotations

from datetime import UTC, timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from jobs.models import AuditEntry
from providers.models import ProviderConfig
from tests import factories
from tests.providers.admin.form import LIST, OLD, page_of, pill_of, save

pytestmark = pytest.mark.slow


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
    assert f"Resumed: {row}." in act(admin_client, "close_breaker", row)
    closed = ProviderConfig.objects.get()
    assert (closed.blocked_until(now=timezone.now()), closed.needs_probe(now=timezone.now())) == (None, False)
    assert (closed.breaker_reason, closed.rate_limited_reason, closed.consecutive_failures) == ("", "", 0)
    assert AuditEntry.objects.get().action == "provider_breaker_closed"
    assert "Nothing to change" in act(admin_client, "close_breaker", row)


def test_a_page_parks_for_as_long_as_it_says_and_resumes(admin_client: Client, row: ProviderConfig) -> None:
    page = admin_client.get(page_of(row)).content.decode()
    assert 'form="steer" name="action" value="park"' in page
    assert 'value="close_breaker"' not in page  # nothing is against it

    def press(action: str, **more: str) -> str:
        answer = admin_client.post(
            LIST, {"action": action, "_selected_action": row.pk, "back": row.pk, **more}, follow=True
        )
        assert answer.redirect_chain == [(page_of(row), 302)]
        return answer.content.decode()

    parked = press("park", minutes="90")
    until = ProviderConfig.objects.get().rate_limited_until
    assert until is not None and 89 < (until - timezone.now()).total_seconds() / 60 <= 90
    assert f"Parked until {timezone.localtime(until):%H:%M}: {row}." in parked
    for minutes in ("0", "1441", "-5", "soon", "9" * 400):
        assert "Not parked: minutes are a whole number from 1 to 1,440." in press("park", minutes=minutes)
    assert 'name="action" value="close_breaker"' in parked
    assert f"Resumed: {row}." in press("close_breaker")
    assert ProviderConfig.objects.get().rate_limited_until is None


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
    assert "No new films for" not in page
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
