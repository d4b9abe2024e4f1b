"""`/metrics` for Prometheus: for whoever has METRICS_TOKEN, or asks from a network of METRICS_NETWORKS.

What it says of providers, money and hosts is nobody else's business. A proxy on this machine would make everybody look
like this machine, so a request that was forwarded is judged by its network only when the proxies are known.
"""

from __future__ import annotations

import hmac
from ipaddress import ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from common.timed_cache import TimedCache
from jobs.client_address import client_network
from jobs.now.metrics import FactsCollector
from selfiehero.proxies import FORWARDED

# Several scrapers get what one of them had read.
FRESH_SECONDS = 5.0

_registry = CollectorRegistry(auto_describe=False)
_registry.register(FactsCollector(timezone.now))
# By what the scraper accepts: the text format, or OpenMetrics.
_caches: dict[str, TimedCache[bytes]] = {}


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer with the figures, 403 to strangers."""
    if not is_allowed(request):
        return HttpResponse("METRICS_TOKEN or METRICS_NETWORKS say who may read this.\n", "text/plain", status=403)
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    cache = _caches.setdefault(content_type, TimedCache(FRESH_SECONDS, lambda: encode(_registry)))
    return HttpResponse(cache.get(), content_type=content_type)


def is_allowed(request: HttpRequest) -> bool:
    """Return whether whoever asks has the token, or is in one of the networks."""
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    if settings.METRICS_TOKEN and kind.lower() == "bearer":
        return hmac.compare_digest(token.strip().encode(), settings.METRICS_TOKEN.encode())
    if not settings.TRUSTED_PROXIES and any(name in request.headers for name in (*FORWARDED, "Forwarded", "Via")):
        return False
    address = ip_address(client_network(request))
    return any(address in ip_network(network) for network in settings.METRICS_NETWORKS)
