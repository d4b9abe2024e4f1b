"""Everything of one person: as a file to take along, and erased at once.

Only the owner's own jobs: whoever opened one by a magic link has no others to see here.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urljoin

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_POST, require_safe

from common.times import rfc3339
from jobs import identity, receipts, services, signals, snapshots, storage
from jobs.models import ConsentText, Job


@never_cache
@require_safe
def export(request: HttpRequest) -> HttpResponse:
    """All that is kept about the owner of this request, as JSON. Films and photos are signed addresses in it."""
    owner, now = _owner_of(request), timezone.now()
    jobs = list(Job.objects.visible_to(owner).select_related("look").prefetch_related("events", "attempts__provider"))
    texts = ConsentText.objects.filter(sha256__in={job.consent_sha256 for job in jobs})
    more: dict[str, Any] = {}
    answers: Any = signals.owner_exported.send(sender=None, owner=owner)
    for _listener, told in answers:
        more |= told
    body = {
        "exported_at": rfc3339(now),
        "owner": owner,
        "films": [_film(job, snapshots.of(job, now=now)) for job in jobs],
        "agreed_to": [{"sha256": text.sha256, "language": text.language, "text": text.text} for text in texts],
        **more,
    }
    response = JsonResponse(body, json_dumps_params={"indent": 2, "ensure_ascii": False})
    response["Content-Disposition"] = 'attachment; filename="selfie-hero-export.json"'
    return response


@csrf_protect
@require_POST
def erase(request: HttpRequest) -> HttpResponse:
    """Erase all jobs of the owner of this request, and have the browser forget who that was."""
    owner, now = _owner_of(request), timezone.now()
    erased = services.erase_everything(owner, now=now)
    shown = [{**said, "page": urljoin(settings.PUBLIC_URL, reverse("job", args=[said["id"]]))} for said in erased]
    response = render(request, "pages/all_erased.html", {"erased": shown})
    response.delete_cookie(settings.VISITOR_COOKIE_NAME)
    return response


def _owner_of(request: HttpRequest) -> str:
    owner = identity.owner_of(request)
    if not owner:
        raise Http404
    return owner


def _film(job: Job, shown: dict[str, Any]) -> dict[str, Any]:
    now = timezone.now()
    return {
        "id": str(job.id),
        "look": job.look.slug,
        "hero_name": job.hero_name,
        "email": job.email,
        "language": job.locale,
        "status": job.status,
        "created_at": rfc3339(job.created_at),
        "erase_at": rfc3339(job.erase_at),
        "erased_at": rfc3339(job.erased_at) if job.erased_at else None,
        "photo_erased_at": rfc3339(job.photo_erased_at) if job.photo_erased_at else None,
        "photo_sha256": job.photo_sha256,
        "photo": storage.signed_url(job.clean_key, filename="photo.jpg", now=now) if job.clean_key else None,
        "links": shown["links"],
        "consent": {
            "version": job.consent_version,
            "sha256": job.consent_sha256,
            "language": job.consent_language,
            "age": job.consent_age,
            "at": rfc3339(job.consent_at),
        },
        "receipts": {"accepted": receipts.for_accepted(job), "erased": receipts.for_erased(job)},
        "sent_to": [attempt.provider.title for attempt in job.attempts.all()],
        "history": [{"at": rfc3339(event.at), "kind": event.kind} for event in job.events.all()],
    }
