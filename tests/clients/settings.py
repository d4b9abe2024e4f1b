"""The product's settings for a test tool that asks a thousand times a minute and leaves addresses to write to."""

from selfiehero.settings import *  # noqa: F403

REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"] |= dict.fromkeys(  # noqa: F405
    ("uploads", "uploads_address", "reads", "notify"), "1000000/min"
)
# Nothing leaves this machine: mail stays in the process that would send it.
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
EMAIL_OFFERED = True
