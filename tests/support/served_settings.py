"""The product's settings for a process that a test serves from: the test's database, more addresses."""

import os

from selfiehero.settings import *  # noqa: F403

DATABASES["default"]["NAME"] = os.environ["SERVED_DATABASE"]  # noqa: F405
ROOT_URLCONF = "tests.support.served_urls"
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}  # noqa: F405
# Static files from where they lie: nothing has to be collected first.
WHITENOISE_USE_FINDERS = True
