"""Django's Redis cache with JSON in it.

Django pickles what it stores, and whoever can write to Redis would then run code in every web process that reads it
back. JSON can hold nothing that runs. What is no JSON, or no value at all (a list, a hash), was not written here: it is
dropped and counts as not there.
"""

from __future__ import annotations

import json
import logging
from typing import Any

import redis
from django.core.cache.backends.redis import RedisCache, RedisCacheClient

from common import plain_json

logger = logging.getLogger(__name__)


class JSONSerializer:
    """Bytes for what JSON can say; numbers stay numbers for Redis, so that it can count with them."""

    def dumps(self, value: Any) -> bytes:
        """Raise TypeError for what JSON cannot say."""
        return json.dumps(value, separators=(",", ":")).encode()

    def loads(self, data: bytes) -> Any:
        """Raise ValueError for what is no JSON."""
        return plain_json.loads_repaired(data)


class Client(RedisCacheClient):
    """Drops what it cannot read, and keeps its Redis clients, which Django makes anew for every call.

    There is one server, so that what is read and what is written each need one.
    """

    def __init__(self, servers: Any, **options: Any) -> None:
        super().__init__(servers, **options)
        self._clients: dict[bool, Any] = {}

    def get_client(self, key: Any = None, *, write: bool = False) -> Any:
        if write not in self._clients:
            self._clients[write] = super().get_client(key, write=write)
        return self._clients[write]

    def get(self, key: Any, default: Any = None) -> Any:
        try:
            return super().get(key, default)
        except (ValueError, redis.ResponseError) as error:
            self._drop(key, error)
            return default

    def get_many(self, keys: Any) -> dict[Any, Any]:
        missing = object()
        found = {key: self.get(key, missing) for key in keys}
        return {key: value for key, value in found.items() if value is not missing}

    def incr(self, key: Any, delta: int) -> int:
        try:
            return super().incr(key, delta)
        except redis.ResponseError as error:
            self._drop(key, error)
            raise ValueError(f"Key '{key}' not found.") from error

    def _drop(self, key: str, error: Exception) -> None:
        logger.warning("cache_value_dropped error=%s", type(error).__name__)
        self.delete(key)


class JSONCache(RedisCache):
    """The cache of `settings.CACHES`."""

    def __init__(self, server: Any, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._class = Client
        self._options: dict[str, Any] = {"serializer": JSONSerializer, **params.get("OPTIONS", {})}
