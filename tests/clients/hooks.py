"""What schemathesis has to know of our contract that an OpenAPI document cannot say.

It is loaded by schemathesis' own process (SCHEMATHESIS_HOOKS), without the settings of the product. Where the document
names a format of ours, real values are put, so that real answers are seen. Three of its checks learn a word of ours,
and check everything else as they always do: “ignored auth”, that 404 refuses whoever has no cookie or token; “use
after free”, that an erased job may be read as the tombstone that the contract promises, and as nothing else; and
“negative data rejection”, what is left of wrong data in a form, where every value is a text.
"""

import base64
import json
import os

import requests
import schemathesis
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import strategies as st
from schemathesis.checks import CHECKS
from schemathesis.specs.openapi import checks as of_openapi

from tests.clients.caller import PHOTO


def base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def point(number: int) -> str:
    key = ec.derive_private_key(number, ec.SECP256R1()).public_key()
    return base64url(key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))


PERSONAL_LINKS = ("poster", "video", "share")
CURSORS = ["p=2026-11-30+12%3A00%3A00%2B00%3A00", "r=1&p=2000-01-01+00%3A00%3A00.5%2B00%3A00", "o=3", ""]
# Letters, marks, digits, punctuation, signs and spaces: not control, invisible, private or unassigned ones.
SEEN = st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"], max_codepoint=0xD7FF)

schemathesis.openapi.format("binary", st.just(PHOTO.read_bytes()))
schemathesis.openapi.format("look", st.sampled_from(["neon-noir", "chrome-samurai", "netrunner"]))
schemathesis.openapi.format("hero-name", st.text(SEEN, max_size=24))
schemathesis.openapi.format("jws", st.sampled_from(os.environ["RECEIPTS"].split()))
schemathesis.openapi.format("cursor", st.sampled_from([base64.b64encode(text.encode()).decode() for text in CURSORS]))
schemathesis.openapi.format("p256-point", st.integers(1, 10**9).map(point))
schemathesis.openapi.format("push-auth", st.binary(min_size=16, max_size=16).map(base64url))
schemathesis.openapi.format(
    "push-endpoint", st.text("abcdef0123456789", min_size=1, max_size=99).map("https://push.example/send/{}".format)
)

_asked: set[str] = set()


@schemathesis.check
def a_stranger_sees_nothing(
    ctx: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case
) -> None:
    """Ask the same without cookie and token: 404, as for a job that does not exist. Once an operation."""
    operation = case.operation.label
    is_about_a_job = "job_id" in (case.path_parameters or {}) and response.request.method != "OPTIONS"
    if not is_about_a_job or response.status_code >= 300 or operation in _asked:
        return
    _asked.add(operation)
    answer = requests.request(response.request.method, response.request.url, timeout=30)
    assert answer.status_code == 404, f"{operation} answers {answer.status_code} to whoever has no cookie or token"
    assert answer.headers["Content-Type"] == "application/problem+json"


@schemathesis.check
def what_is_erased_is_gone(
    ctx: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case
) -> None:
    """A job that was erased can be read on: its state and when it was erased, and nothing of the person."""
    operation = case.operation.label
    if response.status_code == 200 and operation == "GET /api/v1/jobs/{job_id}/" and response.content:
        # An address whose job_id is not there is that of the list.
        assert not json.loads(response.content).get("erased_at") or is_tombstone(operation, response)


_enforces_auth, _use_after_free = of_openapi._enforces_auth, CHECKS.get_one("use_after_free")


def enforces_auth(response: schemathesis.Response, authenticated: schemathesis.Response) -> bool:
    """Tell “ignored auth” whether a call without credentials, or with wrong ones, was refused: by 404 too."""
    return response.status_code == 404 or _enforces_auth(response, authenticated)


of_openapi._enforces_auth = enforces_auth
CHECKS.unregister("use_after_free")  # the one below takes its place


@schemathesis.check
def use_after_free(ctx: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case) -> None:
    """Fail as schemathesis' own check does when something is read after it was deleted, unless it is a tombstone."""
    if not is_tombstone(case.operation.label, response):
        _use_after_free(ctx, response, case)


_sent_form_fields = of_openapi._sent_form_fields


def sent_form_fields(response: schemathesis.Response, media_type: str) -> dict[str, list[str]] | None:
    """Return the texts of a form that was sent, with an empty one for a file.

    “negative data rejection” asks the document about them and takes a form that is right as it was sent. It could not
    ask about one with a file, whose bytes its validator does not take.
    """
    fields = _sent_form_fields(response, media_type)
    return fields and {name: [text or "" for text in texts] for name, texts in fields.items()}


_negative_data_rejection = CHECKS.get_one("negative_data_rejection")
of_openapi._sent_form_fields = sent_form_fields
CHECKS.unregister("negative_data_rejection")  # the one below takes its place


@schemathesis.check
def negative_data_rejection(
    ctx: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case
) -> None:
    """Fail as schemathesis' own check does when wrong data is taken, unless it was an empty list, and so an empty form.

    Whether an empty form is right the operation says: a PATCH that changes nothing is, an order without a photo is not.
    """
    if not (case.body == [] and (case.media_type or "").startswith("multipart/")):
        _negative_data_rejection(ctx, response, case)


def is_tombstone(operation: str, response: schemathesis.Response) -> bool:
    """Tell whether an answer shows only what may be read of an erased job: its state, its history, its receipts."""
    if response.status_code != 200 or response.request.method != "GET":
        return False
    body = json.loads(response.content)
    match operation:
        case "GET /api/v1/jobs/{job_id}/":
            of_person = [body.get("hero_name"), *(body.get("links", {}).get(name) for name in PERSONAL_LINKS)]
            return bool(body.get("erased_at")) and not any(of_person)
        case "GET /api/v1/jobs/{job_id}/events/":
            # A page of events after the last one is empty; the word "erased" is the last one of every history.
            return "events" in body and (not body["events"] or body["events"][-1]["kind"] == "erased")
        case "GET /api/v1/jobs/{job_id}/receipts/":
            return bool(body.get("erased"))
    return False
