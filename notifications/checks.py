"""Refuses a channel layer that `publish` would not reach: it would fail without a sound."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import Error, register

BACKEND = "channels_redis.pubsub.RedisPubSubChannelLayer"


@register()
def channel_layer_is_the_one_published_to(**kwargs: Any) -> list[Error]:
    """Check backend, servers and message format of the default channel layer."""
    layer = settings.CHANNEL_LAYERS.get("default", {})
    config = layer.get("CONFIG", {})
    if layer.get("BACKEND") != BACKEND:
        return [Error(f"CHANNEL_LAYERS must use {BACKEND}.", id="notifications.E001")]
    servers = [host["address"] if isinstance(host, dict) else host for host in config.get("hosts", ())]
    if servers != list(settings.CHANNELS_REDIS_URLS):
        return [Error("CHANNEL_LAYERS must name the servers of CHANNELS_REDIS_URLS.", id="notifications.E002")]
    if config.get("symmetric_encryption_keys") or config.get("serializer_format", "msgpack") != "msgpack":
        return [Error("CHANNEL_LAYERS must use plain msgpack.", id="notifications.E003")]
    return []
