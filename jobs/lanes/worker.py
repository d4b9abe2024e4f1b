"""The RQ worker of a lane: it notices a lost Redis within seconds and shows a heartbeat."""

from __future__ import annotations

import logging
import signal
import time
from typing import Any

import django_rq
from django.db import DatabaseError, InterfaceError, connection
from django_rq.workers import get_exception_handlers
from redis import RedisError, ResponseError
from rq.exceptions import DeserializationError, StopRequested
from rq.job import Job as RQJob
from rq.worker import SimpleWorker, WorkerStatus

from common import redis_clients
from jobs.queue import engine, foreign, queues

logger = logging.getLogger(__name__)

# What RQ raises when a key has another type, or a message is no message.
UNREADABLE = (ResponseError, DeserializationError, ValueError, TypeError, KeyError, AttributeError)
FOREIGN_PAUSE_SECONDS = 0.2


class OneLine(logging.Filter):
    """Shortens the traceback that RQ's worker logs when Redis is lost to one line."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, RedisError):
            record.msg, record.args = "worker_ends error=%s: %s", (type(error).__name__, str(error)[:200])
            record.exc_info = record.exc_text = None
        return True


class ForeignJob(Exception):
    """A queued message names something else than a pump: nobody of ours wrote it."""


class PumpJob(RQJob):
    """A queued message that can name a pump and nothing else.

    RQ imports and calls whatever a message names, callbacks included: whoever can write to Redis would run code here.
    """

    success_callback = failure_callback = stopped_callback = property(lambda self: None)

    @property
    def func(self) -> Any:
        if self.func_name != queues.PUMP_TASK or self.instance or self.kwargs:
            raise ForeignJob
        return super().func


class LaneWorker(SimpleWorker):
    """A worker without forks that looks after a lost Redis every few seconds, not minutes."""

    job_class = PumpJob

    max_connection_wait_time = 3
    _beat_at = float("-inf")

    @property
    def dequeue_timeout(self) -> int:
        """Wait for a pump no longer than until the next heartbeat is due."""
        return int(engine.HEARTBEAT_SECONDS)

    def dequeue_job_and_maintain_ttl(self, *args: Any, **options: Any) -> Any:
        """Take the next message; what cannot be one is dropped, and the next one taken."""
        while True:
            try:
                return super().dequeue_job_and_maintain_ttl(*args, **options)
            except UNREADABLE as error:
                logger.warning("foreign_message_dropped error=%s", type(error).__name__)
                foreign.drop(self.connection)
                time.sleep(FOREIGN_PAUSE_SECONDS)

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
        foreign.drop_quietly(server)
        queue = django_rq.get_queue(lane, connection=server, job_class=PumpJob)
        return cls(
            [queue],
            connection=server,
            queue_class=type(queue),
            job_class=PumpJob,
            serializer=queue.serializer,
            exception_handlers=get_exception_handlers() or None,
            worker_ttl=60,
            maintenance_interval=60,
            job_monitoring_interval=5,
            log_job_description=False,
        )
