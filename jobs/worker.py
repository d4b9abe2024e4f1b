"""The RQ worker of a lane: noticing trouble early, and coming back by itself."""

from __future__ import annotations

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from rq import Queue
from rq.serializers import JSONSerializer
from rq.worker import SimpleWorker

from .lanes import engine


class LaneWorker(SimpleWorker):
    """A worker without forks that looks after a lost Redis every few seconds, not minutes."""

    max_connection_wait_time = 3

    def request_stop(self, signum: int, frame: object) -> None:
        """Let the pump finish what is under way and end."""
        engine.stopping.set()
        super().request_stop(signum, frame)

    @classmethod
    def for_lane(cls, lane: str, *, url: str) -> LaneWorker:
        """Return the worker of one lane, on a connection of its own."""
        connection = Redis.from_url(url, socket_connect_timeout=1, retry=Retry(NoBackoff(), 0))
        queue = Queue(lane, connection=connection, serializer=JSONSerializer)
        return cls(
            [queue],
            connection=connection,
            serializer=JSONSerializer,
            worker_ttl=60,
            maintenance_interval=60,
            job_monitoring_interval=5,
            log_job_description=False,
        )
