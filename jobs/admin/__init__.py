"""The admin. Rows are shown, not edited: what staff do to a job goes through `jobs.services`."""

from django.contrib import admin

from . import alerts, bulk, changes, deliveries, jobs, looks, providers, queues, records, reports

__all__ = ["alerts", "bulk", "changes", "deliveries", "jobs", "looks", "providers", "queues", "records", "reports"]

admin.site.site_header = admin.site.site_title = "Selfie Hero"
admin.site.index_title = "Behind the scenes"
