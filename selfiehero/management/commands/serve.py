"""`manage.py serve`: the web process."""

from __future__ import annotations

import logging
import os
import resource
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection

from providers.keys import OtherKeys, require_known_keys
from selfiehero import environment

WANTED_FILES = 65_536


class Command(BaseCommand):
    help = "Answer HTTP and sockets until SIGTERM or Ctrl-C, which drain it; a second one ends it at once."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", help="address to listen on; HOST otherwise")
        parser.add_argument("--port", type=int, help="port to listen on; PORT otherwise")

    def handle(self, *args: Any, host: str | None, port: int | None, **options: Any) -> None:
        try:
            require_known_keys()
        except OtherKeys as error:
            raise CommandError(str(error), returncode=2) from None
        connection.close()  # the threads that serve have connections of their own
        given = environment.read()
        allow_many_sockets()
        # Twisted chooses its event loop when it is imported, so only here.
        from selfiehero.asgi import application, http
        from selfiehero.server.daphne_server import CannotListen, Server

        server = Server(
            application,
            host=host or given.host,
            port=port or given.port,
            logs_access=environment.parse_bool("ACCESS_LOG", os.environ.get("ACCESS_LOG"), default=False),
        )
        try:
            server.run()
        except CannotListen as error:
            self.stderr.write(str(error))
            sys.exit(2)
        http.close()
        if http.is_busy:
            # A view that hangs would hold the process: what it wrote is committed or was never promised.
            logging.shutdown()
            sys.stdout.flush()
            os._exit(0)


def allow_many_sockets() -> None:
    """Raise the number of open files to what the system allows, for thousands of waiting pages."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED_FILES if hard == resource.RLIM_INFINITY else min(hard, WANTED_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
