"""Refuses a channel layer that `publish` would not reach: it would fail without a sound."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import Error, register

BACKEND = "channels_redis.pubsub.RedisPubSubChannelLayer"


@register()
def channel_layer_is_the_one_published_to(**kwargs: Any) -> list[Error]:
    """Check backend, number of servers and message format of the default channel layer."""
    layer = settings.CHANNEL_LAYERS.get("default", {})
    config = layer.get("CONFIG", {})
    if layer.get("BACKEND") != BACKEND:
        return [Error(f"CHANNEL_LAYERS must use {BACKEND}.", id="notifications.E001")]
    if len(config.get("hosts", ())) != 1:
        return [Error("CHANNEL_LAYERS must name exactly one server.", id="notifications.E002")]
    if config.get("symmetric_encryption_keys") or config.get("serializer_format", "msgpack") != "msgpack":
        return [Error("CHANNEL_LAYERS must use plain msgpack.", id="notifications.E003")]
    return []
