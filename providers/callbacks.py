"""Whether a vendor can reach us: fetch photos from CALLBACK_URL and send webhooks to it."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from django.conf import settings

from .http.addresses import is_public
from .models import ProviderConfig
from .types import PhotoTransport


def webhook_problem(provider: ProviderConfig) -> str:
    """Return why no webhook can come from the vendor, '' when one can or the vendor is on this machine."""
    if _can_reach_us(provider):
        return ""
    return f"No webhook can reach CALLBACK_URL, {settings.CALLBACK_URL}: it is no public https address."


def transport_problem(provider: ProviderConfig) -> str:
    """Return why the vendor could not fetch photos from us or tell us of films, '' when it could or is on this machine.

    Names are not looked up: a public name counts as public.
    """
    if _can_reach_us(provider):
        return ""
    what = "fetch photos or send webhooks" if provider.photo_transport == PhotoTransport.URL else "send webhooks"
    return f"{provider} could not {what}: CALLBACK_URL is {settings.CALLBACK_URL}, not a public https address. " + (
        "Choose another photo transport, or set CALLBACK_URL." if what.startswith("fetch") else "Films are polled."
    )


def _can_reach_us(provider: ProviderConfig) -> bool:
    ours, theirs = urlsplit(settings.CALLBACK_URL), urlsplit(provider.base_url)
    is_near = not _is_public_host(theirs.hostname or "")
    return is_near or (ours.scheme == "https" and _is_public_host(ours.hostname or ""))


def _is_public_host(host: str) -> bool:
    try:
        return is_public(str(ip_address(host)))
    except ValueError:
        return "." in host and not host.endswith((".local", ".localhost", ".internal", ".lan"))
