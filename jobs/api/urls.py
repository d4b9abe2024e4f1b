from django.urls import path, re_path

import jobs.intake.converters  # noqa: F401  <id:…>

from . import views

app_name = "api"
urlpatterns = [
    path("jobs/", views.JobsView.as_view(), name="jobs"),
    path("jobs/<id:job_id>/", views.JobView.as_view(), name="job"),
    path("jobs/<id:job_id>/events/", views.JobEventsView.as_view(), name="events"),
    path("jobs/<id:job_id>/receipts/", views.ReceiptsView.as_view(), name="receipts"),
    path("jobs/<id:job_id>/cancel/", views.CancelView.as_view(), name="cancel"),
    path("jobs/<id:job_id>/remix/", views.RemixView.as_view(), name="remix"),
    path("jobs/<id:job_id>/links/", views.LinksView.as_view(), name="links"),
    path("jobs/<id:job_id>/share/", views.ShareView.as_view(), name="share"),
    path("jobs/<id:job_id>/notify/", views.NotifyView.as_view(), name="notify"),
    path("looks/", views.LooksView.as_view(), name="looks"),
    # Last: what is no address of the API is answered as JSON too.
    re_path(r"^(?P<path>.*)$", views.nothing_here),
]
