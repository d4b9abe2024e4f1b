"""Opening a job on a phone: its magic link, as text and as a QR code.

Whoever opens the link (`jobs.magic_links`) may do with this job what its owner may, so both answers are for the owner
alone and must not be cached.
"""

from __future__ import annotations

import io
from ipaddress import ip_address
from urllib.parse import urljoin, urlsplit
from uuid import UUID

import segno
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from jobs import identity, magic_links
from jobs.models import Job

_QUIET_MODULES = 4
_INK = "#050609"


@never_cache
@require_safe
def link(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """The link as text, to copy."""
    return JsonResponse({"link": _link(request, job_id)})


@never_cache
@require_safe
def qr(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """The link as a QR code. Only the dark modules are drawn; the page has the light background."""
    code, drawing = segno.make(_link(request, job_id), error="m", micro=False), io.BytesIO()
    code.save(drawing, kind="svg", border=_QUIET_MODULES, dark=_INK, xmldecl=False, omitsize=True, nl=False)
    return HttpResponse(drawing.getvalue(), content_type="image/svg+xml")


def _link(request: HttpRequest, job_id: UUID) -> str:
    now = timezone.now()
    owner, opened = identity.owner_of(request) or "", identity.opened_by(request, now=now)
    job = Job.objects.visible_to(owner, opened).filter(id=job_id, erased_at=None).first()
    if job is None:
        raise Http404
    return urljoin(_reachable(request), magic_links.url_for(job, now=now))


def _reachable(request: HttpRequest) -> str:
    """Return the base address that a phone can reach: the public one, or that of the request if that is a loopback."""
    if _is_loopback(urlsplit(settings.PUBLIC_URL).hostname or ""):
        return request.build_absolute_uri("/")
    return settings.PUBLIC_URL


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
