from django.contrib import admin
from django.urls import include, path

from selfiehero.health import checks, metrics

from . import language, releases
from .readiness import page as readiness_page
from .readiness.probe import probe
from .staff import passkeys

urlpatterns = [
    # Before the webhooks of providers, whose path it has: gateways treat it like theirs. Told by its beginning alone.
    path("webhooks/readiness/", include([path("<str:token>/", probe)])),
    # An address is looked for from the top: first what every hero asks for, then what few do.
    path("", include("notifications.urls")),  # before the API's answer to addresses that there are not
    path("", include("jobs.urls")),
    path("healthz", checks.healthz, name="healthz"),
    path("static/<path:name>", releases.static_file),
    path("readyz", checks.readyz, name="readyz"),
    path("metrics", metrics.metrics, name="metrics"),
    path("i18n/setlang/", language.choose, name="set_language"),
    path("admin/passkeys/", include(passkeys.urlpatterns)),
    path("admin/passkeys/", include("django_otp_webauthn.urls", namespace="otp_webauthn")),
    path("admin/readiness/", admin.site.admin_view(readiness_page.page), name="readiness"),
    path("admin/readiness.json", admin.site.admin_view(readiness_page.as_json), name="readiness_json"),
    path("admin/", admin.site.urls),
]

handler400 = "selfiehero.middleware.bad_request"
handler404 = "selfiehero.middleware.not_found"
handler500 = "selfiehero.middleware.server_error"
