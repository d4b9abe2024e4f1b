"""Settings of a provider that are rejected, with the message at their field."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from django.utils import timezone

from providers.models import ProviderConfig
from providers.validators import check_base_url
from tests import factories
from tests.providers.admin.form import LIST, form_of, page_of, pill_of, save

pytestmark = pytest.mark.slow

FOREVER = "100000000 00:00:00"


@pytest.fixture
def row(db: None) -> ProviderConfig:
    return factories.make_provider()


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("connect_timeout", "0.05", "between 0.1 seconds and one minute"),
        ("connect_timeout", "61", "between 0.1 seconds and one minute"),
        ("submit_timeout", "0.5", "between one second and five minutes"),
        ("submit_timeout", "00:05:01", "between one second and five minutes"),
        ("silence", "0", "between one second and one hour"),
        ("silence", "-1", "between one second and one hour"),
        ("silence", FOREVER, "between one second and one hour"),
        ("attempt_deadline", FOREVER, "24 hours at most"),
        ("attempt_deadline", "24:00:01", "24 hours at most"),
        ("attempt_deadline", "3", "longer than connecting and submitting may take: 3 seconds"),
        ("keep_warm_interval", "9", "between ten seconds and 24 hours"),
        ("keep_warm_interval", FOREVER, "between ten seconds and 24 hours"),
        ("warm_for", "0", "between one second and 24 hours"),
        ("warm_for", FOREVER, "between one second and 24 hours"),
        ("price", "-0.01", "between 0 and 1,000 dollars"),
        ("price", "1000.01", "between 0 and 1,000 dollars"),
        ("daily_budget", "-1", "not less than 0"),
        ("max_concurrent", "0", "greater than or equal to 1"),
        ("max_concurrent", "100001", "between 1 and 100,000"),
        ("max_per_minute", "0", "greater than or equal to 1"),
        ("max_per_minute", "100001", "between 1 and 100,000"),
        ("weight", "0", "greater than or equal to 1"),
        ("weight", "1001", "between 1 and 1,000"),
        ("order", "-1", "greater than or equal to 0"),
        ("order", "32768", "32,767"),
        ("base_url", "https://staff:word@api.example/v1", "user name and password"),
        ("base_url", "https://staff@api.example/v1", "user name and password"),
        ("base_url", "http://api.example/v1", "Write https"),
        ("base_url", "http://8.8.8.8/v1", "Write https"),
        ("base_url", "http://169.254.169.254/v1", "Write https"),
        ("new_api_key", "two\nlines", "one line of plain ASCII"),
        ("new_api_key", "two\r\nX-Header: lines", "one line of plain ASCII"),
        ("new_api_key", "schlüssel", "one line of plain ASCII"),
        ("new_api_key", "a\tkey", "one line of plain ASCII"),
        ("new_api_key", '"r8_abc"', "without the quotation marks"),
        ("new_api_key", "'r8_abc'", "without the quotation marks"),
        ("new_api_key", "r8 abc", "no space within it"),
        ("new_api_key", "Bearer abc", "without the word of the header"),
        ("new_api_key", "Authorization: Bearer abc", "without the word of the header"),
        ("new_api_key", "Key id:secret", "without the word of the header"),
        ("new_api_key", "whsec_c2VjcmV0", "This is a webhook secret"),
    ],
)
def test_a_value_out_of_range_is_rejected_with_a_message_at_its_field(
    admin_client: Client, row: ProviderConfig, field: str, value: str, sentence: str
) -> None:
    # A new address asks for the key again; that is not what is wrong here.
    key = {"new_api_key": "again"} if field == "base_url" else {}
    response = admin_client.post(page_of(row), form_of(admin_client, row, **key, **{field: value}))
    assert response.status_code == 200
    errors = response.context["adminform"].form.errors
    assert list(errors) == [field]
    assert any(sentence in said for said in errors[field])
    unchanged = ProviderConfig.objects.get(pk=row.pk)
    assert unchanged.api_key == row.api_key
    assert getattr(unchanged, field, None) == getattr(row, field, None)


@pytest.mark.parametrize(
    "values",
    [
        {"connect_timeout": "0.1", "submit_timeout": "1", "silence": "1", "attempt_deadline": "1.2", "warm_for": "1"},
        {"connect_timeout": "60", "submit_timeout": "300", "silence": "3600", "attempt_deadline": "24:00:00"},
        {"keep_warm_interval": "10", "warm_for": "24:00:00", "price": "0", "daily_budget": "0"},
        {"keep_warm_interval": "24:00:00", "price": "1000", "max_concurrent": "100000", "max_per_minute": "100000"},
        {"weight": "1000", "order": "32767", "max_concurrent": "1", "max_per_minute": "1"},
        {"weight": "1", "order": "0", "new_api_key": "id:~secret!more"},
        {"base_url": "https://api.example/v1", "new_api_key": "again"},
        {"base_url": "http://localhost:9000", "new_api_key": "again"},
        {"base_url": "http://10.0.0.7:9000", "new_api_key": "again"},
        {"base_url": "http://[::1]:9000", "new_api_key": "again"},
    ],
)
def test_what_lies_just_within_is_taken(admin_client: Client, row: ProviderConfig, values: dict[str, Any]) -> None:
    save(admin_client, row, **values)


def test_the_bounds_are_the_models_own_and_not_only_the_forms(row: ProviderConfig) -> None:
    row.clean()
    row.price, row.silence = 2000, row.silence * 10**6
    row.base_url = "http://api.example"
    with pytest.raises(ValidationError) as caught:
        row.clean()
    assert set(caught.value.message_dict) == {"price", "silence", "base_url"}


# --- The list -----------------------------------------------------------------------------------------


def test_a_provider_without_a_free_slot_is_not_said_to_be_ready(admin_client: Client, row: ProviderConfig) -> None:
    factories.make_submitted_attempt(row)
    ProviderConfig.objects.update(max_concurrent=2)
    assert pill_of(admin_client.get(LIST).content.decode()) == "ready"
    ProviderConfig.objects.update(max_concurrent=1)
    for page in (LIST, page_of(row)):
        text = admin_client.get(page).content.decode()
        assert '<span class="pill pill-queued">full</span>' in text


def test_a_provider_whose_minute_is_full_is_not_said_to_be_ready(admin_client: Client, row: ProviderConfig) -> None:
    attempt = factories.make_submitted_attempt(row)
    type(attempt).objects.update(answered_at=timezone.now())
    ProviderConfig.objects.update(max_per_minute=1)
    text = admin_client.get(LIST).content.decode()
    assert '<span class="pill pill-queued">minute used up</span>' in text
    ProviderConfig.objects.update(max_per_minute=2)
    assert pill_of(admin_client.get(LIST).content.decode()) == "ready"


@pytest.mark.parametrize(
    "url",
    [
        "https://169.254.169.254",
        "https://100.100.100.200/x",
        "https://0.0.0.0",
        "https://[fe80::1]",
        "https://[::]/",
        "https://2130706433",
        "https://a b",
        "https://192.0.2.1",
    ],
)
def test_a_base_url_leads_to_a_provider(url):
    assert check_base_url(url)


@pytest.mark.parametrize(
    "url", ["https://api.example.com/v1", "http://127.0.0.1:9", "http://10.0.0.7:9000", "https://8.8.8.8"]
)
def test_a_base_url_may_be_public_or_written_as_near(url):
    assert check_base_url(url) is None
