"""What a provider's status and body say to do next."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers import error_mapping
from providers.errors import AccountProblem, Busy, PredictionGone, ProviderError, Rejected, Unavailable, Unconfirmed
from providers.http import client

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


# --- What a status means ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "submitting", "error"),
    [
        (400, True, Rejected),
        (401, True, AccountProblem),
        (402, True, AccountProblem),
        (403, False, AccountProblem),
        (404, True, Rejected),
        (408, True, Unconfirmed),
        (408, False, Unavailable),
        (499, True, Unconfirmed),
        (404, False, PredictionGone),
        (410, False, PredictionGone),
        (413, True, Rejected),
        (422, True, Rejected),
        (429, True, Busy),
        (429, False, Busy),
        (302, True, Unconfirmed),
        (302, False, Unavailable),
        (500, True, Unconfirmed),
        (500, False, Unavailable),
        (502, True, Unconfirmed),
        (503, True, Unavailable),
        (504, True, Unconfirmed),
    ],
)
def test_a_status_says_what_to_do_next(status, submitting, error):
    with pytest.raises(ProviderError) as caught:
        client.raise_for_status(client.Response(status, {"Retry-After": "7"}, b"text"), submitting=submitting)
    assert type(caught.value) is error
    if status in (429, 503):
        assert caught.value.retry_after == timedelta(seconds=7)


@pytest.mark.parametrize(
    ("status", "body", "error", "code"),
    [
        (403, b"User is locked. Reason: Exhausted balance. Top up your balance.", AccountProblem, "billing"),
        (403, b"Forbidden", AccountProblem, "key"),
        (402, b"", AccountProblem, "billing"),
        (401, b"insufficient balance", AccountProblem, "key"),
        (429, b"insufficient_quota", AccountProblem, "billing"),
        (429, b'{"message": "Your balance is exhausted"}', AccountProblem, "billing"),
        (429, b"You are out of credits", AccountProblem, "billing"),
        (429, b"less than $5.0 in credit; see https://replicate.com/account/billing", Busy, "provider_failed"),
        (429, b"slow, as there is no credit card on file", Busy, "provider_failed"),
        (503, b"upstream connect error or disconnect/reset before headers", Unconfirmed, "provider_failed"),
    ],
)
def test_an_empty_account_is_not_a_busy_vendor(status, body, error, code):
    with pytest.raises(ProviderError) as caught:
        client.raise_for_status(client.Response(status, {}, body), submitting=True)
    assert (type(caught.value), caught.value.code) == (error, code)


def test_a_vendors_own_words_are_kept_without_the_key():
    answer = client.Response(422, {}, b'{"why": "sk_1 may not"}', hidden="sk_1")
    explain = lambda given: error_mapping.VendorError(given.json()["why"], "photo_refused")  # noqa: E731
    with pytest.raises(Rejected) as caught:
        client.raise_for_status(answer, submitting=True, explain=explain)
    assert (caught.value.code, caught.value.detail) == ("photo_refused", "HTTP 422: … may not")
    with pytest.raises(Rejected, match=r"HTTP 422: .*… may not"):
        client.raise_for_status(answer, submitting=True)


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_a_success_raises_nothing(status):
    client.raise_for_status(client.Response(status, {}, b""), submitting=True)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("2", 2),
        (" 30 ", 30),
        ("0", 1),
        ("99999", 600),
        ("9" * 5000, 600),
        (format_datetime(NOW + timedelta(seconds=45), usegmt=True), 45),
        (format_datetime(NOW - timedelta(hours=1), usegmt=True), 1),
        (format_datetime(NOW + timedelta(days=400), usegmt=True), 600),
        ("Tue, 24 Nov 2026 13:00:30 +0100", 30),
        ("2026-11-24T12:00:45Z", 45),
        ("2026-11-24T12:00:45.123456789+00:00", 45.123456),
        ("2026-11-24T12:00:45", 45),
        ("", None),
        ("soon", None),
        ("1.5", None),
        ("-5", None),
        ("²", None),
        ("Tue, 99 Nov 2026 25:00:00 GMT", None),
    ],
)
def test_retry_after_in_all_its_forms(value, seconds):
    wanted = None if seconds is None else timedelta(seconds=seconds)
    assert client.retry_after({"retry-after": value}, now=NOW) == wanted


@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        (b'{"detail": "Request was throttled. Your rate limit resets in ~30s."}', 30),
        (b"try again in 2 minutes", 120),
        (b"Please retry after 1500 ms.", 1.5),
        (b"wait 8 seconds", 8),
        (b'{"retry_after": 8}', 8),
        (b'{"error": {"retry_after": "8"}}', 8),
        (b'{"data": {"retryAfter": 0.5}}', 1),
        (b'{"retry_after_ms": 8000}', 8),
        (b'{"retry_after": 1e9}', None),
        (b'{"retry_after": -1}', None),
        (b'{"retry_after": true}', None),
        (b'{"retry_after": null, "detail": "resets in ~9s"}', 9),
        (b"try again in 99999 minutes", 600),
        (b"you tried again 3 times", None),
        (b"resets in a while", None),
        (b"[" * 50_000, None),
        (b"\xff\xfe", None),
        (b"", None),
    ],
)
def test_a_body_may_say_how_long_to_wait(body, seconds):
    wanted = None if seconds is None else timedelta(seconds=seconds)
    assert client.retry_after({}, now=NOW, body=body) == wanted
    assert client.retry_after({"retry-after": "soon"}, now=NOW, body=body) == wanted
    assert client.retry_after({"retry-after": "5"}, now=NOW, body=body) == timedelta(seconds=5)


@pytest.mark.slow
@given(st.binary(max_size=200) | st.text(max_size=100).map(lambda text: f"retry in {text}".encode("utf-8", "replace")))
def test_no_body_breaks_anything(body):
    wait = client.retry_after({}, now=NOW, body=body)
    assert wait is None or client.RETRY_AFTER_LIMITS[0] <= wait <= client.RETRY_AFTER_LIMITS[1]


@given(st.text(max_size=60))
def test_no_retry_after_breaks_anything(value):
    wait = client.retry_after({"retry-after": value}, now=NOW)
    assert wait is None or client.RETRY_AFTER_LIMITS[0] <= wait <= client.RETRY_AFTER_LIMITS[1]
