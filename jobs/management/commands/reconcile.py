"""`manage.py reconcile`: the process that finds and repairs whatever is overdue (see `jobs.reconcile.sweep`)."""

from __future__ import annotations

import logging
import os
import signal
from typing import Any

from django.core.management.base import BaseCommand

from jobs.reconcile.sweep import Reconciler


class Command(BaseCommand):
    help = "Repair whatever is overdue: leases, silent predictions, deadlines, retention. Needs no Redis."

    def handle(self, *args: Any, **options: Any) -> None:
        reconciler = Reconciler()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: reconciler.stop())
        reconciler.run()
        # Python would join the threads that are still in a call to a provider.
        logging.shutdown()
        os._exit(0)
