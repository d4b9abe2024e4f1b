"""Standard Webhooks signatures: genuine, forged, stale and malformed."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from providers import signatures
from providers.errors import BadSignature, StaleSignature

# The specification's own example.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ID, TIMESTAMP, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
NOW = datetime.fromtimestamp(TIMESTAMP, UTC)
OTHER = signatures.new_secret()

any_text = st.text(st.characters(exclude_categories=()), max_size=200)


def headers(**changes):
    genuine = {"webhook-id": ID, "webhook-timestamp": str(TIMESTAMP), "webhook-signature": SIGNATURE}
    return {name: value for name, value in (genuine | changes).items() if value is not None}


def named(**changes):
    return headers(**{f"webhook-{name}": value for name, value in changes.items()})


def test_the_published_example_is_signed_and_verified():
    assert signatures.sign(SECRET, message_id=ID, timestamp=TIMESTAMP, body=BODY) == SIGNATURE
    assert signatures.verify([SECRET], headers(), BODY, now=NOW) == ID
    assert signatures.verify([SECRET.removeprefix("whsec_")], headers(), BODY, now=NOW) == ID


def test_during_a_rotation_both_secrets_and_both_signatures_count():
    assert signatures.verify([OTHER, SECRET], headers(), BODY, now=NOW) == ID
    other = signatures.sign(OTHER, message_id=ID, timestamp=TIMESTAMP, body=BODY)
    for both in (f"{other} {SIGNATURE}", f"{SIGNATURE} {other}", f"v1a,x {other} v2,y {SIGNATURE}"):
        assert signatures.verify([SECRET], named(signature=both), BODY, now=NOW) == ID


@pytest.mark.parametrize("seconds", [-300, -1, 0, 1, 300])
def test_five_minutes_either_way_are_fresh(seconds):
    assert signatures.verify([SECRET], headers(), BODY, now=NOW + timedelta(seconds=seconds)) == ID


@pytest.mark.parametrize("seconds", [-86400, -301, 301, 86400])
def test_more_is_stale(seconds):
    with pytest.raises(StaleSignature):
        signatures.verify([SECRET], headers(), BODY, now=NOW + timedelta(seconds=seconds))


def signed_with(key):
    message = f"{ID}.{TIMESTAMP}.".encode() + BODY
    return "v1," + base64.b64encode(hmac.new(key, message, hashlib.sha256).digest()).decode()


FORGERIES = {
    "no id": (named(id=None), BODY),
    "no timestamp": (named(timestamp=None), BODY),
    "no signature": (named(signature=None), BODY),
    "nothing": ({}, BODY),
    "empty id": (named(id=""), BODY),
    "empty timestamp": (named(timestamp=""), BODY),
    "empty signature": (named(signature=""), BODY),
    "another id": (named(id=ID[:-1] + "l"), BODY),
    "longer id": (named(id=ID + " "), BODY),
    "huge id": (named(id="x" * 129), BODY),
    "id with a surrogate": (named(id="\udcff"), BODY),
    "another timestamp": (named(timestamp=str(TIMESTAMP + 1)), BODY),
    "timestamp with zeros": (named(timestamp=f"0{TIMESTAMP}"), BODY),
    "timestamp with a fraction": (named(timestamp=f"{TIMESTAMP}.0"), BODY),
    "timestamp with a sign": (named(timestamp=f"+{TIMESTAMP}"), BODY),
    "timestamp with spaces": (named(timestamp=f" {TIMESTAMP}"), BODY),
    "timestamp in other digits": (named(timestamp="".join(chr(0x660 + int(digit)) for digit in str(TIMESTAMP))), BODY),
    "superscript timestamp": (named(timestamp="²"), BODY),
    "endless timestamp": (named(timestamp="9" * 5000), BODY),
    "timestamp in words": (named(timestamp="now"), BODY),
    "body changed": (headers(), BODY.replace(b"2432232314", b"2432232315")),
    "body longer": (headers(), BODY + b"\n"),
    "body empty": (headers(), b""),
    "body of other bytes": (headers(), b"\xff\xfe\x00"),
    "id and body shifted": (named(id=f"{ID}.{TIMESTAMP}"), BODY),
    "no version": (named(signature=SIGNATURE.removeprefix("v1,")), BODY),
    "another version": (named(signature=SIGNATURE.replace("v1,", "v2,")), BODY),
    "version in capitals": (named(signature=SIGNATURE.replace("v1,", "V1,")), BODY),
    "asymmetric version": (named(signature=SIGNATURE.replace("v1,", "v1a,")), BODY),
    "extra comma": (named(signature=SIGNATURE.replace("v1,", "v1,,")), BODY),
    "joined by commas": (named(signature=f"{SIGNATURE},{SIGNATURE}"), BODY),
    "cut short": (named(signature=SIGNATURE[:-1]), BODY),
    "one character off": (named(signature=SIGNATURE.replace("g0hM", "g0hN")), BODY),
    "in hexadecimal": (named(signature="v1," + base64.b64decode(SIGNATURE[3:]).hex()), BODY),
    "not base64": (named(signature="v1,%%%"), BODY),
    "not ascii": (named(signature="v1,é"), BODY),
    "a surrogate": (named(signature="v1,\ud800"), BODY),
    "empty versions": (named(signature="v1, v1, v1,"), BODY),
    "another secret": (named(signature=signatures.sign(OTHER, message_id=ID, timestamp=TIMESTAMP, body=BODY)), BODY),
    "an empty key": (named(signature=signed_with(b"")), BODY),
    "the secret's text as key": (named(signature=signed_with(SECRET.encode())), BODY),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_is_refused(name):
    given_headers, body = FORGERIES[name]
    with pytest.raises(BadSignature) as caught:
        signatures.verify([SECRET], given_headers, body, now=NOW)
    assert not isinstance(caught.value, StaleSignature)


@pytest.mark.parametrize("secrets", [[], [""], ["whsec_"], ["whsec_AAAA"], ["whsec_?"], ["é"], ["whsec_ä", "", "x"]])
def test_a_secret_that_is_none_verifies_nothing(secrets):
    for key in (b"", b"\0\0\0"):
        with pytest.raises(BadSignature):
            signatures.verify(secrets, named(signature=signed_with(key)), BODY, now=NOW)


def test_a_secret_that_is_none_beside_a_good_one_does_no_harm():
    assert signatures.verify(["", "whsec_?", SECRET], headers(), BODY, now=NOW) == ID


def test_new_secrets_are_long_and_differ():
    assert len({signatures.new_secret() for _ in range(20)}) == 20
    assert len(signatures.secret_key(signatures.new_secret())) == 32


@given(st.text("abcdef0123456789_.-", min_size=1, max_size=128), st.integers(1, 10**11), st.binary(max_size=500))
def test_what_is_signed_is_verified(message_id, timestamp, body):
    signature = signatures.sign(SECRET, message_id=message_id, timestamp=timestamp, body=body)
    given_headers = named(id=message_id, timestamp=str(timestamp), signature=signature)
    now = datetime.fromtimestamp(timestamp, UTC)
    assert signatures.verify([SECRET], given_headers, body, now=now) == message_id


@given(st.binary(max_size=100))
def test_no_other_body_is_verified(body):
    assume(body != BODY)
    with pytest.raises(BadSignature):
        signatures.verify([SECRET], headers(), body, now=NOW)


@given(st.dictionaries(st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature"]), any_text))
def test_whatever_comes_nothing_but_a_bad_signature_comes_out(changes):
    with pytest.raises(BadSignature):
        signatures.verify([OTHER], headers(**changes), BODY, now=NOW)


@given(any_text)
def test_no_made_up_signature_fits(signature):
    with pytest.raises(BadSignature):
        signatures.verify([OTHER], named(signature=f"v1,{signature}"), BODY, now=NOW)
