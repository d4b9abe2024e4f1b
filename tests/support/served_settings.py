"""The product's settings for a process that a test serves from: the test's database, more addresses."""

import os

from selfiehero.settings import *  # noqa: F403

DATABASES["default"]["NAME"] = os.environ["SERVED_DATABASE"]  # noqa: F405
ROOT_URLCONF = "tests.support.served_urls"
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}  # noqa: F405
WHITENOISE_USE_FINDERS = bool(os.environ.get("SERVED_STATIC"))  # for a browser: nothing was collected
