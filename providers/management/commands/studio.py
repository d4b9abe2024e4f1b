"""`manage.py studio`: the local video provider in its own process. Needs neither database nor Redis."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from providers.studio import credentials
from providers.studio.server import serve
from providers.studio.settings import from_environment


class Command(BaseCommand):
    help = "Run the studio: a video provider that renders films on this machine's CPU."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=int(os.environ.get("STUDIO_PORT") or 9000))

    def handle(self, *args: Any, host: str, port: int, **options: Any) -> None:
        folder = Path(os.environ.get("STUDIO_DIR") or settings.VAR_DIR / "studio")
        chosen = from_environment(os.environ, folder=folder, host=host, port=port)
        try:
            serve(chosen, credentials.load(folder, os.environ))
        except OSError as error:
            sys.exit(f"The studio cannot listen on {host}:{port}: {error.strerror}.")
