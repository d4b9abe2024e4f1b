"""What each kind of job event says about where its job stands: the one table, kept complete by a test."""

from __future__ import annotations

from enum import StrEnum


class Standing(StrEnum):
    """Where an accepted job stands. Each is in exactly one of these at any moment."""

    WAITING = "waiting"
    IN_FLIGHT = "in_flight"
    COLLECTING = "collecting"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    ERASED = "erased"


# The newest event that is not None here tells where its job stands.
STANDINGS: dict[str, Standing | None] = {
    "accepted": Standing.WAITING,
    "preparing": Standing.WAITING,
    "prepared": Standing.WAITING,
    "waiting": Standing.WAITING,
    "dispatching": Standing.IN_FLIGHT,
    "submitted": Standing.IN_FLIGHT,
    "progress": Standing.IN_FLIGHT,
    "preview": Standing.IN_FLIGHT,
    "rendered": Standing.COLLECTING,
    "succeeded": Standing.SUCCEEDED,
    "failed": Standing.FAILED,
    "canceled": Standing.CANCELED,
    "erased": Standing.ERASED,
    # Written by `jobs.services`: they change nothing about where the job stands.
    "priority": None,
    "shared": None,
    "unshared": None,
}
ENDS = ("succeeded", "failed", "canceled")
# What may still happen to a job that has ended; after the last of these nothing may.
AFTER_THE_END = ("shared", "unshared", "erased")
