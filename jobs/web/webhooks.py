"""Where providers post: /webhooks/{provider}/{attempt_token}/. No login, no CSRF token, no redirect.

The address without its last slash is the same one: a redirect turns most senders' POST into a GET.
"""

from __future__ import annotations

from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, HttpResponse
from django.http.request import UnreadablePostError
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from jobs.client_address import client_network
from jobs.intake import deliveries


@csrf_exempt
@require_POST
def webhook(request: HttpRequest, provider: str, attempt_token: str) -> HttpResponse:
    """Store a delivery and answer: 2xx accepted or repeated, 401 not genuine, 413 too long, 400 malformed.

    The body is read here and not by `request.body`, whose limit is that of a form's fields.
    """
    declared = request.META.get("CONTENT_LENGTH") or ""
    if declared and not (declared.isascii() and declared.isdigit()):
        return HttpResponse(status=400)
    if int(declared[:20] or 0) > deliveries.MAX_BYTES:
        return HttpResponse(status=413)
    try:
        body = request.read(deliveries.MAX_BYTES + 1)
    except (UnreadablePostError, SuspiciousOperation):
        return HttpResponse(status=400)
    headers = {name.lower(): value for name, value in request.headers.items()}
    now, source = timezone.now(), client_network(request)
    recorded = deliveries.record(provider, attempt_token, headers=headers, body=body, now=now, source=source)
    return HttpResponse(status=recorded.status)
