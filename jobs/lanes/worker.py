"""The RQ worker of a lane: it notices a lost Redis within seconds and shows a heartbeat."""

from __future__ import annotations

import logging
import signal
import time
from typing import Any

import django_rq
from django.db import DatabaseError, InterfaceError, connection
from django_rq.workers import get_exception_handlers
from redis import RedisError
from rq.exceptions import StopRequested
from rq.worker import SimpleWorker, WorkerStatus

from common import redis_clients
from jobs.queue import engine

logger = logging.getLogger(__name__)


class OneLine(logging.Filter):
    """Shortens the traceback that RQ's worker logs when Redis is lost to one line."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, RedisError):
            record.msg, record.args = "worker_ends error=%s: %s", (type(error).__name__, str(error)[:200])
            record.exc_info = record.exc_text = None
        return True


class LaneWorker(SimpleWorker):
    """A worker without forks that looks after a lost Redis every few seconds, not minutes."""

    max_connection_wait_time = 3
    _beat_at = float("-inf")

    @property
    def dequeue_timeout(self) -> int:
        """Wait for a pump no longer than until the next heartbeat is due."""
        return int(engine.HEARTBEAT_SECONDS)

    def heartbeat(self, *args: Any, **options: Any) -> None:
        """Show that the main thread works, also while the lane is idle and while Redis is away.

        A running pump does so itself, from the same thread, so heartbeats stop when the main thread hangs.
        """
        if time.monotonic() - self._beat_at > engine.HEARTBEAT_SECONDS / 2:
            self._beat_at = time.monotonic()
            try:
                engine.beat(f"worker-{self.queues[0].name}")
            except (DatabaseError, InterfaceError) as error:
                logger.warning("beat_not_written lane=%s error=%s", self.queues[0].name, type(error).__name__)
                connection.close()
        super().heartbeat(*args, **options)

    def request_stop(self, signum: int, frame: object) -> None:
        """Let the pump finish what is under way and end; a second signal ends at once.

        RQ would write to Redis here, in the middle of whatever the pump does; one that hangs would break the pump.
        """
        engine.stopping.set()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self.request_force_stop)
        if self.get_state() != WorkerStatus.BUSY:
            raise StopRequested
        self._stop_requested = True

    @classmethod
    def for_lane(cls, lane: str, *, url: str) -> LaneWorker:
        """Return the worker of one lane, on a connection of its own and django-rq's queue.

        It is made as get_worker of django-rq makes one, which takes no connection: a worker of that would wait for a
        lost Redis with redis-py's retries instead of trying again every three seconds.
        """
        server = redis_clients.client(url, timeout=None, connect_timeout=1)
        log = logging.getLogger("rq.worker")
        if not any(isinstance(present, OneLine) for present in log.filters):
            log.addFilter(OneLine())
        queue = django_rq.get_queue(lane, connection=server)
        return cls(
            [queue],
            connection=server,
            queue_class=type(queue),
            job_class=queue.job_class,
            serializer=queue.serializer,
            exception_handlers=get_exception_handlers() or None,
            worker_ttl=60,
            maintenance_interval=60,
            job_monitoring_interval=5,
            log_job_description=False,
        )
