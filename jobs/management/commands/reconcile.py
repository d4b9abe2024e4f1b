"""`manage.py reconcile`: the process that brings everything back (see `jobs.reconcile.sweep`)."""

from __future__ import annotations

import logging
import os
import signal
from typing import Any

from django.core.management.base import BaseCommand

from jobs.reconcile.sweep import Reconciler


class Command(BaseCommand):
    help = "Look after everything that can be stuck: leases, silent predictions, deadlines, retention. Needs no Redis."

    def handle(self, *args: Any, **options: Any) -> None:
        reconciler = Reconciler()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: reconciler.stop())
        reconciler.run()
        # Threads that are in a call to a provider are in nobody's way; Python would join them.
        logging.shutdown()
        os._exit(0)
