"""Pictures without a face: refused with a sentence, unless staff allow a provider to make something of them."""

import pytest
from PIL import Image

from jobs import queue_order
from jobs.models import Attempt, Lane
from jobs.photos.cleaning import clean
from jobs.photos.outcomes import BadPhoto
from providers import registry
from providers.models import ProviderConfig
from tests import factories
from tests.jobs.photos import pictures

pytestmark = pytest.mark.django_db

ALLOWED = {"allow_no_face": True}


@pytest.fixture
def faceless(sandbox):
    sandbox.sees_faces = False
    return sandbox


def test_without_the_permission_the_owner_is_told(provider, work, faceless):
    job = factories.make_job()
    work(Lane.PREPARE)
    job = factories.reload(job)
    assert (job.status, job.failure_code) == ("failed", "no_face")
    factories.is_consistent(job.id)


@pytest.mark.parametrize("parameters", [{"allow_no_face": False}, {"allow_no_face": "yes"}, {}])
def test_only_a_clear_yes_is_a_permission(stub, work, faceless, parameters):
    factories.make_provider(stub.url, parameters=parameters)
    job = factories.make_job()
    work(Lane.PREPARE)
    assert factories.reload(job).failure_code == "no_face"


def test_a_permission_of_a_provider_that_is_switched_off_is_none(stub, work, faceless):
    factories.make_provider(stub.url, parameters=ALLOWED, enabled=False)
    job = factories.make_job()
    work(Lane.PREPARE)
    assert factories.reload(job).failure_code == "no_face"


def test_with_it_the_picture_becomes_a_hologram(stub, work, faceless, deliver):
    factories.make_provider(stub.url, parameters=ALLOWED)
    job = factories.make_job()
    work(Lane.PREPARE, Lane.DISPATCH)
    assert factories.reload(job).has_face is False
    assert stub.only.request["faceless"] == "hologram"
    deliver(stub.delivery(stub.only.complete()))
    work(Lane.COLLECT)
    assert factories.reload(job).status == "succeeded"
    factories.is_consistent(job.id)


def test_a_photo_with_a_face_goes_as_ever(stub, work, sandbox):
    factories.make_provider(stub.url)
    job = factories.make_job()
    work(Lane.PREPARE, Lane.DISPATCH)
    assert factories.reload(job).has_face is True
    assert "faceless" not in stub.only.request


def test_providers_that_need_a_face_never_get_it(stub, work, faceless):
    """Not first, and not after the one that takes it has failed."""
    cloud = factories.make_provider(stub.url, slug="cloud", adapter="wavespeed", order=0)
    ours = factories.make_provider(stub.url, parameters=ALLOWED, order=9)
    job = factories.make_job()
    work(Lane.PREPARE, Lane.DISPATCH)
    assert list(Attempt.objects.values_list("provider_id", flat=True)) == [ours.id]
    row = factories.reload(job)
    assert queue_order.open_to(row.id, [cloud, ours]) == ([ours], [ours])
    # Back in the queue, after our studio has failed it once.
    row.failed_provider_ids, row.lane, row.lease_token, row.due_at = f",{ours.id},", Lane.DISPATCH, "", row.created_at
    row.save()
    assert list(queue_order.first_for(cloud, others=[ours], now=row.deadline_at)) == []
    assert list(queue_order.first_for(ours, others=[cloud], now=row.deadline_at)) == [row]


def test_staff_are_told_what_the_studio_takes():
    check = registry.adapter_for("studio").check_parameters
    assert check(ALLOWED) == []
    assert "true or false" in check({"allow_no_face": "yes"})[0]
    assert "allow_no_face" in check({"allow_noface": True})[0]
    assert not registry.adapter_for("wavespeed").takes_no_face(ALLOWED)


def test_cleaning_lets_a_picture_without_a_face_through_only_when_told():
    data = pictures.jpeg()
    with pytest.raises(BadPhoto, match="no_face"):
        clean(data, find_faces=lambda bgr: [])
    photo = clean(data, find_faces=lambda bgr: [], allow_no_face=True)
    assert (photo.faces, photo.face) == (0, None)


def test_every_other_fault_of_a_picture_stays_one():
    with pytest.raises(BadPhoto, match="photo_too_dark"):
        clean(
            pictures.encoded(Image.new("RGB", (320, 240), (2, 2, 2)), "JPEG"),
            find_faces=lambda bgr: [],
            allow_no_face=True,
        )


def test_the_provider_row_is_checked_when_staff_save_it(stub):
    provider = ProviderConfig.objects.get(id=factories.make_provider(stub.url).id)
    provider.parameters = ALLOWED
    provider.full_clean()
