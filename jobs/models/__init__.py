"""The rows. The database is the truth: caches, queues and sockets can lose everything without losing a job.

looks       hero styles, and the versions of their wording
jobs        what people asked for, and the lane that each job waits in
attempts    the tries of a job at its providers
events      the append-only history of each job
deliveries  webhook calls as they arrived
promises    texts of consent, counts of erasures
records     staff's notes and audit trail, heartbeats, the load, the ledger's newest inspection, measured start
            times, readiness reports
rollups     figures by the minute
bulk        one action of staff on many jobs
alerts      what people are told of, and the messages
reports     shared films that people reported
sql         expressions for SQLite's query planner
plain_sql   one row read or written without the ORM's cost, where every hero passes
prepared    several questions about rows in one statement that is made once
"""

from .alerts import Alert, AlertMessage
from .attempts import Attempt, AttemptQuerySet
from .bulk import BulkItem, BulkOperation
from .deliveries import WebhookDelivery
from .events import JobEvent, next_seq
from .jobs import HAS_ENDED_WITH_PHOTO, QUEUE_LANES, Job, JobQuerySet, Lane
from .looks import Look, LookVersion
from .promises import ConsentText, ErasureCount
from .records import AuditEntry, Heartbeat, LedgerInspection, LoadState, ReadinessReport, StaffNote, StartTimes
from .reports import FilmReport
from .rollups import JobMinute, ProviderMinute

__all__ = [
    "HAS_ENDED_WITH_PHOTO",
    "QUEUE_LANES",
    "Alert",
    "AlertMessage",
    "Attempt",
    "AttemptQuerySet",
    "AuditEntry",
    "BulkItem",
    "BulkOperation",
    "ConsentText",
    "ErasureCount",
    "FilmReport",
    "Heartbeat",
    "Job",
    "JobEvent",
    "JobMinute",
    "JobQuerySet",
    "Lane",
    "LedgerInspection",
    "LoadState",
    "Look",
    "LookVersion",
    "ProviderMinute",
    "ReadinessReport",
    "StaffNote",
    "StartTimes",
    "WebhookDelivery",
    "next_seq",
]
