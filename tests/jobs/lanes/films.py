"""Films that wait to be collected."""

from datetime import timedelta

from django.utils import timezone

from jobs import lifecycle
from jobs.models import Job
from tests import factories


def rendered(provider, stub, path="film.mp4", **values):
    attempt = factories.make_submitted_attempt(provider, **values)
    lifecycle.mark_attempt_succeeded(
        attempt, prediction_id=attempt.prediction_id, video_url=f"{stub.url}/files/{path}", now=timezone.now()
    )
    return factories.reload(attempt.job)


def lapse(job):
    Job.objects.filter(id=job.id).update(due_at=timezone.now() - timedelta(seconds=1))
