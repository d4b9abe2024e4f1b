"""Errors as problem+json, times, base64url."""

import base64
from datetime import UTC, datetime, timedelta, timezone

import pytest

from common import base64url, problem
from common.times import rfc3339


def test_a_problem_has_what_programs_and_people_need():
    assert problem.body(413, "too_large", "Too large", "Send less.") == {
        "type": "about:blank", "title": "Too large", "status": 413, "code": "too_large", "detail": "Send less.",
    }  # fmt: skip
    more = problem.body(400, "bad", "Bad", "No.", field="email", next_step="Write it again.")
    assert (more["field"], more["next_step"]) == ("email", "Write it again.")


def test_times_are_in_utc_and_end_in_z():
    tokyo = datetime(2026, 11, 30, 9, 0, 0, 120_000, tzinfo=timezone(timedelta(hours=9)))
    assert rfc3339(tokyo) == "2026-11-30T00:00:00.120000Z"
    assert rfc3339(tokyo, timespec="seconds") == "2026-11-30T00:00:00Z"
    assert rfc3339(tokyo, timespec="milliseconds") == "2026-11-30T00:00:00.120Z"
    assert rfc3339(datetime(2026, 11, 30, tzinfo=UTC)) == "2026-11-30T00:00:00Z"


def test_a_time_without_its_zone_is_refused():
    with pytest.raises(ValueError, match="zone"):
        rfc3339(datetime(2026, 11, 30))  # noqa: DTZ001


@pytest.mark.parametrize("length", range(6))
def test_base64url_comes_back_padded_or_not(length):
    raw = bytes([251, 239, 190, 255, 0, 1][:length])
    text = base64url.encode(raw)
    assert "=" not in text and "+" not in text and "/" not in text
    assert base64url.decode(text) == base64url.decode(base64.urlsafe_b64encode(raw).decode()) == raw


@pytest.mark.parametrize("text", ["a", "a b ", "ä", "a\n", "****"])
def test_what_is_no_base64url_is_a_value_error(text):
    with pytest.raises(ValueError):
        base64url.decode(text)
