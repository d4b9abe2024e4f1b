"""`manage.py reconcile`: the process that finds and repairs whatever is overdue (see `jobs.reconcile.sweep`)."""

from __future__ import annotations

import logging
import os
import signal
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from jobs import alerts, bulk
from jobs.clock import database_now
from jobs.ledger import inspect_next
from jobs.now import read as read_facts
from jobs.reconcile.sweep import Reconciler
from providers.keys import OtherKeys, require_known_keys


def inspect_ledger() -> None:
    """Inspect the next part of the ledger, when it is due (`jobs.ledger.continuous`)."""
    inspect_next(now=database_now())


def work_bulk() -> None:
    """Work the next jobs of each running operation of staff (`jobs.bulk`)."""
    bulk.work_due(now=database_now())


class AlertStep:
    """Looks every few seconds whether people have to be told of something (`jobs.alerts`)."""

    __name__ = "watch_alerts"
    EVERY_SECONDS = 10.0

    def __init__(self) -> None:
        self._looked_at = time.monotonic()

    def __call__(self) -> None:
        if time.monotonic() - self._looked_at > self.EVERY_SECONDS:
            self._looked_at, now = time.monotonic(), database_now()
            alerts.watch(read_facts(now=now))
            alerts.write_report(now=now)
            alerts.send_due(now=now)


class Command(BaseCommand):
    help = "Repair whatever is overdue: leases, silent predictions, deadlines, retention. Needs no Redis."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            require_known_keys()
        except OtherKeys as error:
            raise CommandError(str(error), returncode=2) from None
        reconciler = Reconciler(inspect_ledger, work_bulk, AlertStep())
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: reconciler.stop())
        reconciler.run()
        # Python would join the threads that are still in a call to a provider.
        logging.shutdown()
        os._exit(0)
