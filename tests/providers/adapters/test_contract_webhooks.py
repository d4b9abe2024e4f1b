"""Contract tests of webhooks for every registered adapter: parsing and signatures."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from providers import registry
from providers.errors import FAILURE_CODES, BadSignature, StaleSignature
from providers.types import PredictionStatus, ProviderEvent
from tests.support.contract import NAMES, NOW, account, json_values
from tests.support.raw_server import answer, listening
from tests.support.scripted import PAYLOADS
from tests.support.vendors import recorded


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


def test_what_every_recorded_webhook_means(adapter, vendor):
    files = {path.stem.removeprefix("webhook-") for path in (PAYLOADS / adapter.name).glob("webhook-*.json")}
    assert files == set(vendor.events)
    for name, (status, error_code) in vendor.events.items():
        event = adapter.parse(recorded(vendor, name))
        assert (event.status, event.error_code) == (status, error_code), name
        assert bool(event.video_url) == (status == PredictionStatus.SUCCEEDED), name
        assert event.prediction_id, name


# --- Signatures ---------------------------------------------------------------------------------------

AT = int(NOW.timestamp())


@pytest.mark.parametrize("name", NAMES)
@settings(deadline=None)
@given(
    headers=st.dictionaries(
        st.sampled_from(
            [
                *("webhook-id", "webhook-timestamp", "webhook-signature", "x-signature", "authorization"),
                *(f"x-fal-webhook-{part}" for part in ("request-id", "user-id", "timestamp", "signature")),
            ]
        ),
        st.text(st.characters(exclude_categories=()), max_size=60),
    ),
    body=st.binary(max_size=60),
)
def test_whatever_is_not_signed_is_a_bad_signature(name, headers, body):
    with pytest.raises(BadSignature):
        registry.adapter_for(name).verify(account("http://127.0.0.1:1"), headers, body, now=NOW)


def test_any_of_several_secrets_verifies_and_only_those(adapter, vendor):
    body = vendor.deliveries[0]
    old, new, strange = vendor.make_secret(), vendor.make_secret(), vendor.make_secret()
    both = account("http://127.0.0.1:1", secrets=(new.shown, "whsec_?", "", old.shown))
    for secret in (old, new):
        assert adapter.check_secret(secret.shown) == ""
        assert adapter.verify(both, vendor.sign(secret, body, AT, 1), body, now=NOW)
    with pytest.raises(BadSignature):
        adapter.verify(both, vendor.sign(strange, body, AT, 1), body, now=NOW)


@pytest.mark.parametrize(
    "copied",
    [
        *('"whsec_' + "A" * 40 + '"', "\ufeffwhsec_" + "A" * 40, "WEBHOOK_SECRET=whsec_" + "A" * 40, "Bearer abc"),
        *("r8_" + "A" * 37, "sk_live_" + "A" * 30, "WHSEC_" + "A" * 40, "whsec-" + "A" * 40, "whsec_" + "*" * 28),
    ],
)
def test_what_is_copied_instead_of_a_secret_gets_a_sentence(adapter, copied):
    assert adapter.check_secret(copied).endswith(".")


def test_a_repeated_delivery_has_the_same_event_id_and_another_event_has_another(adapter, vendor):
    secret = vendor.make_secret()
    holder = account("http://127.0.0.1:1", secrets=(secret.shown,))
    first, second = vendor.deliveries
    once = adapter.verify(holder, vendor.sign(secret, first, AT, 1), first, now=NOW)
    again = adapter.verify(holder, vendor.sign(secret, first, AT + 60, 1), first, now=NOW)
    other = adapter.verify(holder, vendor.sign(secret, second, AT, 2), second, now=NOW)
    assert once == again != other
    assert all(0 < len(event_id) <= 128 for event_id in (once, other))


@pytest.mark.parametrize(("seconds", "is_fresh"), [(-301, False), (-300, True), (0, True), (300, True), (301, False)])
def test_five_minutes_either_way_are_fresh_and_no_more(adapter, vendor, seconds, is_fresh):
    secret, body = vendor.make_secret(), vendor.deliveries[0]
    holder = account("http://127.0.0.1:1", secrets=(secret.shown,))
    headers = vendor.sign(secret, body, AT + seconds, 1)
    if is_fresh:
        assert adapter.verify(holder, headers, body, now=NOW)
    else:
        with pytest.raises(StaleSignature):
            adapter.verify(holder, headers, body, now=NOW)


def spoiled(vendor, headers):
    """Yield altered headers of a genuine delivery, by the kind of change."""
    signature = headers[vendor.signature_header]
    for name in vendor.sign(vendor.make_secret(), vendor.deliveries[0], AT, 1):
        yield f"without {name}", {key: value for key, value in headers.items() if key != name}
        yield f"empty {name}", headers | {name: ""}
        yield f"longer {name}", headers | {name: headers[name] + "0"}
        if name != vendor.signature_header:  # which may be a list with spaces in it
            yield f"spaced {name}", headers | {name: f" {headers[name]}"}
            yield f"doubled {name}", headers | {name: f"{headers[name]}, {headers[name]}"}
        yield f"surrogate in {name}", headers | {name: headers[name][:-1] + "\udcff"}
        yield f"endless {name}", headers | {name: headers[name] * 500}
    last = "0" if signature[-2] != "0" else "1"
    yield "one character off", headers | {vendor.signature_header: signature[:-2] + last + signature[-1]}
    yield "cut short", headers | {vendor.signature_header: signature[:-1]}
    yield "half", headers | {vendor.signature_header: signature[: len(signature) // 2]}
    yield "another scheme", headers | {vendor.signature_header: "v0," + signature.rpartition(",")[2]}


def test_a_spoiled_delivery_is_forged(adapter, vendor):
    secret, body = vendor.make_secret(), vendor.deliveries[0]
    holder = account("http://127.0.0.1:1", secrets=(secret.shown,))
    genuine = vendor.sign(secret, body, AT, 1)
    assert adapter.verify(holder, genuine, body, now=NOW)
    cases = [*spoiled(vendor, genuine), ("nothing", {})]
    for name, headers in cases:
        with pytest.raises(BadSignature) as caught:
            adapter.verify(holder, headers, body, now=NOW)
        assert not isinstance(caught.value, StaleSignature), name
    for name, other in (("cut", body[:-1]), ("longer", body + b" "), ("empty", b""), ("turned", body[::-1])):
        with pytest.raises(BadSignature) as caught:
            adapter.verify(holder, genuine, other, now=NOW)
        assert not isinstance(caught.value, StaleSignature), name
    later = {name: str(AT + 1) if value == str(AT) else value for name, value in genuine.items()}
    with pytest.raises(BadSignature):
        adapter.verify(holder, later, body, now=NOW)


def test_without_a_secret_nothing_is_genuine(adapter, vendor):
    body = vendor.deliveries[0]
    headers = vendor.sign(vendor.make_secret(), body, AT, 1)
    for secrets in ((), ("",), ("whsec_",), ("ed25519:",), ("é",)):
        with pytest.raises(BadSignature):
            adapter.verify(account("http://127.0.0.1:1", secrets=secrets), headers, body, now=NOW)


def test_its_proofs_are_the_headers_it_signs_with(adapter, vendor):
    headers = vendor.sign(vendor.make_secret(), vendor.deliveries[0], AT, 1)
    assert set(adapter.webhook_headers) == set(headers)


def test_what_the_vendor_says_it_signs_with_verifies(adapter, vendor):
    if not adapter.can_learn_secrets:
        return
    secret, body, paths = vendor.make_secret(), vendor.deliveries[0], []

    def tell(connection, request):
        paths.append(request.split(b" ")[1].decode())
        answer(200, json.dumps(vendor.secrets_answer(secret)).encode())(connection, request)

    with listening(tell) as url:
        learned = adapter.learn_secrets(account(url))
    assert paths == [vendor.secrets_path]
    assert learned == (secret.shown,)
    headers = vendor.sign(secret, body, AT, 1)
    assert adapter.verify(account("http://127.0.0.1:1", secrets=learned), headers, body, now=NOW)
