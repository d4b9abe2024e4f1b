"""The adapters under contract, and everything one can ask of any of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from providers import registry
from providers.adapters.base import Adapter
from providers.types import Account, PhotoTransport, SubmitRequest

KEY = "sk_the-contract-test-key"
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
NAMES = registry.adapter_names()
# What is repeated without a thought, so that a lost answer to it is no more than bad luck.
HARMLESS = ("upload", "learn_secrets")


def account(url: str, *, secrets: tuple[str, ...] = ("whsec_bm9ib2R5IGtub3dzIHRoaXMgb25l",), **others: Any) -> Account:
    timeouts = {"connect_seconds": 0.25, "read_seconds": 0.25}
    return Account(
        "contract", url.rstrip("/"), "vendor/model", KEY, secrets, result_hosts=("127.0.0.1",), **timeouts | others
    )


def order() -> SubmitRequest:
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


def calls(adapter: Adapter) -> dict[str, Callable[[Account], Any]]:
    """Return every call over HTTP that the adapter can make, by name."""
    made: dict[str, Callable[[Account], Any]] = {
        "submit": lambda to: adapter.submit(to, order()),
        "fetch": lambda to: adapter.fetch(to, "p_1"),
        "cancel": lambda to: adapter.cancel(to, "p_1"),
    }
    if adapter.can_delete:
        made["delete"] = lambda to: adapter.delete(to, "p_1")
    if adapter.can_look_up:
        made["find"] = lambda to: adapter.find(to, "attempt-token", since=NOW)
    if PhotoTransport.UPLOAD in adapter.photo_transports:
        made["upload"] = lambda to: adapter.upload(to, order())
    if adapter.can_learn_secrets:
        made["learn_secrets"] = adapter.learn_secrets
    return made
