from django.urls import path

from . import pages, views

urlpatterns = [
    path("sw.js", pages.service_worker, name="service_worker"),
    path("manifest.webmanifest", pages.manifest, name="manifest"),
    path("offline/", pages.offline, name="offline"),
    path("api/v1/push/key/", views.KeyView.as_view(), name="push_key"),
    path("api/v1/push/subscriptions/", views.SubscriptionsView.as_view(), name="push_subscriptions"),
]
