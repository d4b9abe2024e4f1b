"""Django behind a WSGI server, for HTTP at scale."""

import os

from django.core.wsgi import get_wsgi_application
from django.db import connection

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "selfiehero.settings")
application = get_wsgi_application()

from providers.keys import require_known_keys  # noqa: E402
from selfiehero.server.database import wait_briefly  # noqa: E402

wait_briefly()
require_known_keys()  # raises OtherKeys: with another host's keys nothing is served
connection.close()  # a server may fork after this import
