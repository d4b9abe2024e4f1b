"""The adapters under contract, and everything one can ask of any of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from providers import registry
from providers.adapters.base import Adapter
from providers.types import Account, PhotoTransport, SubmitRequest

KEY = "sk_the-contract-test-key"
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
NAMES = registry.adapter_names()
# Calls that may be repeated at no cost: a lost response to one is Unavailable and never Unconfirmed.
HARMLESS = ("upload", "learn_secrets", "fetch", "find")

# JSON as a vendor might send it on its worst day: names that adapters look for, with anything behind them.
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(
        ["p_1", "completed", "succeeded", "COMPLETED", "failed", "ERROR", "OK", "https://x.example/film.mp4"]
    ),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    *("id", "status", "prediction", "data", "error", "progress", "output", "outputs", "urls", "logs"),
                    *("request_id", "payload", "queue_position", "video", "poster", "type", "timestamp", "metrics"),
                    *("code", "message", "detail", "loc", "msg", "error_type", "title", "invalid_fields", "input"),
                    *("results", "next", "get", "url", "upload", "headers", "download_url", "token", "token_type"),
                    *("access_url", "keys", "key", "secret", "created_at", "metadata", "items", "retry_after"),
                ]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=16,
)


def account(url: str, *, secrets: tuple[str, ...] = ("whsec_bm9ib2R5IGtub3dzIHRoaXMgb25l",), **others: Any) -> Account:
    timeouts = {"connect_seconds": 0.25, "read_seconds": 0.25}
    return Account(
        "contract", url.rstrip("/"), "vendor/model", KEY, secrets, result_hosts=("127.0.0.1",), **timeouts | others
    )


def submit_request() -> SubmitRequest:
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
        "submit": lambda to: adapter.submit(to, submit_request()),
        "fetch": lambda to: adapter.fetch(to, "p_1"),
        "cancel": lambda to: adapter.cancel(to, "p_1"),
    }
    if adapter.can_delete:
        made["delete"] = lambda to: adapter.delete(to, "p_1")
    if adapter.can_look_up:
        made["find"] = lambda to: adapter.find(to, "attempt-token", since=NOW)
    if PhotoTransport.UPLOAD in adapter.photo_transports:
        made["upload"] = lambda to: adapter.upload(to, submit_request())
    if adapter.can_learn_secrets:
        made["learn_secrets"] = adapter.learn_secrets
    return made
