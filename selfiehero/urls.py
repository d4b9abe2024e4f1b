from django.contrib import admin
from django.urls import include, path

from selfiehero.health import checks, metrics

from . import language, releases
from .staff.passkeys import TakeWithPasskey

urlpatterns = [
    # An address is looked for from the top: first what every hero asks for, then what few do.
    path("", include("notifications.urls")),  # before the API's answer to addresses that there are not
    path("", include("jobs.urls")),
    path("healthz", checks.healthz, name="healthz"),
    path("static/<path:name>", releases.static_file),
    path("readyz", checks.readyz, name="readyz"),
    path("metrics", metrics.metrics, name="metrics"),
    path("i18n/setlang/", language.choose, name="set_language"),
    path("admin/passkeys/authentication/complete/", TakeWithPasskey.as_view()),
    path("admin/passkeys/", include("django_otp_webauthn.urls", namespace="otp_webauthn")),
    path("admin/", admin.site.urls),
]

handler400 = "selfiehero.middleware.bad_request"
handler404 = "selfiehero.middleware.not_found"
handler500 = "selfiehero.middleware.server_error"
