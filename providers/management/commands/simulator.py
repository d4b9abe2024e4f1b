"""`manage.py simulator`: WaveSpeed, Replicate and fal on this machine. Needs no database, no Redis and no keys."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from providers.simulator import scenario_files, server
from providers.simulator.behaviour import PROVIDERS, BadScenario
from providers.simulator.signing import BadSecrets
from providers.simulator.simulator import Simulator


class Command(BaseCommand):
    help = "Play WaveSpeed, Replicate and fal, with scripted faults."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
        parser.add_argument("--port", type=int, default=9100, help="port to listen on; 0: any free one")
        shipped = ", ".join(scenario_files.shipped())
        parser.add_argument("--scenario", help=f"a JSON file, or one of these: {shipped}")
        parser.add_argument("--seed", type=int, help="goes before the scenario's seed")
        parser.add_argument("--secrets", type=Path, help="file that keeps the secrets of webhooks; made when missing")
        parser.add_argument("--only", choices=PROVIDERS, help="this provider alone, at the root")
        parser.add_argument("--tls-cert", type=Path, help="PEM certificate: serve https")
        parser.add_argument("--tls-key", type=Path, help="PEM key of the certificate")

    def handle(self, *args: Any, host: str, port: int, seed: int | None, only: str | None, **options: Any) -> None:
        try:
            scenario = scenario_files.read(options["scenario"])
        except scenario_files.BadScenarioFile as error:
            raise CommandError(str(error)) from error
        certificate, key = options["tls_cert"], options["tls_key"]
        if (certificate is None) != (key is None):
            raise CommandError("--tls-cert and --tls-key go together.")
        try:
            tls = server.tls_context(certificate, key) if certificate else None
            asyncio.run(
                server.serve(
                    lambda: Simulator(scenario, seed=seed, secrets=options["secrets"]),
                    host=host,
                    port=port,
                    only=only,
                    tls=tls,
                    say=self.say,
                )
            )
        except (BadScenario, BadSecrets) as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f"The simulator cannot run on {host}:{port}: {error.strerror or error}.") from error

    def say(self, url: str) -> None:
        self.stdout.write(f"simulator listening on {url}")
        self.stdout.flush()
