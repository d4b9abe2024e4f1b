from datetime import timedelta

import pytest
from django.utils import timezone

from jobs.models import Attempt, Job, Lane
from tests import factories

pytestmark = pytest.mark.django_db


def test_a_photo_becomes_a_film(provider, stub, work, sandbox, deliver):
    job = factories.make_job()
    work(Lane.PREPARE, Lane.DISPATCH)
    assert deliver(stub.delivery(stub.only.run(0.4, preview=True))) == 202
    work(Lane.COLLECT)
    job = factories.reload(job)
    assert job.preview_key
    assert job.stage == "rendering"
    assert deliver(stub.delivery(stub.only.complete())) == 202
    work(Lane.COLLECT)
    job = factories.reload(job)
    assert job.status == Job.Status.SUCCEEDED
    factories.is_consistent(job.id)
