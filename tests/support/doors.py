"""Everything that people, staff, vendors and probes may knock at, knocked at by many at once.

answers = Doors(rig).knock(people=20)       # each person goes through all doors once
answers.longest, answers.statuses("upload"), answers.report("hung")
"""

from __future__ import annotations

import json
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import requests
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY as BACKEND
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.utils import timezone
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from tests import factories
from tests.support.rig import ALIAS, Rig

# The backend that a session names must know its users; the first one in the settings only counts wrong passwords.
STAFF_BACKEND = "django.contrib.auth.backends.ModelBackend"
# What each door answers when nothing is wrong.
USUAL = {
    "upload": 202,
    "form": 302,
    "job": 200,
    "events": 200,
    "list": 200,
    "start page": 200,
    "job page": 200,
    "my page": 200,
    "socket": 101,
    "forged webhook": 401,
    "cancel": 202,
    "erase": 202,
    "ready": 200,
    "admin login": 200,
    "admin list": 200,
}


@dataclass
class Answer:
    status: int
    seconds: float
    retry_after: str | None
    content_type: str
    body: bytes = field(repr=False, default=b"")


class Answers:
    """What came back, door by door."""

    def __init__(self) -> None:
        self.by_door: dict[str, list[Answer]] = defaultdict(list)
        self._lock = threading.Lock()

    def add(self, door: str, answer: Answer) -> None:
        with self._lock:
            self.by_door[door].append(answer)

    def __iter__(self):
        return (answer for answers in self.by_door.values() for answer in answers)

    @property
    def longest(self) -> float:
        return max(answer.seconds for answer in self)

    def statuses(self, door: str) -> set[int]:
        return {answer.status for answer in self.by_door[door]}

    def odd(self) -> dict[str, set[int]]:
        """Return the doors that did not answer as usual, and what they said."""
        return {door: self.statuses(door) for door in self.by_door if self.statuses(door) != {USUAL[door]}}

    def report(self, state: str) -> None:
        """Print how long it took, for people."""
        seconds = sorted(answer.seconds for answer in self)
        slowest = max(self.by_door, key=lambda door: max(answer.seconds for answer in self.by_door[door]))
        times = f"p50 {seconds[len(seconds) // 2]:.3f} s  p99 {seconds[int(len(seconds) * 0.99)]:.3f} s"
        print(f"{state:<12} {len(seconds):4} answers  {times}  longest {seconds[-1]:.3f} s ({slowest})")


class Doors:
    """The doors of a rig's web process, with a member of staff signed in."""

    def __init__(self, rig: Rig) -> None:
        self.rig, self.url = rig, rig.url
        self.photo = factories.tiny_photo(7)
        self.staff = staff_cookies(f"staff-{time.monotonic_ns()}")

    def knock(self, *, people: int, known: list[tuple[requests.Session, str]] = ()) -> Answers:
        """Have so many people go through all doors at once. With `known` each of them comes with a job of theirs."""
        answers = Answers()
        threads = [
            threading.Thread(target=self.one_person, args=(answers, *(known[number] if known else (None, ""))))
            for number in range(people)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return answers

    def people_with_jobs(self, count: int) -> list[tuple[requests.Session, str]]:
        """Return people each of whom has a job already."""
        found = []
        for _ in range(count):
            session = self.session()
            answer = self.upload(session)
            assert answer.status == 202, answer
            found.append((session, json.loads(answer.body)["id"]))
        return found

    def session(self) -> requests.Session:
        session = requests.Session()
        session.trust_env = False
        return session

    def one_person(self, answers: Answers, session: requests.Session | None, job_id: str) -> None:
        session = session or self.session()
        uploaded = self.upload(session)
        answers.add("upload", uploaded)
        if uploaded.status == 202:
            job_id = json.loads(uploaded.body)["id"]
        api = f"/api/v1/jobs/{job_id}/"
        ask = lambda door, *call, **choices: answers.add(door, self.ask(session, *call, **choices))  # noqa: E731
        ask("start page", "GET", "/")
        ask("job", "GET", api)
        ask("job page", "GET", f"/jobs/{job_id}/")
        answers.add("socket", self.open_socket(session, job_id))
        ask("events", "GET", f"{api}events/")
        ask("forged webhook", "POST", "/webhooks/wavespeed/some-token/", data=b"{}")
        ask("list", "GET", "/api/v1/jobs/")
        ask("my page", "GET", "/me/")
        ask("ready", "GET", "/readyz")
        ask("cancel", "POST", f"{api}cancel/")
        ask("erase", "DELETE", api)
        ask("admin login", "GET", "/admin/login/")
        ask("admin list", "GET", "/admin/jobs/job/", cookies=self.staff)

    def upload(self, session: requests.Session) -> Answer:
        data = {"look": "neon-noir", "consent": "true"}
        files = {"selfie": ("me.jpg", self.photo, "image/jpeg")}
        return self.ask(session, "POST", "/api/v1/jobs/", data=data, files=files)

    def ask(self, session: requests.Session, method: str, path: str, **choices: Any) -> Answer:
        started = time.monotonic()
        answer = session.request(method, self.url + path, timeout=60, allow_redirects=False, **choices)
        return Answer(
            answer.status_code,
            time.monotonic() - started,
            answer.headers.get("Retry-After"),
            answer.headers.get("Content-Type", ""),
            answer.content,
        )

    def open_socket(self, session: requests.Session, job_id: str) -> Answer:
        """Open a page's socket and wait for its first snapshot; the status is 101, or the code of its close."""
        started = time.monotonic()
        cookie = "; ".join(f"{name}={value}" for name, value in session.cookies.items())
        address = f"{self.url.replace('http', 'ws', 1)}/ws/jobs/{job_id}/"
        headers = {"Origin": self.url, "Cookie": cookie}
        status = 101
        try:
            with connect(address, additional_headers=headers, proxy=None, compression=None, open_timeout=60) as socket:
                socket.recv(timeout=60)
        except WebSocketException as error:
            received = getattr(error, "rcvd", None)
            status = received.code if received else 0
        return Answer(status, time.monotonic() - started, None, "")


def staff_cookies(name: str) -> dict[str, str]:
    """Make one of the staff and return the cookie that signs them in."""
    user = get_user_model().objects.db_manager(ALIAS).create_superuser(name, password="not used")
    store = SessionStore()
    content = {
        SESSION_KEY: str(user.pk),
        BACKEND: STAFF_BACKEND,
        HASH_SESSION_KEY: user.get_session_auth_hash(),
    }
    key = f"{time.monotonic_ns():032d}"
    Session.objects.using(ALIAS).create(
        session_key=key, session_data=store.encode(content), expire_date=timezone.now() + timedelta(hours=1)
    )
    return {settings.SESSION_COOKIE_NAME: key}
