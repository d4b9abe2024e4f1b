"""`manage.py hero PHOTO -o OUT.mp4`: a selfie in, a film out, over the public API.

Exit codes: 0 the film is there; 1 the job failed; 2 something is wrong with an argument or a local file;
3 the server is away or refused; 130 Ctrl-C (the job is canceled first).
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from tqdm import tqdm

from selfiehero.hero_client import HeroClient, Refused, Unreachable, read_server
from selfiehero.supervisor.rundir import running_url

FAILED, LOCAL, SERVER, INTERRUPTED = 1, 2, 3, 130
_LAYOUT = "{desc:<24} {bar} {n:3.0f} %{postfix}"


class Command(BaseCommand):
    help = "Make a film of a selfie over the public API of a running Selfie Hero."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("photo", type=Path, help="JPEG, PNG, WebP or HEIC with one face.")
        parser.add_argument("-o", "--output", type=Path, required=True, help="where the MP4 goes")
        parser.add_argument("--look", default="neon-noir", help="its slug, as /api/v1/looks/ lists it")
        parser.add_argument("--name", default="", help="the hero's name, at most 24 characters")
        parser.add_argument("--server", type=_server, help="default: the product that runs here, else PUBLIC_URL")

    def handle(
        self, *args: Any, photo: Path, output: Path, look: str, name: str, server: str | None, **options: Any
    ) -> None:
        data = self._read(photo)
        self._check(output)
        self._job: dict[str, Any] | None = None
        with tqdm(total=100, bar_format=_LAYOUT, disable=not sys.stderr.isatty(), leave=False) as bar:
            # The other terminal's PORT is not in this one's environment; the lock of what runs knows it.
            server = server or running_url(settings.ENV.run_dir / "up.lock") or settings.PUBLIC_URL
            client = HeroClient(server, tell_trouble=lambda trouble: bar.set_description_str(f"the server {trouble}"))
            try:
                summary = self._make(client, bar, data, photo.name, output, look, name)
            except KeyboardInterrupt:
                bar.close()
                self._stop(client)
            except (Refused, Unreachable) as error:
                bar.close()
                self._end(SERVER, str(error))
            except OSError as error:
                bar.close()
                self._end(LOCAL, f"{output} cannot be written: {error.strerror or error}.")
        self.stdout.write(summary)

    def _make(
        self, client: HeroClient, bar: tqdm, data: bytes, file_name: str, output: Path, look: str, name: str
    ) -> str:
        """Order, follow and download the film; return a summary line."""
        bar.set_description_str("sending")
        client.arrive()
        started = time.monotonic()
        job = self._job = client.order(data, file_name=file_name, look=look, hero_name=name)
        accepted, first_picture, reason = time.monotonic() - started, "", None

        def show(state: dict[str, Any]) -> None:
            nonlocal first_picture, reason
            self._job = state
            if state["links"]["poster"] and not first_picture:
                first_picture = f", first picture {time.monotonic() - started:.1f} s"
            if state["queue"]["reason"] not in (None, reason) and not bar.disable:
                reason = state["queue"]["reason"]
                bar.write(reason, file=sys.stderr)
            _draw(bar, state)

        show(job)
        job = client.follow(job, show)
        if job["status"] != "succeeded":
            failure = job["failure"] or {"message": "The film was canceled.", "next_step": ""}
            bar.close()
            self._end(FAILED, f"{failure['message']} {failure['next_step']}".strip())
        film = client.download(job)
        taken = f"film {time.monotonic() - started:.1f} s."
        _write(film, output)
        return f"{output}: {len(film) / 1e6:.1f} MB. Accepted in {accepted * 1000:.0f} ms{first_picture}, {taken}"

    def _read(self, photo: Path) -> bytes:
        try:
            return photo.read_bytes()
        except OSError as error:
            self._end(LOCAL, f"{photo} cannot be read: {error.strerror or error}.")

    def _check(self, output: Path) -> None:
        """End before a film is ordered when the output cannot be written."""
        try:
            if not output.resolve().parent.is_dir():
                self._end(LOCAL, f"There is no folder {output.resolve().parent} for the film.")
            if output.exists() and not output.is_file():
                self._end(LOCAL, f"{output} is there already and is not a file.")
            _write(b"", output, is_trial=True)
        except OSError as error:
            self._end(LOCAL, f"{output} cannot be written: {error.strerror or error}.")

    def _stop(self, client: HeroClient) -> NoReturn:
        """Cancel the order and say what came of it. A second Ctrl-C does not wait for that."""
        if self._job is None:
            self._end(INTERRUPTED, "Stopped before the server had taken the photo.")
        try:
            is_canceled = client.cancel(self._job)["status"] == "canceled"
        except (Refused, Unreachable, KeyboardInterrupt):
            self._end(INTERRUPTED, "Stopped. The server could not be told; the film goes on there.")
        said = (
            "Stopped, and the film is canceled."
            if is_canceled
            else "Stopped. The film had ended by itself just before."
        )
        self._end(INTERRUPTED, said)

    def _end(self, code: int, message: str) -> NoReturn:
        self.stderr.write(message)
        sys.exit(code)


def _server(text: str) -> str:
    try:
        return read_server(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no address like http://127.0.0.1:8000") from None


def _write(film: bytes, output: Path, *, is_trial: bool = False) -> None:
    """Write the film there, whole or not at all."""
    part = output.with_name(output.name + ".part")
    try:
        part.write_bytes(film)
        if not is_trial:
            part.replace(output)
    finally:
        part.unlink(missing_ok=True)


def _draw(bar: tqdm, state: dict[str, Any]) -> None:
    """Show a state of the job."""
    span, ahead = state["queue"]["eta_seconds"], state["queue"]["position"]
    place = f"{ahead} ahead, " if ahead else ""
    bar.n = max(bar.n, round(state["progress"] * 100))
    bar.set_postfix_str(f"{place}{span['p50']} to {span['p90']} s", refresh=False)
    bar.set_description_str(state["stage"].replace("_", " "))
