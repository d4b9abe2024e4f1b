"""Installations from before keep their rows: what they held means the same afterwards."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database, pytest.mark.slow]
BEFORE = [("jobs", "0001_initial"), ("providers", "0001_initial")]


@pytest.fixture
def migrate():
    """Go to a state of the migrations and return its models; afterwards everything is as new as it was."""

    def to(targets):
        executor = MigrationExecutor(connection)
        executor.migrate(targets)
        return MigrationExecutor(connection).loader.project_state(targets).apps

    newest = MigrationExecutor(connection).loader.graph.leaf_nodes()
    yield lambda targets=None: to(targets or newest)
    to(newest)


def test_what_an_older_installation_held_is_kept(migrate):
    apps = migrate(BEFORE)
    Look, Job, Attempt = (apps.get_model("jobs", name) for name in ("Look", "Job", "Attempt"))
    Provider = apps.get_model("providers", "ProviderConfig")
    now = timezone.now()
    later, earlier = now + timedelta(minutes=9), now - timedelta(minutes=9)
    states = {
        "failing": (later, "failing"),
        "account": (later, "account"),
        "busy": (later, "busy"),
        "past": (earlier, "failing"),
        "well": (None, ""),
    }
    for slug, (until, reason) in states.items():
        Provider.objects.create(slug=slug, title=slug, adapter="studio", base_url="http://x", price=Decimal("0.5"))
        Provider.objects.filter(slug=slug).update(parked_until=until, parked_reason=reason)
    look = Look.objects.create(slug="neon", title="Neon", prompt="p", picture="x.jpg")
    same = {"look": look, "photo_sha256": "0" * 64, "consent_version": "1", "consent_at": now, "due_at": now}
    same |= {"deadline_at": later, "erase_at": later}
    jobs = [Job.objects.create(owner="v:a", created_at=now - timedelta(seconds=age), **same) for age in (5, 9)]
    attempts = {"provider": Provider.objects.get(slug="well"), "lease_until": now, "claimed_at": now}
    attempts |= {"deadline_at": later, "lease_token": "t"}
    Attempt.objects.create(job=jobs[0], number=1, token="a", status="running", **attempts)
    Attempt.objects.create(job=jobs[0], number=2, token="b", status="failed", slot_held=False, **attempts)

    apps = migrate()
    Job, Attempt = apps.get_model("jobs", "Job"), apps.get_model("jobs", "Attempt")
    rows = {row.slug: row for row in apps.get_model("providers", "ProviderConfig").objects.all()}
    assert {slug: (row.breaker_reason, row.breaker_until, row.rate_limited_until) for slug, row in rows.items()} == {
        "failing": ("calls", later, None),
        "account": ("account", later, None),
        "busy": ("", None, later),
        "past": ("", None, None),
        "well": ("", None, None),
    }
    assert all(row.blocked_at for row in rows.values() if row.breaker_until or row.rate_limited_until)
    assert list(Job.objects.order_by("-priority", "turn_at").values_list("id", flat=True)) == [jobs[1].id, jobs[0].id]
    assert all(job.turn_at == job.created_at for job in Job.objects.all())
    assert [attempt.cost for attempt in Attempt.objects.order_by("number")] == [Decimal("0.5"), Decimal(0)]
    assert set(Attempt.objects.values_list("kind", flat=True)) == {"first"}
    assert Job.objects.get(id=jobs[0].id).failed_provider_ids == f",{rows['well'].id},"
    assert Job.objects.get(id=jobs[1].id).failed_provider_ids == ","
