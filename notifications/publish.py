"""Publishes changed jobs to their pages, from any thread of any process, without an event loop.

`async_to_sync(group_send)` opens a connection for each call (1.7 ms); one client kept per process and one pipeline per
batch cost 0.02 to 0.08 ms. The price: the wire format is private to channels_redis. `checks` refuses settings that
would change it, and a test publishes here and reads through the layer.

Nothing depends on a message: pages read the row on connect, every 15 s and after a gap. So this never raises and never
waits long, and a server that is away is asked once a second (`jobs.queue.redis_breaker`).
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable
from functools import lru_cache
from typing import Any
from uuid import UUID

import msgpack
import redis
from django.conf import settings

from common import redis_clients
from jobs import snapshots
from jobs.overload import state
from jobs.queue.redis_breaker import Blocked, breaker

from . import messages

logger = logging.getLogger(__name__)

# Messages in one round trip: the largest batch stays well under a megabyte.
BATCH = 200


@lru_cache(maxsize=1)
def client() -> redis.Redis:
    """Return this process's fail-fast client; threads share it."""
    return redis_clients.client(settings.REDIS_URL, timeout=settings.REDIS_TIMEOUT)


def on_job_changed(*, job_ids: list[UUID], **kwargs: Any) -> None:
    """Receive `jobs.signals.job_changed`: send the jobs' present snapshots to the pages that are open.

    A page joins its group before it reads the row, so one that is not there yet misses nothing.
    """
    if listened_to := with_listeners(job_ids):
        bodies = snapshots.snapshots_for(listened_to)
        if state.known().tells_only_the_end:
            bodies = [body for body in bodies if body["finished_at"]]
        publish(bodies)


def with_listeners(job_ids: Collection[UUID]) -> list[UUID]:
    """Return those of these jobs whose group a page has joined; none when Redis cannot be reached.

    One round trip for all of them, a tenth of what reading a row for no page costs.
    """
    if breaker.is_open or not job_ids:
        return []
    try:
        with breaker.guard():
            counts = client().pubsub_numsub(*[channel_of(job_id) for job_id in job_ids])
    except (redis.RedisError, OSError):
        return []  # the breaker has logged it
    return [job_id for job_id, (_, count) in zip(job_ids, counts, strict=True) if count]


def publish(bodies: Iterable[messages.Body]) -> bool:
    """Send these bodies to their pages. Return False, and never raise, when Redis cannot be reached."""
    waiting = [(channel_of(body["id"]), msgpack.packb(messages.job_changed(body))) for body in bodies]
    try:
        for first in range(0, len(waiting), BATCH):
            pipeline = client().pipeline(transaction=False)
            for channel, packed in waiting[first : first + BATCH]:
                pipeline.execute_command("PUBLISH", channel, packed)
            with breaker.guard():
                pipeline.execute()
    except Blocked:
        return False
    except (redis.RedisError, OSError) as error:
        logger.warning("push_lost jobs=%s error=%s", len(waiting), type(error).__name__)
        return False
    return True


def access_changed(owner: str) -> bool:
    """Have the open lines of an owner look again whether they may stay. Return False when Redis cannot be reached."""
    return _have_checked(messages.owner_group(owner))


def on_links_ended(*, job_id: UUID, **_: object) -> None:
    """Receive `jobs.signals.links_ended`: have the open lines about the job look again whether they may stay."""
    _have_checked(messages.job_group(job_id))


def _have_checked(group: str) -> bool:
    try:
        with breaker.guard():
            client().publish(_channel(group), msgpack.packb(messages.ACCESS_CHANGED))
    except (redis.RedisError, OSError):
        return False
    return True


def channel_of(job_id: UUID | str) -> str:
    """Return the Redis channel that channels_redis.pubsub gives to the job's group."""
    return _channel(messages.job_group(job_id))


def _channel(group: str) -> str:
    prefix = settings.CHANNEL_LAYERS["default"]["CONFIG"].get("prefix", "asgi")
    return f"{prefix}__group__{group}"
