"""What schemathesis puts where the document names a format of ours: real values, so that real answers are seen.

It is loaded by schemathesis' own process (SCHEMATHESIS_HOOKS), without the settings of the product. Two of its checks
are said here in the words of our contract instead: who has neither cookie nor token gets 404 and not 401, and a job is
erased and not deleted.
"""

import base64
import os

import requests
import schemathesis
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import strategies as st

from tests.clients.caller import PHOTO


def base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def point(number: int) -> str:
    key = ec.derive_private_key(number, ec.SECP256R1()).public_key()
    return base64url(key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))


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
    if response.status_code != 200 or not case.operation.label.startswith("GET /api/v1/jobs/{job_id}/"):
        return
    body = response.json()
    if body.get("erased_at"):
        assert body["hero_name"] == ""
        assert {body["links"][name] for name in ("poster", "video", "share")} == {None}
