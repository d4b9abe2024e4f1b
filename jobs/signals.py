"""The signals by which apps above `jobs` hear of changes: some inside the transaction, some after the commit."""

from __future__ import annotations

from uuid import UUID

from django.db import connection, transaction
from django.dispatch import Signal

# Sent inside the transaction in which a job ends, with job_id, owner, email, status, by (who canceled it) and now: what
# a listener writes is committed together with the end. It must be short, and its exception rolls the end back.
job_ended = Signal()
# Sent inside the transaction in which a job gets an e-mail address, with job_id, owner, email and now. A listener
# returns whether the address was confirmed before.
email_given = Signal()
# Sent with owner when somebody exports what is kept about them; each listener returns a dictionary to add to it.
owner_exported = Signal()
# Sent inside the transaction in which jobs are erased, with owners: {job_id: owner}, on the same terms.
jobs_erased = Signal()
# Sent after commit with job_id: what was opened by the job's magic links is to be closed.
links_ended = Signal()
# Sent after commit with job_ids: list[UUID], each once per transaction.
job_changed = Signal()


class _Announcement:
    """Collects the jobs that one transaction changed."""

    def __init__(self, job_id: UUID) -> None:
        self.job_ids = {job_id: None}

    def __call__(self) -> None:
        job_changed.send_robust(sender=None, job_ids=list(self.job_ids))


def announce(job_id: UUID) -> None:
    """Tell listeners about a changed job once the present transaction is committed."""
    for entry in connection.run_on_commit:
        if isinstance(entry[1], _Announcement):
            entry[1].job_ids[job_id] = None
            return
    transaction.on_commit(_Announcement(job_id), robust=True)
