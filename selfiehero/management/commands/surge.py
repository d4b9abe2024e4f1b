"""`manage.py surge`: rehearse the evening it goes viral, and the morning after."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.live import Live
from rich.table import Table

from selfiehero.surge import staging, summary
from selfiehero.surge.plan import Plan
from selfiehero.surge.summary import Sample
from selfiehero.surge.visitors import Choices, Crowd

MORNING_SECONDS = 60.0


class Command(BaseCommand):
    help = "Start the product and simulated clouds, play a viral evening and the morning after, and write a report."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--rate", type=_positive, default=5000.0, help="people a minute at the peak (5000)")
        parser.add_argument("--hold", type=_positive, default=180.0, help="seconds at the peak (180)")
        parser.add_argument("--ramp", type=_positive, default=20.0, help="seconds up to it, and down again (20)")
        parser.add_argument("--small", action="store_true", help="photos of 512x512 and films of 12 kB")
        parser.add_argument("--sockets", type=_share, default=1.0, help="share of pages with a socket (1.0)")
        parser.add_argument(
            "--scenario", default="viral", help="limits and faults: viral, stormy, everyday, or a JSON file"
        )
        parser.add_argument("--database-url", default="", help="PostgreSQL instead of SQLite; it must be empty")
        parser.add_argument(
            "--set", action="append", default=[], metavar="NAME=VALUE", help="a variable of .env.example"
        )
        parser.add_argument("--photo", type=Path, default=staging.PHOTO, help="what everybody sends")
        parser.add_argument(
            "--drain", type=_positive, default=600.0, help="seconds that films may take at the end (600)"
        )
        parser.add_argument("--url", default="", help="rehearse this staging site instead of starting a product")
        parser.add_argument("--token", default="", help="API token there")
        parser.add_argument("-o", "--out", type=Path, help="folder of the report; var/surge/<time> otherwise")

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["photo"].is_file():
            raise CommandError(f"There is no photo at {options['photo']}: name one with --photo.")
        variables = dict(item.split("=", 1) for item in options["set"] if "=" in item)
        if len(variables) != len(options["set"]):
            raise CommandError("--set takes NAME=VALUE.")
        if options["database_url"]:
            variables["DATABASE_URL"] = options["database_url"]
        out = options["out"] or Path("var") / "surge" / time.strftime("%Y-%m-%dT%H-%M-%S")
        out.mkdir(parents=True, exist_ok=True)
        console = Console(file=sys.stdout)
        try:
            found = asyncio.run(Rehearsal(options, variables, out, console).run())
        except staging.DidNotStart as error:
            raise CommandError(f"The product did not start:\n{error}") from None
        wrong = summary.verdict(found)
        for sentence in wrong:
            console.print(f"[red]{sentence}[/red]")
        console.print(f"Report: {out / 'surge.html'}")
        if wrong:
            sys.exit(1)


class Rehearsal:
    """One evening, from the start of the product to the report."""

    def __init__(self, options: dict[str, Any], variables: dict[str, str], out: Path, console: Console) -> None:
        self.options, self.variables, self.out, self.console = options, variables, out, console
        self.plan = Plan(
            peak=options["rate"] / 60,
            ramp_seconds=options["ramp"],
            hold_seconds=options["hold"],
            back_seconds=options["ramp"],
        )
        self.samples: list[Sample] = []

    async def run(self) -> dict[str, Any]:
        """Return what was measured, after it was written."""
        async with self._product() as (session, url, product):
            choices = Choices(
                photo=staging.photo(is_small=self.options["small"], path=self.options["photo"]),
                token=self.options["token"],
                sockets=self.options["sockets"],
            )
            crowd = Crowd(url, self.plan, choices)
            if product is not None and not self.options["small"]:
                await product.honest_films(session)
            await self._watch(session, crowd, product)
            more: dict[str, Any] = {}
            if product is not None:
                more["clouds"] = await product.clouds(session)
                more["ledger"] = await asyncio.to_thread(product.ledger)
                more["morning"] = await self._morning(product)
            found = summary.figures(
                crowd.visits,
                self.samples,
                answers=crowd.answers,
                errors=crowd.errors,
                last_arrival=self.plan.seconds,
                more=more,
            )
        summary.write(self.out, found, crowd.visits, self.samples)
        return found

    @contextlib.asynccontextmanager
    async def _product(self) -> AsyncIterator[tuple[aiohttp.ClientSession, str, staging.Staging | None]]:
        async with aiohttp.ClientSession() as session:
            if self.options["url"]:
                yield session, self.options["url"].rstrip("/"), None
                return
            with tempfile.TemporaryDirectory(prefix="surge-", ignore_cleanup_errors=True) as folder:
                product = staging.Staging(Path(folder), scenario=self.options["scenario"], **self.variables)
                self.console.print("Starting the product …")
                await product.start(session)
                try:
                    yield session, product.url, product
                finally:
                    await asyncio.to_thread(product.stop)

    async def _watch(self, session: aiohttp.ClientSession, crowd: Crowd, product: staging.Staging | None) -> None:
        """Let the crowd come, and look once a second."""
        coming = asyncio.create_task(crowd.run(give_up_after=self.options["drain"]))
        await asyncio.sleep(0)
        with Live(console=self.console, refresh_per_second=2, transient=not self.console.is_terminal) as live:
            while True:
                self.samples.append(await self._sample(session, crowd, product))
                live.update(self._table(crowd))
                if coming.done():
                    break
                await asyncio.wait([coming], timeout=1.0)
        await coming

    async def _sample(self, session: aiohttp.ClientSession, crowd: Crowd, product: staging.Staging | None) -> Sample:
        load: dict[str, Any] = {}
        try:
            async with session.get(f"{crowd.url}/readyz", timeout=aiohttp.ClientTimeout(total=2)) as answer:
                load = (await answer.json(content_type=None)).get("load", {})
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
            crowd.errors["readyz"] += 1
        return Sample(
            at=crowd.now(),
            offered=len(crowd.visits),
            accepted=crowd.answers["202"],
            refused=crowd.answers["503"],
            ended=sum(1 for visit in crowd.visits if visit.status),
            backlog=load.get("waiting"),
            level=load.get("level", ""),
            sockets=crowd.sockets,
            usage=product.usage() if product is not None else {},
        )

    def _table(self, crowd: Crowd) -> Table:
        now = self.samples[-1]
        recent = [visit.accept_seconds for visit in crowd.visits[-500:] if visit.accept_seconds is not None]
        table = Table(title=f"surge, {now.at:.0f} of {self.plan.seconds:.0f} s", show_header=False)
        ms = {
            name: "–" if value is None else f"{value * 1000:.0f} ms" for name, value in summary.spread(recent).items()
        }
        for name, value in (
            ("people", now.offered),
            ("accepted", now.accepted),
            ("503", now.refused),
            ("ended", now.ended),
            ("backlog", "–" if now.backlog is None else now.backlog),
            ("level", now.level or "–"),
            ("sockets", now.sockets),
            ("to the 202", f"{ms['p50']}, p99 {ms['p99']}"),
            ("errors", dict(crowd.errors) or "none"),
        ):
            table.add_row(name, str(value))
        return table

    async def _morning(self, product: staging.Staging) -> dict[str, Any]:
        """Let a day go by for every photo; return how long it took until all were gone."""
        self.console.print("The morning after …")
        due = await asyncio.to_thread(product.begin_next_morning)
        began = time.monotonic()
        left = await asyncio.to_thread(product.not_erased)
        while left and time.monotonic() - began < MORNING_SECONDS + due / 50:
            await asyncio.sleep(1.0)
            left = await asyncio.to_thread(product.not_erased)
        seconds = round(time.monotonic() - began, 1)
        return {"due": due, "seconds": seconds, "jobs_left": left, "photos_left": product.photos_left()}


def _positive(text: str) -> float:
    value = float(text)
    if value <= 0:
        raise argparse.ArgumentTypeError("a number above 0")
    return value


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError("a share from 0 to 1")
    return value
