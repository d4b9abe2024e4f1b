"""What tests of the API start from."""

import pytest

from tests.jobs.orders import order


@pytest.fixture
def ordered(api):
    """What the visitor of `api` was answered for an order."""
    return api.post("/api/v1/jobs/", order(hero_name="NOVA-7")).json()
