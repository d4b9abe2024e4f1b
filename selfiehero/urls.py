from django.contrib import admin
from django.urls import include, path

from . import health, language

urlpatterns = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("i18n/setlang/", language.choose, name="set_language"),
    path("admin/", admin.site.urls),
    path("", include("notifications.urls")),
    path("", include("jobs.urls")),
]

handler500 = "selfiehero.middleware.server_error"
