"""What a waiting page is sent, and what travels to the process that holds its socket.

To the page: `{"type": "job.snapshot", "job": {…the body of GET /api/v1/jobs/<id>/…}}`.
Between our processes: `{"type": "job.changed", "seq", "is_final", "text"}`, where `text` is the page's message, made
once by the writer and forwarded as it is.
"""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from jobs.models import Job

Body = dict[str, Any]


def job_group(job_id: UUID | str) -> str:
    """Return the name of the group that a job's pages are in."""
    return f"job.{job_id}"


def job_snapshot(body: Body) -> dict[str, Any]:
    """Return the page's message for the owner's body of a job."""
    return {"type": "job.snapshot", "job": body}


def text_of(body: Body) -> str:
    """Return the page's message as it goes over the socket."""
    return json.dumps(job_snapshot(body), separators=(",", ":"), ensure_ascii=False)


def job_changed(body: Body) -> dict[str, Any]:
    """Return the message that one of our processes sends to another."""
    return {"type": "job.changed", "seq": body["seq"], "is_final": is_final(body), "text": text_of(body)}


def is_final(body: Body) -> bool:
    return body["status"] in Job.FINAL
