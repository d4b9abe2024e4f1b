"""`manage.py studio`: the local provider, in a process of its own. Needs no database and no Redis."""

from __future__ import annotations

import os
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from providers.studio.service import server, settings
from providers.studio.service.credentials import BadCredentials


class Command(BaseCommand):
    help = "Run the studio, the provider that makes films on this machine."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
        parser.add_argument("--port", type=int, help="port to listen on; default: STUDIO_PORT, or 9000")

    def handle(self, *args: Any, host: str, port: int | None, **options: Any) -> None:
        try:
            chosen = settings.from_environment(os.environ, host=host, port=port)
            server.run(chosen)
        except (settings.BadSetting, BadCredentials) as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f"The studio cannot run on {host}: {error.strerror or error}.") from error
