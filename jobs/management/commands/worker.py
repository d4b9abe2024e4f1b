"""`manage.py worker LANE`: an RQ worker for one lane.

One queue a process: a worker on two loses a job when it dies between taking and starting one
(decision 0003). SimpleWorker, because the lanes' threads and connections are worth keeping and
a forked child would go on POSTing after its parent was killed; photos are decoded in a sandbox
process of their own, so nothing hostile runs here.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from typing import Any

import redis
from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from jobs.lanes import pumps
from jobs.lanes.worker import LaneWorker


class Command(BaseCommand):
    help = "Work one lane: prepare, dispatch, collect or notify."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("lane", choices=pumps.lanes())

    def handle(self, *args: Any, lane: str, **options: Any) -> None:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        pump = pumps.pump_for(lane)
        pump.work.warm_up()
        try:
            LaneWorker.for_lane(lane, url=settings.REDIS_URL).work(logging_level="WARNING")
        except redis.RedisError as error:
            sys.exit(f"worker {lane}: Redis is not reachable ({type(error).__name__}); reconcile carries the work.")
        if pump.is_busy:
            leave_threads_behind()


def leave_threads_behind() -> None:
    """End although threads are in calls that nobody waits for any more; Python would join them."""
    logging.shutdown()
    sys.stdout.flush()
    os._exit(0)
