"""People in front of nginx: some read, some send photos, some wait on a socket; each answer is counted.

A read fails when it is not answered with what was asked for. An upload has an Idempotency-Key and is sent once, unless
`retries`, with which it is sent again after a 503 or a lost connection, as the page does.
"""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections import Counter
from pathlib import Path
from statistics import quantiles

import requests

PATHS = ("/", "/api/v1/looks/", "/healthz", "/status.json", "/privacy/", "/me/")
AGAIN_SECONDS = 1.0


class Load:
    """`with Load(url, ca, photo) as load:` sends until the block ends."""

    def __init__(
        self,
        url: str,
        ca: Path,
        photo: bytes,
        *,
        readers: int = 6,
        senders: int = 2,
        pause: float = 0.1,
        retries: int = 0,
    ) -> None:
        self.url, self.ca, self.photo = url, ca, photo
        self.pause, self.retries = pause, retries
        self.failures: list[str] = []
        self.counts: Counter[str] = Counter()
        self.seconds: dict[str, list[float]] = {"read": [], "upload": []}
        self.accepted: list[tuple[requests.Session, str]] = []
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._threads = [threading.Thread(target=self._read, name=f"reader-{n}") for n in range(readers)]
        self._threads += [threading.Thread(target=self._send, name=f"sender-{n}") for n in range(senders)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join(90)

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    def p99(self, kind: str) -> float:
        return quantiles(self.seconds[kind], n=100)[98]

    def until(self, count: int, *, seconds: float) -> None:
        """Return when so many requests were made; fail when that takes longer than this."""
        give_up_at = time.monotonic() + seconds
        while self.total < count:
            assert time.monotonic() < give_up_at, f"{self.total} of {count} requests in {seconds:g} s"
            self._ending.wait(0.1)

    def report(self) -> str:
        reads, uploads = self.counts["read"], self.counts["upload"]
        times = ", ".join(f"{kind} p99 {self.p99(kind):.3f} s" for kind in self.seconds if len(self.seconds[kind]) > 1)
        return f"{self.total} requests ({reads} reads, {uploads} uploads), {len(self.failures)} failed; {times}"

    def _session(self) -> requests.Session:
        session = requests.Session()
        session.trust_env, session.verify = False, str(self.ca)
        return session

    def _read(self) -> None:
        # A browser keeps its connection, a program makes a new one for each request: half and half.
        session = self._session()
        while not self._ending.is_set():
            own = list(self.accepted[-20:])
            if own and random.random() < 0.4:
                asking, job_id = random.choice(own)
                path = f"/api/v1/jobs/{job_id}/"
                cookies = asking.cookies
            else:
                path, cookies = random.choice(PATHS), None
            if random.random() < 0.5:
                session = self._session()
            self._ask(
                "read", lambda s=session, p=path, c=cookies: s.get(self.url + p, cookies=c, timeout=30), path, 200
            )
            self._ending.wait(self.pause * random.random() * 2)

    def _send(self) -> None:
        while not self._ending.is_set():
            session, key = self._session(), str(uuid.uuid4())
            answer = self._ask("read", lambda s=session: s.get(f"{self.url}/api/v1/looks/", timeout=30), "looks", 200)
            if answer is not None:
                self._upload(session, key)
            self._ending.wait(self.pause * 5)

    def _upload(self, session: requests.Session, key: str) -> None:
        def post() -> requests.Response:
            return session.post(
                f"{self.url}/api/v1/jobs/",
                data={"look": "neon-noir", "consent": "true"},
                files={"selfie": ("me.jpg", self.photo, "image/jpeg")},
                headers={"Idempotency-Key": key},
                timeout=60,
            )

        for attempt in range(self.retries + 1):
            answer = self._ask("upload", post, "upload", 202, counts=attempt == self.retries)
            if answer is not None:
                with self._lock:
                    self.accepted.append((session, answer.json()["id"]))
                return
            time.sleep(AGAIN_SECONDS)

    def _ask(self, kind, call, what: str, expected: int, *, counts: bool = True) -> requests.Response | None:
        began = time.monotonic()
        try:
            answer = call()
            problem = "" if answer.status_code == expected else f"{what}: {answer.status_code} {answer.text[:120]}"
        except requests.RequestException as error:
            answer, problem = None, f"{what}: {type(error).__name__} {error}"[:200]
        took = time.monotonic() - began
        with self._lock:
            self.counts[kind] += 1
            self.seconds[kind].append(took)
            if problem:
                self.counts["again" if not counts else "failed"] += 0
                if counts:
                    self.failures.append(f"{problem} after {took:.1f} s")
        return None if problem else answer
