"""What is no credential is refused by the addresses of passkeys, which ask before anybody is logged in."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

pytestmark = pytest.mark.django_db

AT = "/admin/passkeys/{}/"
CREDENTIAL = {
    "id": "AA", "rawId": "AA", "type": "public-key", "clientExtensionResults": {},
    "response": dict.fromkeys(("clientDataJSON", "authenticatorData", "attestationObject", "signature"), "AA"),
}  # fmt: skip
ODD: dict[str, bytes] = {
    "nothing": b"",
    "bytes in no encoding": b"\xff\xfe\xff",
    "deep": b"[" * 5000,
    "a list": b"[1]",
    "a text": b'"x"',
    "half a pair": json.dumps(CREDENTIAL | {"id": "\ud800", "rawId": "\ud800"}).encode(),
    "no base64": json.dumps(CREDENTIAL | {"rawId": "A"}).encode(),
    "a handle that is no base64": json.dumps(
        CREDENTIAL | {"response": CREDENTIAL["response"] | {"userHandle": "A"}}  # type: ignore[operator]
    ).encode(),
    "client data that is no JSON": json.dumps(CREDENTIAL).encode(),
    "extensions that are a text": json.dumps(CREDENTIAL | {"clientExtensionResults": 7}).encode(),
    "transports that are a number": json.dumps(
        CREDENTIAL | {"response": CREDENTIAL["response"] | {"transports": 7}}  # type: ignore[operator]
    ).encode(),
}


@pytest.mark.parametrize("body", ODD.values(), ids=ODD)
def test_what_is_no_credential_is_refused(body: bytes, admin_client: Client) -> None:
    def post(client: Client, path: str, data: Any = body) -> int:
        return client.post(AT.format(path), data, content_type="application/json").status_code

    for client in (Client(), admin_client):
        assert post(client, "authentication/begin", b"{}") == 200
        assert 400 <= post(client, "authentication/complete") < 500
    assert post(admin_client, "registration/begin", b"{}") == 200
    assert 400 <= post(admin_client, "registration/complete") < 500
    for path in ("authentication/begin", "registration/begin"):
        assert post(admin_client, path) < 500
