"""`manage.py worker LANE`: an RQ worker for one lane.

One queue per process, because an RQ worker on two or more queues loses a job for ever when it dies between taking it
from the queue and starting it (decision 0003). It is RQ's SimpleWorker, without forks: the lanes keep their threads
and connections, and a forked child would go on sending POSTs after its parent was killed. Photos are decoded in a
sandbox process of their own, so no hostile input is decoded here.

Not `manage.py rqworker`, though both make the same worker: that one's connection takes no timeouts, it would read the
queue as pickles unless told otherwise, and it would neither warm the lane up nor end beside a call that hangs.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from typing import Any

import redis
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from jobs.lanes import pumps
from jobs.lanes.worker import LaneWorker
from providers.keys import OtherKeys, require_known_keys


class Command(BaseCommand):
    help = "Work one lane: prepare, dispatch, collect or notify."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("lane", choices=pumps.lanes())

    def handle(self, *args: Any, lane: str, **options: Any) -> None:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        try:
            require_known_keys()
        except OtherKeys as error:
            raise CommandError(str(error), returncode=2) from None
        pump = pumps.pump_for(lane)
        pump.work.warm_up()
        try:
            LaneWorker.for_lane(lane, url=settings.REDIS_URL).work(logging_level="WARNING")
        except redis.RedisError as error:
            sys.exit(f"worker {lane}: Redis is not reachable ({type(error).__name__}); reconcile carries the work.")
        if pump.is_busy:
            leave_threads_behind()


def leave_threads_behind() -> None:
    """End the process without joining threads whose calls are no longer waited for, as Python would."""
    logging.shutdown()
    sys.stdout.flush()
    os._exit(0)
