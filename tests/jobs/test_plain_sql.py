"""Rows read and written without the ORM are the rows that the ORM reads and writes."""

from __future__ import annotations

import uuid

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy

from jobs import queue_order, snapshots
from jobs.models import Job, JobEvent, Look, WebhookDelivery, plain_sql
from providers.models import ProviderConfig
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def columns(row):
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}


def test_a_row_is_the_same_as_from_the_orm(provider):
    job = factories.make_submitted_attempt(provider).job
    for model, condition, key in (
        (Job, "id = %s", job.id),
        (Look, "slug = %s AND active", job.look.slug),
        (ProviderConfig, "slug = %s", provider.slug),
    ):
        field = condition.partition(" ")[0]
        found = plain_sql.first(model, condition, key)
        assert columns(found) == columns(model.objects.get(**{field: key}))
        assert not found._state.adding
        assert plain_sql.first(model, condition, uuid.uuid4() if field == "id" else "none") is None


def test_a_stored_row_is_the_same_as_by_the_orm(provider):
    job = factories.make_job()
    twin = Job(**columns(job) | {"id": uuid.uuid4(), "idempotency_key": "it’s 100 %"})
    plain_sql.insert(twin)
    assert columns(Job.objects.get(id=twin.id)) == columns(twin)
    now = timezone.now()
    event = JobEvent(job_id=twin.id, seq=1, kind="accepted", at=now, data={"look": "ノイズ", "none": None})
    plain_sql.insert(event)
    kept = JobEvent.objects.get(job_id=twin.id)
    assert (kept.data, kept.at, kept.seq) == (event.data, now, 1)
    delivery = WebhookDelivery(
        provider="x", attempt_token="t", event_id="e", verdict="valid", headers={"a": "b"}, body=b"\0\xff",
        received_at=now, due_at=None,
    )  # fmt: skip
    plain_sql.insert(delivery)
    stored = WebhookDelivery.objects.get()
    assert (bytes(stored.body), stored.headers, stored.received_at, stored.due_at) == (b"\0\xff", {"a": "b"}, now, None)


def test_values_of_other_types_are_stored_as_by_the_orm():
    """Lazy texts, choices and numbers as texts take the ORM's way; only what has exactly the column's type does not."""
    twin = Job(**columns(factories.make_job()) | {"id": uuid.uuid4()})
    twin.hero_name, twin.stage, twin.photo_cost = gettext_lazy("Selfie"), Job.Stage.PREPARING, "3"
    twin.progress, twin.photo_bytes = 1, True
    plain_sql.insert(twin)
    kept = Job.objects.get(id=twin.id)
    assert (kept.hero_name, kept.stage, kept.photo_cost) == ("Selfie", "preparing", 3)
    assert (kept.progress, kept.photo_bytes) == (1.0, 1)


def test_a_row_that_is_there_is_not_stored_again():
    job = factories.make_job()
    with pytest.raises(IntegrityError), transaction.atomic():
        plain_sql.insert(Job(**columns(job)))


def test_the_next_turn_is_after_the_owners_newest_open_one():
    now = timezone.now()
    job = factories.make_job()
    assert queue_order.next_turn(job.turn_key, now=now) == job.turn_at + queue_order.TURN_SPACING
    assert queue_order.next_turn("v:other", now=now) == now


def test_a_snapshot_of_a_narrow_row_is_that_of_the_whole_one(provider):
    now = timezone.now()
    for job in (factories.make_job(), factories.make_finished_job(provider, film=b"film")):
        whole = snapshots.of(Job.objects.select_related("look").get(id=job.id), now=now)
        (narrow,) = snapshots.snapshots_for([job.id])
        read = snapshots.read(job.id, job.owner)
        for name in set(whole) - {"queue"}:
            assert str(narrow[name]) == str(read[name]) == str(whole[name])
        assert narrow["queue"]["position"] == read["queue"]["position"] == whole["queue"]["position"]
    assert snapshots.snapshots_for([]) == []
    assert snapshots.read(job.id, "") is None
    assert snapshots.read(job.id, "", [job.id])
