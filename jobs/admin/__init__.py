"""The admin. Rows are shown, not edited: what staff do to a job goes through `jobs.services`."""

from django.apps import apps
from django.contrib import admin

from . import deliveries, jobs, looks, providers, records

__all__ = ["deliveries", "jobs", "looks", "providers", "records"]

admin.site.site_header = admin.site.site_title = "Selfie Hero"
admin.site.index_title = "Behind the scenes"

# Its pages let any staff re-queue and empty queues, which our pumps never need (jobs/queue/queues.py).
_dashboard = apps.get_model("django_rq", "Dashboard")
if admin.site.is_registered(_dashboard):
    admin.site.unregister(_dashboard)
