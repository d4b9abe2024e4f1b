from datetime import timedelta

import pytest

from jobs.estimates import metrics
from jobs.models import Job
from tests import factories

pytestmark = pytest.mark.django_db


def test_before_the_first_picture_there_is_no_metric(provider):
    factories.make_submitted_attempt(provider)
    assert metrics.first_frames() is None
    assert metrics.first_frames(provider=provider) is None


def test_how_soon_people_saw_themselves(provider, admin_client):
    other = factories.make_provider(slug="other")
    for seconds, where in ((2, provider), (4, provider), (6, provider), (60, other)):
        job = factories.make_finished_job(where)
        Job.objects.filter(id=job.id).update(first_frame_at=job.created_at + timedelta(seconds=seconds))
    assert metrics.first_frames(provider=provider) == metrics.Spread(3, 4.0, 6.0)
    everybody = metrics.first_frames()
    assert (everybody.count, everybody.p90) == (4, 60.0)
    page = admin_client.get(f"/admin/providers/providerconfig/{provider.id}/change/").content.decode()
    assert "4.0 s, 90 % within 6.0 s (newest 3)" in page
