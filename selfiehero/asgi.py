"""The ASGI entry: HTTP to Django on a fixed set of threads, sockets and event streams to `notifications`.

`manage.py serve` runs it under daphne with limits and draining; any ASGI server can.
"""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "selfiehero.settings")
django = get_wsgi_application()  # sets Django up: what follows imports models

from channels.routing import ProtocolTypeRouter  # noqa: E402

from notifications.routing import sockets  # noqa: E402
from notifications.streams import Streams  # noqa: E402
from selfiehero.readiness.probe import ProbedSockets  # noqa: E402
from selfiehero.server.bridge import Bridge  # noqa: E402
from selfiehero.server.database import wait_briefly, web_threads  # noqa: E402

wait_briefly()
http = Bridge(django, threads=web_threads())
application = ProtocolTypeRouter({"http": Streams(http), "websocket": ProbedSockets(sockets)})
