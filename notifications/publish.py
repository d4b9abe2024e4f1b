"""Publishes changed jobs to their pages, from any thread of any process, without an event loop.

`async_to_sync(group_send)` opens a connection for each call (1.7 ms); one client kept per process and one pipeline per
batch cost 0.02 to 0.08 ms. The price: the wire format, and which of several servers has a group, are private to
channels_redis. `checks` refuses settings that would change them, and a test publishes here and reads through the layer.

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
from channels_redis.utils import _consistent_hash as consistent_hash
from django.conf import settings

from common import redis_clients
from jobs import snapshots
from jobs.overload import state
from jobs.queue.redis_breaker import Blocked, breaker_for

from . import messages

logger = logging.getLogger(__name__)

# Messages in one round trip: the largest batch stays well under a megabyte.
BATCH = 200


@lru_cache(maxsize=64)
def client(url: str) -> redis.Redis:
    """Return this process's fail-fast client of a server; threads share it."""
    return redis_clients.client(url, timeout=settings.REDIS_TIMEOUT)


def server_of(channel: str) -> str:
    """Return the address of the server on which the channel layer looks for this channel."""
    urls = settings.CHANNELS_REDIS_URLS
    return urls[consistent_hash(channel, len(urls))]


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
    """Return those of these jobs whose group a page has joined; none of those whose server cannot be reached.

    One round trip to each server for all of them, a tenth of what reading a row for no page costs.
    """
    jobs = {channel_of(job_id): job_id for job_id in job_ids}
    asked: dict[str, list[str]] = {}
    for channel in jobs:
        asked.setdefault(server_of(channel), []).append(channel)
    counts: dict[str, int] = {}
    for url, channels in asked.items():
        breaker = breaker_for(url)
        if breaker.is_open:
            continue
        try:
            with breaker.guard():
                found = client(url).pubsub_numsub(*channels)
        except (redis.RedisError, OSError):
            continue  # the breaker has logged it
        counts |= {channel: count for channel, (_, count) in zip(channels, found, strict=True)}
    return [job_id for channel, job_id in jobs.items() if counts.get(channel)]


def publish(bodies: Iterable[messages.Body]) -> bool:
    """Send these bodies to their pages. Return False, and never raise, when a server cannot be reached."""
    waiting: dict[str, list[tuple[str, bytes]]] = {}
    for body in bodies:
        channel = channel_of(body["id"])
        waiting.setdefault(server_of(channel), []).append((channel, msgpack.packb(messages.job_changed(body))))
    arrived = [_publish(url, told) for url, told in waiting.items()]
    return all(arrived)


def _publish(url: str, waiting: list[tuple[str, bytes]]) -> bool:
    try:
        for first in range(0, len(waiting), BATCH):
            pipeline = client(url).pipeline(transaction=False)
            for channel, packed in waiting[first : first + BATCH]:
                pipeline.execute_command("PUBLISH", channel, packed)
            with breaker_for(url).guard():
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
    channel = _channel(group)
    url = server_of(channel)
    try:
        with breaker_for(url).guard():
            client(url).publish(channel, msgpack.packb(messages.ACCESS_CHANGED))
    except (redis.RedisError, OSError):
        return False
    return True


def channel_of(job_id: UUID | str) -> str:
    """Return the Redis channel that channels_redis.pubsub gives to the job's group."""
    return _channel(messages.job_group(job_id))


def _channel(group: str) -> str:
    prefix = settings.CHANNEL_LAYERS["default"]["CONFIG"].get("prefix", "asgi")
    return f"{prefix}__group__{group}"
