"""Nudges: "there may be work in this lane". The only module that enqueues with RQ.

A nudge wakes a pump that lingers, and makes sure that one pump waits in RQ. Many nudges become one by a flag that
means "a pump is enqueued and has not started": the pump deletes the flag *before* it claims. So a nudge either finds
no flag and enqueues a pump, or its row was committed before the waiting pump claims. RQ's own `unique=True` cannot do
this: it also refuses while the job runs, and wake-ups would be lost (decision 0002).

Nothing here is needed for correctness: a lost nudge costs one tick of `jobs.reconcile.sweep`.
"""

from __future__ import annotations

import logging
from functools import lru_cache, partial

import django_rq
import redis
from django.conf import settings
from django.db import transaction
from redis.commands.core import Script
from rq import Queue

from common import redis_clients
from jobs.models import Lane

from . import foreign
from .redis_breaker import Blocked, breaker

logger = logging.getLogger(__name__)

PUMP_TASK = "jobs.tasks.pump"
PUMP_TIMEOUT_SECONDS = 120
_FLAG_MS = 60_000

# KEYS: flag, wake list. Returns 1 when the caller has to enqueue a pump.
_NUDGE = """
if redis.call('LLEN', KEYS[2]) < 1 then
  redis.call('RPUSH', KEYS[2], '1')
  redis.call('PEXPIRE', KEYS[2], ARGV[1])
end
if redis.call('SET', KEYS[1], '1', 'NX', 'PX', ARGV[1]) then return 1 end
return 0
"""


@lru_cache(maxsize=1)
def client() -> redis.Redis:
    """Return this process's fail-fast client; threads share it."""
    return redis_clients.client(settings.REDIS_URL, timeout=settings.REDIS_TIMEOUT, max_connections=200)


@lru_cache(maxsize=8)
def _queue(lane: str) -> Queue:
    """Return django-rq's queue of a lane: RQ_QUEUES says how, and the connection is this process's.

    Without one of ours `get_queue` makes a client, and with it a connection, at every call (a test counts them).
    """
    return django_rq.get_queue(lane, connection=client())


def depths() -> dict[str, int]:
    """Return how many pumps wait in each lane's queue. Raise redis.RedisError."""
    return {lane: _queue(lane).count for lane in Lane.values}


@lru_cache(maxsize=1)
def _nudge_script() -> Script:
    return client().register_script(_NUDGE)


def nudge_after_commit(*lanes: str) -> None:
    """Nudge once the present transaction is committed; at once when there is none."""
    for lane in lanes:
        transaction.on_commit(partial(nudge, lane), robust=True)


def nudge(lane: str) -> bool:
    """Wake a lane. Return False, and never raise, when Redis cannot be reached."""
    try:
        with breaker.guard():
            try:
                _nudge(lane)
            except redis.ResponseError:  # a key of another type: not ours
                if not foreign.drop(client()):
                    raise
                client().delete(_flag(lane))
                _nudge(lane)
    except Blocked:
        return False
    except (redis.RedisError, OSError) as error:
        logger.warning("nudge_lost lane=%s error=%s", lane, type(error).__name__)
        return False
    return True


def _nudge(lane: str) -> None:
    if _nudge_script()(keys=[_flag(lane), _wake(lane)], args=[_FLAG_MS]) == 1:
        _enqueue_pump(lane)


def renew_nudge(lane: str) -> bool:
    """Nudge a lane whose rows are overdue. A flag without a pump in RQ was left by a dead worker and is deleted."""
    try:
        with breaker.guard():
            try:
                waiting = client().llen(_queue(lane).key)
            except redis.ResponseError:
                foreign.drop(client())
                waiting = 0
            if waiting == 0:
                client().delete(_flag(lane))
    except (redis.RedisError, OSError):
        return False
    return nudge(lane)


def pump_started(lane: str) -> None:
    """Delete the flag before a pump claims, so that the next nudge enqueues again."""
    try:
        with breaker.guard():
            client().delete(_flag(lane))
    except Blocked:
        pass
    except (redis.RedisError, OSError):
        logger.warning("nudge_flag_kept lane=%s", lane)


def wait_for_nudge(connection: redis.Redis, lane: str, *, seconds: int) -> bool:
    """Block on the lane's wake list. Raise redis.RedisError when the server is away."""
    try:
        return connection.blpop([_wake(lane)], timeout=seconds) is not None
    except redis.ResponseError:
        foreign.drop(connection)
        raise


def blocking_client() -> redis.Redis:
    """Return a connection of its own for `wait_for_nudge`."""
    return redis_clients.client(settings.REDIS_URL, timeout=10, connect_timeout=1)


def _enqueue_pump(lane: str) -> None:
    _queue(lane).enqueue_call(
        PUMP_TASK, args=(lane,), result_ttl=0, failure_ttl=3600, ttl=PUMP_TIMEOUT_SECONDS, timeout=PUMP_TIMEOUT_SECONDS
    )


def _flag(lane: str) -> str:
    return f"nudge:{lane!s}"


def _wake(lane: str) -> str:
    return f"wake:{lane!s}"
