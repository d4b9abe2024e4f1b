"""Bodies that are nested too deeply, and values that are not what a field takes."""

import pytest

from jobs.models import Job
from tests import factories
from tests.jobs.orders import order

pytestmark = pytest.mark.django_db
DEEP = "[" * 50_000


@pytest.mark.parametrize(
    "address", ["/receipts/verify", "/api/v1/push/subscriptions/", "/api/v1/jobs/{}/remix/", "/api/v1/jobs/{}/notify/"]
)
def test_what_is_nested_too_deeply_is_bad_input(address, api):
    job = factories.make_job(owner=owner_of(api))
    answer = api.post(
        address.format(job.id), DEEP, content_type="application/json", headers={"Accept": "application/json"}
    )
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"


def test_a_name_that_is_no_text_is_refused(api, provider):
    job = factories.make_finished_job(provider, owner=owner_of(api))
    body = {"look": "neon-noir", "hero_name": {"a": 1}}
    answer = api.post(f"/api/v1/jobs/{job.id}/remix/", body, content_type="application/json")
    assert (answer.status_code, answer.json()["field"]) == (422, "hero_name")


def owner_of(api):
    api.post("/api/v1/jobs/", order())
    return Job.objects.latest("created_at").owner
