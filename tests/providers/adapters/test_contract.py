"""Contract tests that run for every registered adapter, new ones included."""

import contextlib
import json
import re
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from urllib.parse import unquote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from providers import registry
from providers.errors import (
    FAILURE_CODES,
    AccountProblem,
    Busy,
    PredictionGone,
    ProviderError,
    Rejected,
    Unavailable,
    Unconfirmed,
)
from providers.http import client
from providers.types import PhotoTransport, PredictionStatus, ProviderEvent
from tests.support.contract import HARMLESS, KEY, NAMES, account, calls, json_values, submit_request
from tests.support.processes import free_port
from tests.support.raw_server import answer, answering, drip_body, listening, reset, wait
from tests.support.timing import takes_about
from tests.support.vendors import VENDORS


def test_an_adapter_says_who_it_is(adapter):
    assert adapter.name == adapter.name.lower()
    assert adapter.title
    assert adapter.photo_transports
    assert adapter.photo_transports <= set(PhotoTransport)
    assert dict(registry.adapter_choices())[adapter.name] == adapter.title
    assert adapter.content_rule
    assert adapter.check_model(adapter.default_model) == ""
    assert adapter.check_parameters({}, model=adapter.default_model) == []
    assert adapter.default_base_url == "" or adapter.default_base_url.startswith("https://")
    assert all(re.fullmatch(r"(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)+", host) for host in adapter.default_result_hosts)


def test_every_adapter_is_described_here():
    assert set(VENDORS) == set(NAMES)


def test_what_a_vendor_does_not_offer_is_not_done(adapter):
    nowhere = account("http://127.0.0.1:1")
    if not adapter.can_look_up:
        with pytest.raises(NotImplementedError):
            adapter.find(nowhere, "x")
    if PhotoTransport.UPLOAD not in adapter.photo_transports:
        with pytest.raises(NotImplementedError):
            adapter.upload(nowhere, submit_request())
    if not adapter.can_learn_secrets:
        with pytest.raises(NotImplementedError):
            adapter.learn_secrets(nowhere)
    if not adapter.can_delete:
        adapter.delete(nowhere, "p_1")


def test_levels_grow_and_can_be_entered(adapter):
    slugs = [preset.slug for preset in adapter.presets]
    assert len(set(slugs)) == len(slugs)
    assert all(preset.title and preset.max_concurrent >= 1 and preset.max_per_minute >= 1 for preset in adapter.presets)
    for name in ("max_concurrent", "max_per_minute"):
        limits = [getattr(preset, name) for preset in adapter.presets]
        assert limits == sorted(limits)


def test_an_accepted_submit_is_one_post_with_photo_prompt_and_webhook(adapter, vendor):
    status, body = vendor.accepted("p_1")
    requests = []

    def accept(connection, request):
        head, _, start = request.partition(b"\r\n\r\n")
        length = int(re.search(rb"content-length: (\d+)", head, re.IGNORECASE)[1])
        while len(start) < length:
            start += connection.recv(65536)
        requests.append(head + b"\r\n\r\n" + start)
        answer(status, json.dumps(body).encode())(connection, request)

    with listening(accept) as url:
        event = adapter.submit(account(url), submit_request())
    assert (event.prediction_id, event.status) == ("p_1", vendor.accepted_as)
    (request,) = requests
    assert request.startswith(b"POST /")
    assert KEY.encode() in request
    plain = unquote(request.decode())
    assert "https://hero.example/webhooks/contract/attempt-token/" in plain
    if adapter.name != "studio":  # which has prompts of its own, and prefers the photo itself
        assert "https://hero.example/photo.jpg" in plain
        assert "a hero" in plain


def test_an_unknown_parameter_gets_a_message(adapter):
    (sentence,) = adapter.check_parameters({"no_such_parameter_anywhere": 1})
    assert "no_such_parameter_anywhere" in sentence
    assert adapter.check_parameters({}) == []


def test_result_headers_are_text(adapter):
    found = adapter.result_headers(account("http://127.0.0.1:1"))
    assert all(isinstance(name, str) and isinstance(value, str) for name, value in found.items())


def test_a_vendor_that_is_not_there_is_unavailable(adapter):
    url = f"http://127.0.0.1:{free_port()}"
    for name, make in calls(adapter).items():
        with pytest.raises(Unavailable) as caught:
            make(account(url))
        assert KEY not in str(caught.value), name


@pytest.mark.parametrize(
    ("behave", "submitted"),
    [
        (reset, Unconfirmed),
        (answering(), Unconfirmed),
        (wait, Unconfirmed),
        (drip_body, Unconfirmed),
        (answer(500, b"oops"), Unconfirmed),
        (answer(302, b"", "Location: /elsewhere"), Unconfirmed),
        (answer(200, b"<html>hello</html>"), Unconfirmed),
        (answer(200, b""), Unconfirmed),
        (answer(200, b"[]"), Unconfirmed),
        (answer(200, b"{}"), Unconfirmed),
        (answer(200, b'{"id": 7, "data": 1, "request_id": null}'), Unconfirmed),
        (answer(502, b"<html>Bad Gateway</html>"), Unconfirmed),
        (answer(504), Unconfirmed),
        (answer(408), Unconfirmed),
        (answer(503, b"upstream connect error or disconnect/reset before headers"), Unconfirmed),
        (answer(503), Unavailable),
        (answer(429), Busy),
        (answer(401), AccountProblem),
        (answer(402), AccountProblem),
        (answer(403), AccountProblem),
        (answer(429, b'{"detail": "insufficient balance"}'), AccountProblem),
        (answer(400), Rejected),
        (answer(404), Rejected),
        (answer(422, b'{"detail": "no such field"}'), Rejected),
    ],
)
def test_a_submit_is_made_once_whatever_becomes_of_it(adapter, behave, submitted):
    """A lost or unreadable response does not prove that no prediction was made."""
    requests = []

    def count(connection, request):
        requests.append(request)
        behave(connection, request)

    with listening(count) as url, pytest.raises(ProviderError) as caught:
        adapter.submit(account(url), submit_request())
    assert type(caught.value) is submitted
    assert len([request for request in requests if request.startswith(b"POST")]) == 1
    assert KEY not in str(caught.value)


# So far in the future that the wait is clamped to its maximum.
MOMENT = datetime(2099, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "body", "seconds"),
    [
        ("Retry-After: 30", b"", 30),
        (f"Retry-After: {format_datetime(MOMENT, usegmt=True)}", b"", 600),
        (f"Retry-After: {MOMENT.isoformat()}", b"", 600),
        ("Retry-After: 7", b'{"retry_after": 99}', 7),
        ("X: y", b'{"detail": "Request was throttled. Your rate limit resets in ~30s."}', 30),
        ("X: y", b'{"error": {"retry_after": 12.5}}', 12.5),
        ("X: y", b'{"message": "Please try again in 2 minutes"}', 120),
        ("X: y", b'{"code": 429, "message": "Too Many Requests"}', None),
        ("X: y", b"<html>slow down</html>", None),
    ],
)
def test_a_vendor_without_room_says_for_how_long_in_header_or_body(adapter, header, body, seconds):
    with listening(answer(429, body, header)) as url, pytest.raises(Busy) as caught:
        adapter.submit(account(url), submit_request())
    assert caught.value.retry_after == (None if seconds is None else timedelta(seconds=seconds))


@pytest.mark.parametrize(
    "behave",
    [
        reset,
        answering(),
        wait,
        drip_body,
        answer(500, b"oops"),
        answer(503),
        answer(302, b"", "Location: /elsewhere"),
        answer(200, b"<html>hello</html>"),
        answer(200, b"{}"),
        answer(200, b'{"data": {"upload": {}}, "token": 7, "urls": [], "keys": [1], "key": {}}'),
        answer(422, b'{"detail": "no"}'),
        answer(404),
    ],
)
def test_a_call_that_costs_nothing_is_never_unconfirmed(adapter, behave):
    with listening(behave) as url:
        for name in set(HARMLESS) & set(calls(adapter)):
            with pytest.raises(ProviderError) as caught:
                calls(adapter)[name](account(url))
            assert not isinstance(caught.value, Unconfirmed), name


@pytest.mark.parametrize("status", [400, 401, 403, 422, 429, 500, 503])
def test_a_key_that_is_sent_back_is_not_shown(adapter, status):
    """Some vendors repeat the Authorization header in their errors."""
    refused = []

    def echo(connection, request):
        (key,) = re.findall(rb"(?i)^authorization: \w+ (.+?)\r", request, re.MULTILINE) or [b"nobody"]
        in_json = b'{"message": "who is %b?", "detail": "who is %b?", "title": "%b"}' % (key, key, key)
        answer(status, b"who is " + key if "submit" in refused else in_json)(connection, request)

    with listening(echo) as url:
        for name, make in [*calls(adapter).items()] * 2:
            try:
                make(account(url))
            except ProviderError as error:
                refused.append(name)
                assert KEY not in str(error), name
    assert refused.count("submit") == 2


@pytest.mark.parametrize(
    "behave",
    [
        reset,
        answering(),
        answering(b"SSH-2.0-OpenSSH\r\n"),
        answer(500),
        answer(503),
        answer(429, b"", "Retry-After: 3"),
        answer(401),
        answer(302, b"", "Location: http://127.0.0.1:1/"),
    ],
)
def test_a_bad_answer_to_any_call_is_one_of_our_errors(adapter, behave):
    with listening(behave) as url:
        for make in calls(adapter).values():
            with pytest.raises(ProviderError):
                make(account(url))


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b"[" * 50_000, b'{"id": NaN}', b"\xff\xfe"])
def test_an_answer_that_cannot_be_read_is_one_of_our_errors(adapter, body):
    with listening(answer(200, body)) as url:
        for name in {"submit", "fetch", "find", *HARMLESS} & set(calls(adapter)):
            with pytest.raises(ProviderError) as caught:
                calls(adapter)[name](account(url))
            assert not isinstance(caught.value, PredictionGone), "garbage is no proof that there is nothing"


@pytest.mark.parametrize("name", NAMES)
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    answers=st.lists(
        st.tuples(
            st.sampled_from([200, 200, 200, 201, 204, 302, 400, 401, 403, 404, 422, 429, 499, 500, 503]),
            json_values.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=40),
        ),
        min_size=1,
        max_size=3,
    )
)
def test_whatever_a_vendor_answers_nothing_but_our_errors_comes_out(name, answers):
    adapter = registry.adapter_for(name)
    for call_name, make in calls(adapter).items():
        waiting = [client.Response(status, {}, body) for status, body in answers]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                client, "call", lambda *_, waiting=waiting, **__: waiting.pop() if waiting[1:] else waiting[0]
            )
            try:
                found = make(account("https://vendor.example"))
            except ProviderError as error:
                assert error.code in FAILURE_CODES | {"billing", "key", "settings"}
                assert not isinstance(error, Unconfirmed) or call_name not in HARMLESS
                continue
        if isinstance(found, ProviderEvent):
            assert 0 < len(found.prediction_id) <= 200
            assert bool(found.error_code) == (found.status == PredictionStatus.FAILED)
            assert len(found.video_url) <= 2000


@pytest.mark.parametrize("status", [404, 410])
def test_what_is_gone_is_gone(adapter, status):
    with listening(answer(status)) as url:
        with pytest.raises(PredictionGone):
            adapter.fetch(account(url), "p_1")
        adapter.cancel(account(url), "p_1")
        adapter.delete(account(url), "p_1")


def test_no_call_takes_longer_than_its_account_allows(adapter):
    with listening(drip_body) as url:
        for make in calls(adapter).values():
            with takes_about(0.5), contextlib.suppress(ProviderError):
                make(account(url))


def test_a_prediction_id_cannot_lead_elsewhere(adapter):
    paths = []

    def note(connection, request):
        paths.append(request.split(b" ")[1])
        answer(404)(connection, request)

    with listening(note) as url:
        for prediction_id in ("../../admin", "..", ".", "", "a/b?c#d", "x y\r\nHost: z", "é"):
            for make in (adapter.fetch, adapter.cancel, adapter.delete):
                with contextlib.suppress(ProviderError):
                    make(account(url), prediction_id)
    assert paths
    assert not any(b".." in path.split(b"/") or b"?" in path or b"#" in path for path in paths)


def test_an_account_does_not_show_its_secrets():
    shown = repr(account("http://127.0.0.1:1"))
    assert KEY not in shown
    assert "whsec_" not in shown
