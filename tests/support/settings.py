"""The product's settings, read inside the sandbox. pytest-django reads settings before any conftest, hence this."""

from tests.support import sandbox

sandbox.enter()

from selfiehero.settings import *  # noqa: E402, F403 after the sandbox is there
from selfiehero.settings import DATABASES, STORAGES  # noqa: E402

# Templates name their files without a manifest, so nothing has to be collected first.
STORAGES = STORAGES | {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
if "init_command" in DATABASES["default"].get("OPTIONS", {}):
    # A power cut in the middle of a test loses no more than a test.
    options = DATABASES["default"]["OPTIONS"]
    options["init_command"] = options["init_command"].replace("synchronous=FULL", "synchronous=OFF")
