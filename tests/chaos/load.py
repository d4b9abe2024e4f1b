"""What visitors do in a storm, over HTTP through the public door, and the rig's own ledger of every answer.

Most send a photo with an Idempotency-Key and send it again with the same key when the answer is lost or the door
says 503, 507 or 429. Some send it twice at once, some repeat it later, some send without a key and never again; some
cancel, some erase. Whatever was answered is written down before anything else is done.
"""

from __future__ import annotations

import io
import json
import os
import random
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from PIL import Image

PHOTO = Path(__file__).resolve().parents[1] / "photos" / "astronaut.jpg"
PHOTO_WIDTH = 360
NO_ANSWER = 0
# What a door may answer that cannot take a photo now.
REFUSALS = frozenset({429, 503, 507})
PATIENCE = 90.0
REQUEST_SECONDS = 30.0


@dataclass(frozen=True)
class Accepted:
    """One 202 to an upload."""

    job_id: str
    visitor: int
    key: str | None
    at: float


@dataclass
class Ledger:
    """Every answer, in a file that is only ever appended to, and in memory."""

    path: Path
    accepted: list[Accepted] = field(default_factory=list)
    canceled: set[str] = field(default_factory=set)
    erased: set[str] = field(default_factory=set)
    ended: dict[str, dict[str, Any]] = field(default_factory=dict)  # what a visitor was shown of an ended job
    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    strange: list[str] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)  # seconds to each 202

    def __post_init__(self) -> None:
        self._file = os.open(self.path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
        self._lock = threading.Lock()

    def close(self) -> None:
        os.close(self._file)

    def asked_to_end(self) -> set[str]:
        """Return the jobs that a visitor tried to cancel or erase, whether or not that was answered."""
        lines = (json.loads(line) for line in self.path.read_text().splitlines())
        return {line["id"] for line in lines if line["what"] in ("cancel", "erase")}

    def note(self, what: str, status: int, **facts: Any) -> None:
        line = json.dumps({"at": round(time.time(), 3), "what": what, "status": status, **facts})
        with self._lock:
            os.write(self._file, line.encode() + b"\n")
            self.answers[what, status] += 1
            if status not in REFUSALS | {NO_ANSWER, 200, 202}:
                self.strange.append(line)


class Visitor:
    """One person with a cookie."""

    def __init__(self, url: str, ledger: Ledger, number: int) -> None:
        self.url, self.ledger, self.number = url, ledger, number
        self.cookies: dict[str, str] = {}

    def arrive(self) -> bool:
        """Get a cookie; return whether there is one now."""
        if not self.cookies:
            answer = self._call("looks", "GET", "/api/v1/looks/")
            if answer is not None and answer.status_code == 200:
                self.cookies = answer.cookies.get_dict()
        return bool(self.cookies)

    def upload(self, photo: bytes, *, key: str | None, name: str) -> tuple[int, str]:
        """Send a photo once; return the status (NO_ANSWER when there was none) and the job's id."""
        began = time.monotonic()
        answer = self._call(
            "upload",
            "POST",
            "/api/v1/jobs/",
            notes={"visitor": self.number, "key": key},
            headers={"Idempotency-Key": key} if key else {},
            data={"look": "neon-noir", "consent": "true", "hero_name": name},
            files={"selfie": ("selfie.jpg", photo, "image/jpeg")},
        )
        if answer is None:
            return NO_ANSWER, ""
        if answer.status_code != 202:
            return answer.status_code, ""
        job_id = answer.json()["id"]
        self.ledger.accepted.append(Accepted(job_id, self.number, key, time.time()))
        self.ledger.waits.append(time.monotonic() - began)
        return 202, job_id

    def read(self, job_id: str) -> dict[str, Any] | None:
        """Return the job as its owner sees it, None without an answer or when the server is busy."""
        answer = self._call("read", "GET", f"/api/v1/jobs/{job_id}/", notes={"id": job_id})
        if answer is None or answer.status_code != 200:
            return None
        job = answer.json()
        if job["finished_at"]:
            self.ledger.ended[job_id] = job
        return job

    def cancel(self, job_id: str) -> int:
        answer = self._call("cancel", "POST", f"/api/v1/jobs/{job_id}/cancel/", notes={"id": job_id})
        if answer is not None and answer.status_code == 202:
            self.ledger.canceled.add(job_id)
        return answer.status_code if answer is not None else NO_ANSWER

    def erase(self, job_id: str) -> int:
        answer = self._call("erase", "DELETE", f"/api/v1/jobs/{job_id}/", notes={"id": job_id})
        if answer is not None and answer.status_code == 202 and answer.json()["receipt"]:
            self.ledger.erased.add(job_id)
        return answer.status_code if answer is not None else NO_ANSWER

    def _call(
        self, what: str, method: str, path: str, *, notes: dict[str, Any] | None = None, **content: Any
    ) -> requests.Response | None:
        facts = dict(notes or {})
        try:
            with requests.Session() as session:
                session.trust_env = False
                answer = session.request(
                    method, self.url + path, cookies=self.cookies, timeout=REQUEST_SECONDS, **content
                )
                if answer.status_code == 202 and what == "upload":
                    facts["id"] = answer.json()["id"]
                elif answer.status_code >= 400:
                    facts["body"] = answer.text[:300]
        except (requests.RequestException, ValueError) as error:
            self.ledger.note(what, NO_ANSWER, error=type(error).__name__, **facts)
            return None
        self.ledger.note(what, answer.status_code, **facts)
        return answer


class Load:
    """`with Load(url, ledger, seed=1, per_second=3) as load:` sends until the end of the block."""

    def __init__(self, url: str, ledger: Ledger, *, seed: int, per_second: float, visitors: int = 12) -> None:
        self.url, self.ledger, self.seed = url, ledger, seed
        self.per_second, self.photo = per_second, small_photo()
        self.given_up = 0
        # Set while the queue is long enough: a storm is about faults, not about more than a small machine can do.
        self.is_crowded = threading.Event()
        self.turned_away = 0
        self._stopping = threading.Event()
        self._turn, self._next_at = threading.Lock(), time.monotonic()
        self._threads = [
            threading.Thread(target=self._live, args=(number,), name=f"visitor-{number}") for number in range(visitors)
        ]

    def __enter__(self) -> Load:
        self._next_at = time.monotonic()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Send nothing new; what was begun is carried to an answer."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def probe(self, *, number: int, seconds: float) -> float | None:
        """Send one photo and wait for its end; return how long that took, None when it was too long."""
        began = time.monotonic()
        visitor, key, job_id = Visitor(self.url, self.ledger, number), secrets.token_hex(8), ""
        while time.monotonic() - began < seconds:
            if not job_id and visitor.arrive():
                _, job_id = visitor.upload(self.photo, key=key, name="PROBE")
            elif job_id and (job := visitor.read(job_id)) and job["finished_at"]:
                return time.monotonic() - began
            time.sleep(0.25)
        return None

    # --- A visitor's life -------------------------------------------------------------------------

    def _live(self, number: int) -> None:
        dice = random.Random(f"{self.seed}:{number}")
        visitor = Visitor(self.url, self.ledger, number)
        mine: list[tuple[str, str | None]] = []
        while not self._stopping.is_set():
            if not visitor.arrive():
                self._stopping.wait(0.3)
                continue
            self._await_turn()
            if self._stopping.is_set():
                return
            if self.is_crowded.is_set():
                self.turned_away += 1
                continue
            self._do_something(visitor, dice, mine)

    def _do_something(self, visitor: Visitor, dice: random.Random, mine: list[tuple[str, str | None]]) -> None:
        what, key = dice.random(), secrets.token_hex(8)
        name = f"HERO-{dice.randrange(1000)}"
        if what < 0.08:
            job_id = visitor.upload(self.photo, key=None, name=name)[1]
            key = None
        elif what < 0.16:
            with ThreadPoolExecutor(2) as pair:
                both = [pair.submit(visitor.upload, self.photo, key=key, name=name) for _ in range(2)]
            job_id = next((found for _, found in (future.result() for future in both) if found), "")
            job_id = job_id or self._insist(visitor, key, name)
        else:
            job_id = self._insist(visitor, key, name)
            if job_id and what < 0.22:
                self._insist(visitor, key, name)  # once more with the same key, later than the answer
        if job_id:
            mine.append((job_id, key))
        if not mine:
            return
        some_id, _ = dice.choice(mine[-20:])
        then = dice.random()
        if then < 0.05:
            self._until_answered(lambda: visitor.cancel(some_id))
        elif then < 0.10:
            self._until_answered(lambda: visitor.erase(some_id))
        elif then < 0.50:
            visitor.read(some_id)

    def _insist(self, visitor: Visitor, key: str, name: str) -> str:
        """Send a photo until it is accepted, always with the same key."""
        found = [""]

        def send() -> int:
            status, found[0] = visitor.upload(self.photo, key=key, name=name)
            return status

        self._until_answered(send)
        return found[0]

    def _until_answered(self, send: Callable[[], int]) -> None:
        end = time.monotonic() + PATIENCE
        while send() in REFUSALS | {NO_ANSWER}:
            if time.monotonic() > end:
                self.given_up += 1
                return
            time.sleep(0.5)

    def _await_turn(self) -> None:
        with self._turn:
            now = time.monotonic()
            # What could not be sent is not made up for: refused visitors keep the pace by themselves.
            self._next_at = max(now, self._next_at + 1 / self.per_second)
            wait = self._next_at - now
        self._stopping.wait(wait)


def small_photo() -> bytes:
    """Return a small photo with a face, so that a storm is about faults and not about pixels."""
    with Image.open(PHOTO) as picture:
        height = round(picture.height * PHOTO_WIDTH / picture.width)
        small = picture.convert("RGB").resize((PHOTO_WIDTH, height), Image.Resampling.LANCZOS)
    into = io.BytesIO()
    small.save(into, "JPEG", quality=75)
    return into.getvalue()
