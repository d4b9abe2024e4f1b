"""Settings for e-mail and web push, read from the environment: the mail server, and the key that signs pushes."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parseaddr
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from common import base64url
from common.urls import with_escaped_login

from .private_files import BadEnvironment, keep_secret

# The order of the curve P-256: a private key is a number below it (FIPS 186-5).
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
MAIL_PORTS = {"smtp": 587, "smtps": 465, "smtp+plain": 25}
SUBJECT = re.compile(r"mailto:[^@\s]+@(localhost|[\w-]+(\.[\w-]+)+)|https://[\w-]+(\.[\w-]+)+", re.ASCII)


@dataclass(frozen=True)
class ContactSettings:
    """The checked answers; '' or None where nothing was said."""

    mail_server: Mapping[str, Any] | None = field(repr=False)  # Django's EMAIL_ settings
    is_mail_shown: bool
    mail_from: str
    given_vapid_key: str = field(repr=False)
    vapid_subject: str
    private_push_hosts: tuple[str, ...]

    def vapid_key(self, var_dir: Path) -> str:
        """VAPID_PRIVATE_KEY, or the one kept in VAR_DIR/vapid_key."""
        return self.given_vapid_key or parse_vapid_key(keep_secret(var_dir / "vapid_key", new_vapid_key))


def read_contact_settings(env: Mapping[str, str], *, public_url: str) -> ContactSettings:
    """Raise BadEnvironment with a message for the first bad variable."""
    host = urlsplit(public_url).hostname or ""
    is_name = re.search(r"\.[a-z]", host) is not None
    mail_from = parse_from(env.get("EMAIL_FROM") or f"Selfie Hero <hero@{host if is_name else 'localhost'}>")
    is_public = is_name and public_url.startswith("https://")
    subject = env.get("VAPID_SUBJECT") or own_subject(host if is_public else "", mail_from)
    if not SUBJECT.fullmatch(subject):
        raise BadEnvironment("VAPID_SUBJECT must be mailto: and an e-mail address, or an https address.")
    url = (env.get("EMAIL_URL") or "").strip()
    hosts = (env.get("PUSH_PRIVATE_HOSTS") or "").split(",")
    return ContactSettings(
        mail_server=parse_mail_server(url) if url and url != "console:" else None,
        is_mail_shown=url == "console:",
        mail_from=mail_from,
        given_vapid_key=parse_vapid_key(env.get("VAPID_PRIVATE_KEY") or ""),
        vapid_subject=subject,
        private_push_hosts=tuple(host.strip() for host in hosts if host.strip()),
    )


def own_subject(public_host: str, mail_from: str) -> str:
    """Return the default VAPID subject: our public address, or else the address our mails come from."""
    subject = f"https://{public_host}" if public_host else f"mailto:{parseaddr(mail_from)[1]}"
    return subject if SUBJECT.fullmatch(subject) else "mailto:hero@localhost"


def parse_mail_server(url: str) -> dict[str, Any]:
    """Return Django's settings for `smtp://` (STARTTLS), `smtps://` (TLS from the start) or `smtp+plain://` (none)."""
    try:
        parts = urlsplit(with_escaped_login(url))
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or parts.scheme not in MAIL_PORTS:
        raise BadEnvironment("EMAIL_URL must be smtp://, smtps:// or smtp+plain:// and a host, or console:.")
    return {
        "EMAIL_HOST": host,
        "EMAIL_PORT": port or MAIL_PORTS[parts.scheme],
        "EMAIL_HOST_USER": unquote(parts.username or ""),
        "EMAIL_HOST_PASSWORD": unquote(parts.password or ""),
        "EMAIL_USE_TLS": parts.scheme == "smtp",
        "EMAIL_USE_SSL": parts.scheme == "smtps",
    }


def parse_from(value: str) -> str:
    """Return the sender of our mails. Raise BadEnvironment when it is none."""
    _, address = parseaddr(value)
    if "\n" in value or "\r" in value or not re.fullmatch(r"[^@\s]+@[^@\s]+", address):
        raise BadEnvironment("EMAIL_FROM must be an e-mail address, such as Selfie Hero <hero@hero.example>.")
    return value


def new_vapid_key() -> str:
    """Return a new private key: 32 bytes in URL-safe base64, as tools for web push write it."""
    number = secrets.randbelow(P256_ORDER - 1) + 1
    return base64url.encode(number.to_bytes(32, "big"))


def parse_vapid_key(value: str) -> str:
    """Return the key without padding, '' for none. Raise BadEnvironment when it is no key of P-256."""
    text = value.strip().rstrip("=")
    try:
        raw = base64url.decode(text)
    except ValueError:
        raw = b"?"
    if raw and not (len(raw) == 32 and 0 < int.from_bytes(raw, "big") < P256_ORDER):
        raise BadEnvironment("VAPID_PRIVATE_KEY must be 32 bytes in URL-safe base64; leave it out to have one made.")
    return text
