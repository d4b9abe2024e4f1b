"""The pages of the admin that show tables with millions of rows."""

from __future__ import annotations

from uuid import UUID

from jobs.admin import big_tables as admin_lists
from jobs.models import Job
from tests.support import big_tables
from tests.support.admin_pages import LIST

DELIVERIES = "/admin/jobs/webhookdelivery/"
NOTIFICATIONS, SUBSCRIPTIONS = "/admin/notifications/notification/", "/admin/notifications/pushsubscription/"
BULK = "/admin/jobs/bulkoperation/add/"


def pages(first: Job, *, one: int = 1234) -> list[str]:
    """Return the addresses of lists, searches, filters, orders, last pages and single rows; `first` was copied.

    `one` is the number of the copy whose rows are looked for.
    """
    last = admin_lists.MOST_COUNTED // admin_lists.BigTableAdmin.list_per_page
    look, provider = first.look_id, first.attempts.get().provider_id
    hexes = big_tables.job_id(one)
    found = [LIST, f"{LIST}?p=3", f"{LIST}?p={last}", f"{LIST}?o=2", f"{LIST}?o=-6", f"{LIST}?o=5.3"]
    found += [f"{LIST}?status__exact={status}" for status in Job.Status.values]
    found += [f"{LIST}?status__exact=succeeded&p={last}", f"{LIST}?status__exact=canceled&p=2"]
    found += [f"{LIST}?stage={stage}" for stage in ("accepted", "rendering", "collecting")]
    found += [f"{LIST}?look__id__exact={look}", f"{LIST}?provider=common", f"{LIST}?provider=rare"]
    found += [f"{LIST}?provider=nobody", f"{LIST}?failure=providers_failed", f"{LIST}?failure=no_face"]
    found += [f"{LIST}?created_at__gte=2020-01-01+00:00:00%2B00:00&created_at__lt=2030-01-01+00:00:00%2B00:00"]
    found += [
        f"{LIST}?created_at__lte=2026-01-01T00:00:00%2B00:00",
        f"{LIST}?_facets=True",
    ]
    found += [
        f"{LIST}?q={term}"
        for term in (
            *(hexes, hexes[:8], "boss", "person1200@mail.example", "nobody@mail.example", "hero-17"),
            *(f"prediction-{one}", "v:0123", "u:1", "nothing", "12345678", "%25"),
        )
    ]
    found += [f"{LIST}{UUID(hexes)}/change/", f"{LIST}{UUID(hexes)}/history/", f"{LIST}{first.pk}/change/"]
    found += [DELIVERIES, f"{DELIVERIES}?p={last}", f"{DELIVERIES}?provider=common", f"{DELIVERIES}?provider=nobody"]
    found += [f"{DELIVERIES}?verdict__exact={word}" for word in ("valid", "forged", "stale")]
    found += [f"{DELIVERIES}?waiting=yes", f"{DELIVERIES}?received_at__gte=2026-01-01+00:00:00%2B00:00"]
    found += [f"{DELIVERIES}?q={term}" for term in (f"event-{one}", f"token-{one}", f"prediction-{one}", hexes, "x")]
    found += [
        f"{DELIVERIES}?progress=shown{more}" for more in ("", f"&p={last}", "&provider=common", "&verdict__exact=valid")
    ]
    found += [f"{DELIVERIES}?o=3", f"{DELIVERIES}{big_tables.FIRST_ID + one}/change/"]
    found += [
        NOTIFICATIONS,
        f"{NOTIFICATIONS}?p={last}",
        f"{NOTIFICATIONS}?q={hexes}",
        f"{NOTIFICATIONS}?q={hexes[:8]}",
    ]
    found += [f"{NOTIFICATIONS}?state={state}" for state in ("open", "late", "sent", "given_up")]
    found += [f"{NOTIFICATIONS}?channel__exact={channel}" for channel in ("push", "email")]
    found += [f"{NOTIFICATIONS}{big_tables.FIRST_ID + one}/change/"]
    found += [SUBSCRIPTIONS, f"{SUBSCRIPTIONS}?q={hexes}", f"{SUBSCRIPTIONS}?q=v:0123"]
    found += ["/admin/", "/admin/jobs/", "/admin/jobs/look/", f"/admin/jobs/look/{look}/change/"]
    found += ["/admin/jobs/bulkoperation/", "/admin/jobs/job/ledger/", "/admin/jobs/alert/", "/admin/now.json"]
    found += ["/admin/jobs/auditentry/", "/admin/jobs/heartbeat/"]
    found += ["/admin/providers/providerconfig/", f"/admin/providers/providerconfig/{provider}/change/"]
    return found


def previews() -> list[str]:
    """Return the questions before a bulk operation, each about up to 100,000 jobs: most of a table that is smaller."""
    chosen = (
        *("action=retry_jobs&status__exact=failed", "action=erase_jobs&status__exact=succeeded"),
        *("action=cancel_jobs&status__exact=queued", "action=move_jobs&provider=common"),
    )
    return [f"{BULK}?{query}" for query in chosen]
