"""Which phase each kind of job event puts its job in: the one table, kept complete by a test."""

from __future__ import annotations

from enum import StrEnum


class Phase(StrEnum):
    """The phases of an accepted job, for the ledger. A job is in exactly one of them at any moment."""

    WAITING = "waiting"
    IN_FLIGHT = "in_flight"
    COLLECTING = "collecting"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    ERASED = "erased"


# A job is in the phase of its newest event whose kind is not None here.
PHASES: dict[str, Phase | None] = {
    "accepted": Phase.WAITING,
    "preparing": Phase.WAITING,
    "prepared": Phase.WAITING,
    "waiting": Phase.WAITING,
    "dispatching": Phase.IN_FLIGHT,
    "submitted": Phase.IN_FLIGHT,
    "progress": Phase.IN_FLIGHT,
    "preview": Phase.IN_FLIGHT,
    "rendered": Phase.COLLECTING,
    "succeeded": Phase.SUCCEEDED,
    "failed": Phase.FAILED,
    "canceled": Phase.CANCELED,
    "erased": Phase.ERASED,
    # Written by `jobs.services` and `jobs.takedowns`: they do not change the phase.
    "changed": None,  # look or name, while it waited in line
    "range": None,  # its time range grew
    "priority": None,
    "shared": None,
    "unshared": None,
    "taken_down": None,  # from the public, by staff
    "reinstated": None,
}
ENDS = ("succeeded", "failed", "canceled")
# What may still happen to a job that has ended; after the last of these nothing may.
AFTER_THE_END = ("shared", "unshared", "taken_down", "reinstated", "erased")
