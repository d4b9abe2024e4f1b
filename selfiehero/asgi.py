import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "selfiehero.settings")
from django.core.wsgi import get_wsgi_application

http = get_wsgi_application()

from a2wsgi import WSGIMiddleware  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from channels.security.websocket import AllowedHostsOriginValidator  # noqa: E402

from notifications.routing import urlpatterns  # noqa: E402

application = ProtocolTypeRouter(
    {"http": WSGIMiddleware(http, workers=8), "websocket": AllowedHostsOriginValidator(URLRouter(urlpatterns))}
)
