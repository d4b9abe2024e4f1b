"""The product's settings for tests: a VAR_DIR and a Valkey of their own, plain static files, fewer disk flushes."""

from tests.support import sandbox

sandbox.enter()

from selfiehero.settings import *  # noqa: E402, F403
from selfiehero.settings import CHANNEL_LAYERS, DATABASES, STORAGES  # noqa: E402

# Templates name their files without a manifest, and nothing has to be collected first.
STORAGES = STORAGES | {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
if "sqlite3" in DATABASES["default"]["ENGINE"]:
    # A power cut in the middle of a test loses a test.
    options = DATABASES["default"]["OPTIONS"]
    options["init_command"] = options["init_command"].replace("synchronous=FULL", "synchronous=OFF")
assert CHANNEL_LAYERS  # the layer is the product's own, on the Valkey of this run
