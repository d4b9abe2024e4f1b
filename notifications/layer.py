"""The channel layer, as far as it needs help: what counts as "away", and a log that says so once."""

from __future__ import annotations

import logging

import redis

from common.log_limiter import LogLimiter

# What a join or a leave can raise when the server is away. asyncio's own time-out is TimeoutError.
AWAY = (redis.RedisError, OSError, TimeoutError)
QUIET_SECONDS = 30.0


class OneLine(logging.Filter):
    """Turns the tracebacks that channels_redis logs every second of an outage into a line now and then."""

    def __init__(self) -> None:
        super().__init__()
        self.limiter = LogLimiter(QUIET_SECONDS)

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if not isinstance(error, AWAY):
            return True
        if not self.limiter.may_log():
            return False
        record.msg, record.args = "layer_away error=%s", (type(error).__name__,)
        record.exc_info = record.exc_text = None
        record.levelno, record.levelname = logging.WARNING, "WARNING"
        return True


def quiet_its_log() -> None:
    """Filter the layer's log in this process."""
    log = logging.getLogger("channels_redis.pubsub")
    if not any(isinstance(present, OneLine) for present in log.filters):
        log.addFilter(OneLine())
