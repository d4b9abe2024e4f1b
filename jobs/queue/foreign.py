"""What others wrote under our names in Redis is dropped, so that work goes on.

Redis carries nudges and counters and nothing that would be missed (`FLUSHALL` at any moment loses nothing), so a key
of the wrong type is deleted rather than understood. Which type a key has is known by its name; the names under `rq:`
are RQ's.
"""

from __future__ import annotations

import contextlib
import logging
from typing import Any

import redis

logger = logging.getLogger(__name__)

TYPES = {
    "nudge:": "string",
    "wake:": "list",
    "rq:queues": "set",
    "rq:workers": "set",
    "rq:queue:": "list",
    "rq:intermediate:": "list",
    "rq:job:": "hash",
    "rq:worker:": "hash",
    "rq:workers:": "set",
    "rq:wip:": "zset",
    "rq:finished:": "zset",
    "rq:failed:": "zset",
    "rq:deferred:": "zset",
    "rq:scheduled:": "zset",
    "rq:canceled:": "zset",
    "rq:executions:": "zset",
    "rq:execution:": "hash",
    "rq:clean_registries:": "string",
}
_BATCH = 500


def drop(server: redis.Redis) -> int:
    """Delete the keys of ours that have another type than we give them; return how many. Raise redis.RedisError."""
    dropped = 0
    for pattern in ("rq:*", "nudge:*", "wake:*"):
        for key in server.scan_iter(pattern, count=_BATCH):
            name = key.decode("utf-8", "replace")
            wanted = TYPES.get(name) or next((kind for prefix, kind in _LONGEST_FIRST if name.startswith(prefix)), None)
            is_now: Any = server.type(key)  # bytes: these clients decode nothing
            if wanted and is_now.decode() not in (wanted, "none"):
                dropped += server.delete(key)
    if dropped:
        logger.warning("foreign_keys_dropped count=%d", dropped)
    return dropped


def drop_quietly(server: redis.Redis) -> None:
    """Do the same as far as the server lets us."""
    with contextlib.suppress(redis.RedisError):
        drop(server)


_LONGEST_FIRST = sorted(
    ((prefix, kind) for prefix, kind in TYPES.items() if prefix.endswith(":")), key=lambda item: -len(item[0])
)
