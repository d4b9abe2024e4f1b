"""A visitor without a browser: the public API over real HTTP, as a program would use it."""

import time
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import requests


class Visitor:
    """Keeps its cookie; every read survives a web process that is being restarted."""

    def __init__(self, url: str, *, ca: Path | None = None) -> None:
        self.url = url
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.verify = str(ca) if ca else True
        self.session.get(f"{url}/api/v1/looks/", timeout=10).raise_for_status()

    def send(self, photo: Path, **fields: str) -> requests.Response:
        """Order a film."""
        data = {"look": "neon-noir", "consent": "true"} | fields
        with photo.open("rb") as selfie:
            return self.session.post(f"{self.url}/api/v1/jobs/", data=data, files={"selfie": selfie}, timeout=30)

    def read(self, job_id: str) -> dict[str, Any]:
        """Return the job, waiting while the web process is away."""
        for _ in range(100):
            try:
                answer = self.session.get(f"{self.url}/api/v1/jobs/{job_id}/", timeout=10)
            except requests.ConnectionError:
                time.sleep(0.2)
                continue
            if answer.status_code in (502, 503):
                time.sleep(0.2)
                continue
            answer.raise_for_status()
            return answer.json()
        raise AssertionError("the web process did not come back within 20 s")

    def wait_for(self, job_id: str, *stages: str, seconds: float = 30) -> dict[str, Any]:
        """Return the job once it is in one of these stages or final."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            job = self.read(job_id)
            if job["stage"] in stages or job["finished_at"]:
                return job
            time.sleep(0.05)
        raise AssertionError(f"still {job['status']}/{job['stage']} after {seconds} s")

    def wait_for_end(self, job_id: str, *, seconds: float) -> dict[str, Any]:
        """Return the job in its final state."""
        return self.wait_for(job_id, "ready", seconds=seconds)

    def film(self, job: dict[str, Any]) -> bytes:
        """Download a job's film."""
        answer = self.session.get(urljoin(self.url, job["links"]["video"]), timeout=30)
        answer.raise_for_status()
        return answer.content
