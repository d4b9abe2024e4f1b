"""A push service on this machine, and a browser that reads what it is pushed: RFC 8291 from the RFC, on primitives."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import struct
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Browser:
    """What a browser keeps of a subscription (RFC 8291, 2): a key pair and a secret."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._auth = secrets.token_bytes(16)
        self.point = self._key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)

    @property
    def keys(self) -> dict[str, str]:
        return {"p256dh": b64(self.point), "auth": b64(self._auth)}

    def read(self, body: bytes) -> dict[str, Any]:
        """Return the JSON of an encrypted push."""
        return json.loads(self.decrypt(body))

    def decrypt(self, body: bytes) -> bytes:
        """Return the content of an aes128gcm body with one record (RFC 8188, 2 and RFC 8291, 3.4)."""
        salt, (record_size, length) = body[:16], struct.unpack(">IB", body[16:21])
        sender, sealed = body[21 : 21 + length], body[21 + length :]
        assert length == 65
        assert 18 <= len(sealed) <= record_size, "one record, and no larger than it says"
        assert len(body) <= 4096, "no push service has to take more"
        shared = self._key.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), sender))
        input_key = _hkdf(self._auth, shared, b"WebPush: info\x00" + self.point + sender, 32)
        key = _hkdf(salt, input_key, b"Content-Encoding: aes128gcm\x00", 16)
        nonce = _hkdf(salt, input_key, b"Content-Encoding: nonce\x00", 12)
        padded = AESGCM(key).decrypt(nonce, sealed, None)
        content, delimiter = padded.rstrip(b"\x00")[:-1], padded.rstrip(b"\x00")[-1]
        assert delimiter == 2, "the last record"
        return content


def _hkdf(salt: bytes, secret: bytes, info: bytes, length: int) -> bytes:
    """RFC 5869 for at most one block."""
    extracted = hmac.new(salt, secret, hashlib.sha256).digest()
    return hmac.new(extracted, info + b"\x01", hashlib.sha256).digest()[:length]


def vapid_claims(authorization: str) -> tuple[dict[str, Any], str]:
    """Return the claims of a VAPID header (RFC 8292) and the public key; fail when its signature does not fit."""
    scheme, _, rest = authorization.partition(" ")
    assert scheme == "vapid"
    parts = dict(part.strip().split("=", 1) for part in rest.split(","))
    signed, _, signature = parts["t"].rpartition(".")
    raw = unb64(signature)
    assert len(raw) == 64
    der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), unb64(parts["k"]))
    key.verify(der, signed.encode(), ec.ECDSA(hashes.SHA256()))
    head, claims = (json.loads(unb64(part)) for part in signed.split("."))
    assert head["alg"] == "ES256"
    return claims, parts["k"]


@dataclass
class Pushed:
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class PushService:
    """`with PushService() as service:`; answers 201, or what `answers` holds first: a status and headers."""

    pushed: list[Pushed] = field(default_factory=list)
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)

    def __enter__(self) -> PushService:
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                status, said = service.answers.pop(0) if service.answers else (201, {})
                service.pushed.append(Pushed(self.path, headers, body))
                self.send_response(status)
                for name, value in said.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *arguments: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.thread.join(5)
        self.server.server_close()

    def endpoint(self) -> str:
        return f"http://{self.host}/push/{secrets.token_urlsafe(16)}"

    def subscription(self, browser: Browser) -> dict[str, Any]:
        """Return what the browser's script would send us."""
        return {"endpoint": self.endpoint(), "expirationTime": None, "keys": browser.keys}
