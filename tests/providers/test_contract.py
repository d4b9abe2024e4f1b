"""What every registered adapter promises, whichever vendor it speaks to. A new adapter runs these unasked."""

import contextlib
import json
import time
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from providers import registry
from providers.errors import (
    FAILURE_CODES,
    AccountProblem,
    BadSignature,
    Busy,
    PredictionGone,
    ProviderError,
    Unavailable,
    Unconfirmed,
)
from providers.signatures import new_secret
from providers.types import Account, PhotoTransport, PredictionStatus, ProviderEvent, SubmitRequest
from tests.support.processes import free_port
from tests.support.raw_server import answering, drip_body, listening, reset, wait

KEY = "sk_the-contract-test-key"
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
NAMES = registry.adapter_names()

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    *("id", "status", "prediction", "data", "error", "progress", "output", "outputs", "urls", "logs"),
                    *("request_id", "payload", "queue_position", "video", "poster", "type", "timestamp", "metrics"),
                ]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=12,
)


@pytest.fixture(params=NAMES)
def adapter(request):
    return registry.adapter_for(request.param)


def account(url, **others):
    secrets = (new_secret(),)
    timeouts = {"connect_seconds": 0.4, "read_seconds": 0.4}
    return Account(
        "contract", url.rstrip("/"), "vendor/model", KEY, secrets, result_hosts=("127.0.0.1",), **timeouts | others
    )


def order():
    return SubmitRequest(
        reference="attempt-token",
        look="neon-noir",
        prompt="a hero",
        negative_prompt="",
        hero_name="NOVA-7",
        seed="1",
        webhook_url="https://hero.example/webhooks/contract/attempt-token/",
        photo_url="https://hero.example/photo.jpg",
        photo_bytes=b"\xff\xd8\xff photo",
    )


def calls(adapter):
    """Return every call over HTTP that the adapter can make, by name."""
    made = {
        "submit": lambda to: adapter.submit(to, order()),
        "fetch": lambda to: adapter.fetch(to, "p_1"),
        "cancel": lambda to: adapter.cancel(to, "p_1"),
        "delete": lambda to: adapter.delete(to, "p_1"),
    }
    if adapter.can_look_up:
        made["find"] = lambda to: adapter.find(to, "attempt-token")
    return made


def answer(status, body=b"", *headers):
    lines = [f"HTTP/1.1 {status} Word", f"Content-Length: {len(body)}", "Content-Type: application/json", *headers]
    return answering("\r\n".join(lines).encode() + b"\r\n\r\n" + body)


def test_an_adapter_says_who_it_is(adapter):
    assert adapter.name == adapter.name.lower()
    assert adapter.title
    assert adapter.photo_transports
    assert adapter.photo_transports <= set(PhotoTransport)
    assert dict(registry.adapter_choices())[adapter.name] == adapter.title


def test_a_vendor_without_look_up_says_so(adapter):
    if not adapter.can_look_up:
        with pytest.raises(NotImplementedError):
            adapter.find(account("http://127.0.0.1:1"), "x")


def test_a_parameter_nobody_knows_gets_a_sentence(adapter):
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
        (answer(503), Unavailable),
        (answer(429), Busy),
        (answer(401), AccountProblem),
    ],
)
def test_a_submit_is_made_once_whatever_becomes_of_it(adapter, behave, submitted):
    """An answer that was lost or cannot be read does not say that nothing was made."""
    requests = []

    def count(connection, request):
        requests.append(request)
        behave(connection, request)

    with listening(count) as url, pytest.raises(ProviderError) as caught:
        adapter.submit(account(url), order())
    assert type(caught.value) is submitted
    assert len([request for request in requests if request.startswith(b"POST")]) == 1
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    "behave",
    [
        reset,
        answering(),
        answering(b"SSH-2.0-OpenSSH\r\n"),
        answer(500),
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
        for name in {"submit", "fetch", "find"} & set(calls(adapter)):
            with pytest.raises(ProviderError) as caught:
                calls(adapter)[name](account(url))
            assert not isinstance(caught.value, PredictionGone), "garbage is no proof that there is nothing"


@pytest.mark.parametrize("status", [404, 410])
def test_what_is_gone_is_gone(adapter, status):
    with listening(answer(status)) as url:
        with pytest.raises(PredictionGone):
            adapter.fetch(account(url), "p_1")
        adapter.cancel(account(url), "p_1")
        adapter.delete(account(url), "p_1")


def test_no_call_takes_longer_than_its_account_allows(adapter):
    with listening(drip_body) as url:
        for name, make in calls(adapter).items():
            began = time.monotonic()
            with contextlib.suppress(ProviderError):
                make(account(url))
            assert time.monotonic() - began < 2.5, name


def test_a_prediction_id_cannot_lead_elsewhere(adapter):
    paths = []

    def note(connection, request):
        paths.append(request.split(b" ")[1])
        answer(404)(connection, request)

    with listening(note) as url:
        for prediction_id in ("../../admin", "a/b?c#d", "x y\r\nHost: z", "é"):
            for make in (adapter.fetch, adapter.cancel, adapter.delete):
                with contextlib.suppress(ProviderError):
                    make(account(url), prediction_id)
    assert paths
    assert not any(b".." in path.split(b"/") or b"?" in path or b"#" in path for path in paths)


@pytest.mark.parametrize("name", NAMES)
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(body=st.binary(max_size=300) | json_values.map(lambda value: json.dumps(value).encode()))
def test_whatever_is_delivered_is_read_or_refused(name, body):
    try:
        event = registry.adapter_for(name).parse(body)
    except ValueError:
        return
    assert isinstance(event, ProviderEvent)
    assert isinstance(event.status, PredictionStatus)
    assert isinstance(event.prediction_id, str)
    assert event.prediction_id
    assert event.progress is None or 0 <= event.progress <= 1
    assert event.error_code in FAILURE_CODES | {""}
    assert bool(event.error_code) == (event.status == PredictionStatus.FAILED)
    assert all(isinstance(text, str) for text in (event.preview_url, event.video_url, event.raw_error))


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"7", b"[" * 50_000, b"\xff\xfe\x00"])
def test_a_delivery_that_cannot_be_read_is_a_value_error(adapter, body):
    with pytest.raises(ValueError):
        adapter.parse(body)


@pytest.mark.parametrize("name", NAMES)
@settings(deadline=None)
@given(
    headers=st.dictionaries(
        st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature", "x-signature", "authorization"]),
        st.text(st.characters(exclude_categories=()), max_size=60),
    ),
    body=st.binary(max_size=60),
)
def test_whatever_is_not_signed_is_a_bad_signature(name, headers, body):
    with pytest.raises(BadSignature):
        registry.adapter_for(name).verify(account("http://127.0.0.1:1"), headers, body, now=NOW)


def test_without_a_secret_nothing_is_genuine(adapter):
    bare = Account("contract", "http://127.0.0.1:1", webhook_secrets=())
    with pytest.raises(BadSignature):
        adapter.verify(bare, {}, b"{}", now=NOW)


def test_an_account_does_not_show_its_secrets():
    shown = repr(account("http://127.0.0.1:1"))
    assert KEY not in shown
    assert "whsec_" not in shown
