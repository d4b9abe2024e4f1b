"""Django behind a WSGI server, for HTTP at scale."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "selfiehero.settings")
application = get_wsgi_application()

from selfiehero.server.database import wait_briefly  # noqa: E402

wait_briefly()
