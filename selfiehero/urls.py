from django.contrib import admin
from django.urls import include, path

from selfiehero.health import checks

from . import language

urlpatterns = [
    path("healthz", checks.healthz, name="healthz"),
    path("readyz", checks.readyz, name="readyz"),
    path("i18n/setlang/", language.choose, name="set_language"),
    path("admin/", admin.site.urls),
    path("", include("notifications.urls")),
    path("", include("jobs.urls")),
]

handler500 = "selfiehero.middleware.server_error"
