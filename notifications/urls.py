from django.urls import path

from . import confirmation_page, pages, views

urlpatterns = [
    path("sw.js", pages.service_worker, name="service_worker"),
    path("manifest.webmanifest", pages.manifest, name="manifest"),
    path("offline/", pages.offline, name="offline"),
    # Under the prefix of magic links, whose addresses no log, cache or crawler keeps.
    path("t/mail/<str:token>/", confirmation_page.confirm_email, name="confirm_email"),
    path("api/v1/push/key/", views.KeyView.as_view(), name="push_key"),
    path("api/v1/push/subscriptions/", views.SubscriptionsView.as_view(), name="push_subscriptions"),
]
