"""`manage.py hero PHOTO -o OUT.mp4`: a selfie in, a film out, over the public API.

Exit codes: 0 the film is there; 1 the job failed; 2 something is wrong with a local file;
3 the server is away or refused; 130 Ctrl-C (the job is canceled first).
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from tqdm import tqdm

from selfiehero.hero_client import HeroClient, Refused, Unreachable

FAILED, LOCAL, SERVER, INTERRUPTED = 1, 2, 3, 130


class Command(BaseCommand):
    help = "Make a film of a selfie over the public API of a running Selfie Hero."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("photo", type=Path, help="JPEG, PNG, WebP or HEIC with one face.")
        parser.add_argument("-o", "--output", type=Path, required=True, help="where the MP4 goes")
        parser.add_argument("--look", default="neon-noir", help="neon-noir, chrome-samurai or netrunner")
        parser.add_argument("--name", default="", help="the hero's name, at most 24 characters")
        parser.add_argument("--server", default=settings.PUBLIC_URL, help="default: %(default)s")

    def handle(self, *args: Any, photo: Path, output: Path, look: str, name: str, server: str, **options: Any) -> None:
        try:
            data = photo.read_bytes()
        except OSError as error:
            self._end(LOCAL, f"{photo} cannot be read: {error.strerror}.")
        if not output.resolve().parent.is_dir():
            self._end(LOCAL, f"There is no folder {output.resolve().parent} for the film.")
        client, job = HeroClient(server), None
        try:
            client.arrive()
            started = time.monotonic()
            job = client.order(data, file_name=photo.name, look=look, hero_name=name)
            accepted = time.monotonic() - started
            job, first_picture = self._watch(client, job, started)
            if job["status"] != "succeeded":
                failure = job["failure"] or {"message": "The film was canceled.", "next_step": ""}
                self._end(FAILED, f"{failure['message']} {failure['next_step']}".strip())
            size = client.download(job, output)
        except Refused as error:
            self._end(SERVER, str(error))
        except Unreachable as error:
            self._end(SERVER, str(error))
        except OSError as error:
            self._end(LOCAL, f"{output} cannot be written: {error.strerror}.")
        except KeyboardInterrupt:
            self._cancel(client, job)
        picture = f", first picture {first_picture:.1f} s" if first_picture is not None else ""
        self.stdout.write(
            f"{output}: {size / 1e6:.1f} MB. Accepted in {accepted * 1000:.0f} ms{picture}, "
            f"film {time.monotonic() - started:.1f} s."
        )

    def _watch(self, client: HeroClient, job: dict[str, Any], started: float) -> tuple[dict[str, Any], float | None]:
        """Show progress until the job is final; return it and when its first picture was seen."""
        first: list[float] = []
        layout = "{desc:<18} {bar} {n:3.0f} % {postfix}"
        with tqdm(total=100, bar_format=layout, disable=not sys.stderr.isatty(), leave=False) as bar:

            def tell(state: dict[str, Any]) -> None:
                if state["links"]["poster"] and not first:
                    first.append(time.monotonic() - started)
                span = state["queue"]["eta_seconds"]
                bar.set_description_str(state["stage"].replace("_", " "), refresh=False)
                bar.set_postfix_str(f"{span['p50']}-{span['p90']} s", refresh=False)
                bar.n = max(bar.n, round(state["progress"] * 100))
                bar.refresh()

            tell(job)
            return client.follow(job, tell), first[0] if first else None

    def _cancel(self, client: HeroClient, job: dict[str, Any] | None) -> None:
        try:
            if job:
                client.cancel(job)
        except (Refused, Unreachable):
            self._end(INTERRUPTED, "Stopped. The server could not be told; the film goes on there.")
        self._end(INTERRUPTED, "Stopped, and the film is canceled.")

    def _end(self, code: int, sentence: str) -> None:
        self.stderr.write(sentence)
        sys.exit(code)
