"""The webhook batch reads due deliveries by their partial index, however many applied ones lie in the table."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from jobs.lanes import ingest
from jobs.models import WebhookDelivery

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def test_no_statement_of_a_batch_scans_the_deliveries():
    now = timezone.now()
    rows = [
        WebhookDelivery(
            provider="p",
            attempt_token=f"t{number}",
            event_id=str(number),
            verdict="valid",
            received_at=now,
            due_at=None if number % 500 else now,
        )
        for number in range(3000)
    ]
    WebhookDelivery.objects.bulk_create(rows)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE jobs_webhookdelivery")
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert ingest.apply_deliveries() == 6
    reads = [
        query["sql"] for query in captured if query["sql"].startswith("SELECT") and "webhookdelivery" in query["sql"]
    ]
    assert len(reads) == 2
    for sql in reads:
        with connection.cursor() as cursor:
            cursor.execute(("EXPLAIN QUERY PLAN " if connection.vendor == "sqlite" else "EXPLAIN ") + sql)
            plan = "\n".join(str(row[-1]) for row in cursor.fetchall())
        assert "delivery_due" in plan, plan
        assert "Seq Scan" not in plan, plan
