"""What people do: send a photo, come back when the door is full, wait with a socket or by polling, look at the film."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import aiohttp

from .plan import Plan

BOUNDARY = "------------------------surge"
ANSWER_SECONDS = 60.0
POLL_SECONDS = 5.0
# A phone that is locked while its owner waits: its socket is gone for so long.
LOCKED_AFTER, LOCKED_FOR = 3.0, 20.0
FINAL = ("succeeded", "failed", "canceled")


@dataclass
class Visit:
    """One person's evening. Times are seconds since the start of the surge."""

    came: float
    refused: int = 0
    accepted: float | None = None  # when the 202 came
    accept_seconds: float | None = None  # from the last POST to its 202
    promised: tuple[int, int] | None = None  # the range in the 202
    first_picture: float | None = None
    ended: float | None = None
    status: str = ""
    push_seconds: float | None = None  # from the end in the database to its frame at the page
    has_watched: bool = False


@dataclass
class Choices:
    """How people behave."""

    photo: bytes
    look: str = "neon-noir"
    token: str = ""
    sockets: float = 1.0  # share that waits with a socket; the others poll
    locked: float = 0.1  # share of those whose phone is locked for a while
    watchers: float = 0.1  # share that downloads the film
    patience: float = 600.0  # seconds until a person who is not let in gives up


@dataclass
class Crowd:
    """Everybody who comes. `run` returns when all have left."""

    url: str
    plan: Plan
    choices: Choices
    visits: list[Visit] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    sockets: int = 0
    began: float = 0.0

    def now(self) -> float:
        return time.monotonic() - self.began

    async def run(self, *, give_up_after: float) -> None:
        """Let everybody come at their time; return when all have left, or so many seconds after the last came."""
        self.began = time.monotonic()
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
        jar = aiohttp.DummyCookieJar()
        async with aiohttp.ClientSession(connector=connector, cookie_jar=jar, timeout=timeout) as session:
            tasks = set()
            for at in self.plan.arrivals():
                await asyncio.sleep(max(0.0, at - self.now()))
                task = asyncio.create_task(self._visit(session, self._arrive(at)))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            if tasks:
                _, late = await asyncio.wait(tasks, timeout=give_up_after)
                for task in late:
                    task.cancel()
                await asyncio.gather(*late, return_exceptions=True)

    def _arrive(self, at: float) -> Visit:
        self.visits.append(Visit(came=at))
        return self.visits[-1]

    async def _visit(self, session: aiohttp.ClientSession, visit: Visit) -> None:
        try:
            accepted = await self._get_in(session, visit)
            if accepted is None:
                return
            job, headers = accepted
            if random.random() < self.choices.sockets:  # noqa: S311 no secret
                await self._wait_with_socket(session, visit, job, headers)
            else:
                await self._poll(session, visit, job, headers)
            await self._watch(session, visit, job, headers)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            self.errors[type(error).__name__] += 1

    async def _get_in(
        self, session: aiohttp.ClientSession, visit: Visit
    ) -> tuple[dict[str, Any], dict[str, str]] | None:
        """Send the photo until it is taken; return the job and the headers that its owner sends, None for giving up."""
        headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}", "Accept": "application/json"}
        headers["Idempotency-Key"] = f"{random.getrandbits(96):024x}"
        if self.choices.token:
            headers["Authorization"] = f"Token {self.choices.token}"
        cookies: dict[str, str] = {}
        while True:
            began = self.now()
            own = headers | ({"Cookie": "; ".join(f"{n}={v}" for n, v in cookies.items())} if cookies else {})
            try:
                async with session.post(f"{self.url}/api/v1/jobs/", data=self._body(), headers=own) as answer:
                    body, status, seconds = await answer.read(), answer.status, answer.headers.get("Retry-After", "")
                    cookies |= {name: morsel.value for name, morsel in answer.cookies.items()}
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                body, status, seconds = b"", 0, "5"
                self.errors[f"upload {type(error).__name__}"] += 1
            self.answers[str(status or "none")] += 1
            if status == 202:
                job = json.loads(body)
                visit.accepted, visit.accept_seconds = self.now(), self.now() - began
                eta = job["queue"]["eta_seconds"]
                visit.promised = (eta["p50"], eta["p90"]) if eta else None
                named = "; ".join(f"{name}={value}" for name, value in cookies.items())
                kept = {"Authorization": headers["Authorization"]} if self.choices.token else {"Cookie": named}
                return job, kept
            if status not in (0, 429, 503):
                return None
            visit.refused += 1
            wait = float(seconds) if seconds.isdigit() else 5.0
            if self.now() + wait - visit.came > self.choices.patience:
                return None
            await asyncio.sleep(wait)

    def _body(self) -> bytes:
        fields = "".join(
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
            for name, value in (("look", self.choices.look), ("consent", "true"))
        )
        head = f'{fields}--{BOUNDARY}\r\nContent-Disposition: form-data; name="selfie"; filename="me.jpg"\r\n'
        return (
            f"{head}Content-Type: image/jpeg\r\n\r\n".encode() + self.choices.photo + f"\r\n--{BOUNDARY}--\r\n".encode()
        )

    async def _wait_with_socket(
        self, session: aiohttp.ClientSession, visit: Visit, job: dict[str, Any], headers: dict[str, str]
    ) -> None:
        is_locked_soon = random.random() < self.choices.locked  # noqa: S311 no secret
        address = f"{self.url}{job['links']['socket']}"
        while not visit.status:
            patience = LOCKED_AFTER if is_locked_soon else None
            try:
                async with session.ws_connect(address, origin=self.url, headers=headers) as socket:
                    self.sockets += 1
                    try:
                        await asyncio.wait_for(self._listen(socket, visit), patience)
                    finally:
                        self.sockets -= 1
            except TimeoutError:
                await asyncio.sleep(LOCKED_FOR)
            except (aiohttp.ClientError, OSError) as error:
                self.errors[f"socket {type(error).__name__}"] += 1
                await asyncio.sleep(1.0)
            is_locked_soon = False
            if not visit.status and not patience:
                await asyncio.sleep(random.uniform(1.0, 10.0))  # noqa: S311 as the page does after a close
                await self._read(session, visit, job, headers)

    async def _listen(self, socket: aiohttp.ClientWebSocketResponse, visit: Visit) -> None:
        is_first = True
        async for message in socket:
            if message.type == aiohttp.WSMsgType.TEXT and (job := json.loads(message.data).get("job")):
                self._saw(visit, job)
                if job["status"] in FINAL:
                    if not is_first:
                        visit.push_seconds = max(
                            0.0, time.time() - datetime.fromisoformat(job["finished_at"]).timestamp()
                        )
                    return
                is_first = False

    async def _poll(
        self, session: aiohttp.ClientSession, visit: Visit, job: dict[str, Any], headers: dict[str, str]
    ) -> None:
        while not visit.status:
            await asyncio.sleep(POLL_SECONDS * random.uniform(0.8, 1.2))  # noqa: S311 no secret
            await self._read(session, visit, job, headers)

    async def _read(
        self, session: aiohttp.ClientSession, visit: Visit, job: dict[str, Any], headers: dict[str, str]
    ) -> None:
        async with session.get(f"{self.url}{job['links']['self']}", headers=headers) as answer:
            self.answers[f"read {answer.status}"] += 1
            if answer.status == 200:
                self._saw(visit, await answer.json())

    def _saw(self, visit: Visit, job: dict[str, Any]) -> None:
        if visit.first_picture is None and (job["links"]["poster"] or job["links"]["video"]):
            visit.first_picture = self.now()
        if job["status"] in FINAL and not visit.status:
            visit.status, visit.ended = job["status"], self.now()

    async def _watch(
        self, session: aiohttp.ClientSession, visit: Visit, job: dict[str, Any], headers: dict[str, str]
    ) -> None:
        if visit.status != "succeeded" or random.random() >= self.choices.watchers:  # noqa: S311 no secret
            return
        async with session.get(f"{self.url}{job['links']['self']}", headers=headers) as answer:
            film = (await answer.json())["links"]["video"]
        async with session.get(film if "://" in film else f"{self.url}{film}", headers=headers) as answer:
            self.answers[f"film {answer.status}"] += 1
            visit.has_watched = answer.status in (200, 206) and bool(await answer.read())
