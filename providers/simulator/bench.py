"""CPU time per prediction: `python -m providers.simulator.bench [--predictions 1000] [--rate 100] [--answer 0.3]`.

Runs `manage.py simulator` as a process of its own and acts as the product in this one: it submits with a webhook,
accepts the webhook, fetches the status `--polls` times and downloads the film. It prints the CPU time, user and
system, that the simulator's process used between the first submit and the last download, from /proc.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

PROJECT_DIR = Path(__file__).resolve().parents[2]
SUBMITS: dict[str, tuple[str, str, dict[str, str]]] = {
    "wavespeed": ("/wavespeed/api/v3/wavespeed-ai/wan-2.2/i2v-720p", "Bearer", {"image": "https://hero.example/1.jpg"}),
    "replicate": (
        "/replicate/v1/models/kwaivgi/kling-v2.1/predictions",
        "Bearer",
        {"start_image": "https://h.example/1"},
    ),
    "fal": ("/fal/fal-ai/wan/v2.2-a14b/image-to-video", "Key", {"image_url": "https://hero.example/1.jpg"}),
}


def cpu_seconds(process_id: int) -> tuple[float, float]:
    """Return the user and system time of a process so far."""
    fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) / os.sysconf("SC_CLK_TCK"), int(fields[12]) / os.sysconf("SC_CLK_TCK")


class Client:
    """Makes predictions at a rate, accepts their webhooks and downloads their films."""

    def __init__(self, url: str, provider: str, polls: int) -> None:
        self.url, self.provider, self.polls = url, provider, polls
        self.path, self.scheme, self.input = SUBMITS[provider]
        self.webhooks: dict[str, asyncio.Future[Any]] = {}
        self.lags: list[float] = []

    async def receive(self, request: web.BaseRequest) -> web.Response:
        body = await request.read()
        self.webhooks[request.path.rpartition("/")[2]].set_result(body)
        return web.Response(status=204)

    async def run(self, count: int, rate: float) -> float:
        """Make so many predictions; return the seconds it took."""
        loop = asyncio.get_running_loop()
        listener = await loop.create_server(web.Server(self.receive, access_log=None), "127.0.0.1", 0)
        self.hooks = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/webhooks/{self.provider}"
        connector = aiohttp.TCPConnector(limit=0)
        headers = {"Authorization": f"{self.scheme} bench"}
        began = loop.time()
        async with aiohttp.ClientSession(self.url, connector=connector, headers=headers) as self.session:
            tasks = []
            for number in range(count):
                await asyncio.sleep(max(0.0, began + number / rate - loop.time()))
                tasks.append(asyncio.create_task(self.one(f"{number:032x}")))
            await asyncio.gather(*tasks)
        listener.close()
        return loop.time() - began

    async def one(self, reference: str) -> None:
        webhook = self.webhooks[reference] = asyncio.get_running_loop().create_future()
        body: dict[str, Any] = {"prompt": "a hero in the rain, neon, cinematic, slow push in", **self.input}
        params = {}
        if self.provider == "replicate":
            body = {"input": body, "webhook": f"{self.hooks}/{reference}", "webhook_events_filter": ["completed"]}
        else:
            params = {"wavespeed": "webhook", "fal": "fal_webhook"}
            params = {params[self.provider]: f"{self.hooks}/{reference}"}
        async with self.session.post(self.path, json=body, params=params) as response:
            response.raise_for_status()
            made = await response.json()
        for _ in range(self.polls):
            async with self.session.get(status_url(self.provider, made)) as response:
                await response.read()
        video = film_url(self.provider, json.loads(await webhook))
        async with self.session.get(video) as response:
            response.raise_for_status()
            assert len(await response.read()) > 1000


def status_url(provider: str, made: dict[str, Any]) -> str:
    if provider == "wavespeed":
        return made["data"]["urls"]["get"]
    return made["status_url"] if provider == "fal" else made["urls"]["get"]


def film_url(provider: str, webhook: dict[str, Any]) -> str:
    if provider == "wavespeed":
        return webhook["outputs"][0]
    return webhook["payload"]["video"]["url"] if provider == "fal" else webhook["output"]


def start_simulator() -> tuple[subprocess.Popen[str], str]:
    """Start the simulator on a free port; return the process and its URL."""
    process = subprocess.Popen(  # nosec B603 - our own command
        [sys.executable, "manage.py", "simulator", "--port", "0"], cwd=PROJECT_DIR, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    said = process.stdout.readline().strip()
    if not said.startswith("simulator listening on "):
        process.kill()
        raise SystemExit(f"The simulator did not start; it said “{said}”.")
    return process, said.rpartition(" ")[2]


async def measure(url: str, process_id: int, provider: str, choices: argparse.Namespace) -> float:
    """Return the CPU milliseconds of one prediction."""
    async with aiohttp.ClientSession(url) as session:
        await session.post("/control/reset")
        times = {"answer": choices.answer, "duration": choices.duration}
        async with session.put(f"/control/{provider}", json={"times": times}) as response:
            response.raise_for_status()
        await Client(url, provider, choices.polls).run(50, choices.rate)  # warm up
        before = cpu_seconds(process_id)
        took = await Client(url, provider, choices.polls).run(choices.predictions, choices.rate)
        after = cpu_seconds(process_id)
        user, system = after[0] - before[0], after[1] - before[1]
        async with session.get("/control/state") as response:
            state = (await response.json())["providers"][provider]
    count = choices.predictions
    assert state["downloads"] == state["accepted"] == count + 50, state
    print(  # noqa: T201 a tool for the terminal
        f"{provider:10} {count} predictions in {took:.1f} s ({count / took:.0f}/s), most open {state['most_open']}: "
        f"{user:.2f} s user + {system:.2f} s system = {(user + system) / count * 1000:.2f} ms a prediction"
    )
    return (user + system) / count * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--predictions", type=int, default=1000)
    parser.add_argument("--rate", type=float, default=100.0, help="creations a second")
    parser.add_argument("--answer", type=float, default=0.3, help="seconds until a creation is answered")
    parser.add_argument("--duration", type=float, default=1.0, help="seconds a prediction runs")
    parser.add_argument("--polls", type=int, default=0, help="status calls of each prediction")
    choices = parser.parse_args()
    process, url = start_simulator()
    try:
        time.sleep(0.5)
        figures = [asyncio.run(measure(url, process.pid, provider, choices)) for provider in SUBMITS]
        print(f"mean       {statistics.mean(figures):.2f} ms a prediction")  # noqa: T201
    finally:
        process.terminate()
        process.wait(10)


if __name__ == "__main__":
    main()
