"""The pages for people. They show what the API would answer; everything that moves is in `static/js`."""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import urljoin
from uuid import UUID

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from jobs import consent, identity, magic_links, messages, receipts, services, snapshots, storage
from jobs.client_address import client_network
from jobs.estimates import eta
from jobs.intake import job_input, throttles
from jobs.intake.problems import problem_of
from jobs.models import Job, JobQuerySet, Look
from jobs.photos import outcomes

from . import cards

_HEROES_SHOWN = 60


@never_cache
@csrf_protect
@require_http_methods(["GET", "HEAD", "POST"])
def start(request: HttpRequest) -> HttpResponse:
    """The start page. Without JavaScript its form is sent here too."""
    owner, cookie = _owner(request)
    problem = None
    if request.method == "POST":
        try:
            throttles.count_upload(request, owner)
            given = job_input.read_job_input(
                request.POST, request.FILES, idempotency_key=None, locale=get_language() or ""
            )
            throttles.charge_upload(request, owner, given.photo_cost)
            newcomer_from = client_network(request) if cookie else ""
            job = _create_once(given, once=request.POST.get("once", ""), owner=owner, newcomer_from=newcomer_from)
            return _with_cookie(redirect("job", job_id=job.id), cookie)
        except Exception as error:
            found = problem_of(error)
            if found is None:
                raise
            problem = found.body()
    looks, chosen = list(Look.objects.filter(active=True)), request.POST.get("look", "") or request.GET.get("look", "")
    context = {
        "looks": looks,
        "shown_look": next((look for look in looks if look.slug == chosen), looks[0] if looks else None),
        "card": cards.start_tags(),
        "limits": {
            "bytes": settings.PHOTO_MAX_BYTES,
            "pixels": settings.PHOTO_MAX_PIXELS,
            "name": settings.HERO_NAME_MAX,
        },
        **consent.rules(),
        "keeps_long": request.POST.get("keep") == "long",
        "typed_name": request.POST.get("hero_name", "")[: settings.HERO_NAME_MAX],
        "once": secrets.token_urlsafe(16),
        "upload_url": reverse("api:jobs"),
        "wait_url": reverse("wait"),
        "problem": problem,
        "photo_words": {code: _(of.message) + " " + _(of.next_step) for code, of in outcomes.OUTCOMES.items()},
    }
    response = render(request, "pages/start.html", context, status=problem["status"] if problem else 200)
    return _with_cookie(response, cookie)


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def share_target(request: HttpRequest) -> HttpResponse:
    """Where other apps share a photo to. The service worker takes it there; without one it has to be chosen again."""
    return redirect(f"{reverse('start')}#make")


@require_safe
def wait_shell(request: HttpRequest) -> HttpResponse:
    """The empty wait page, which the start page loads in advance, so that it appears before the upload ends."""
    return render(
        request,
        "pages/wait.html",
        {
            "job": None,
            "look": None,
            "start_url": reverse("start"),
            "offers_email": settings.EMAIL_OFFERED,
            **_choices(),
        },
    )


@never_cache
@require_safe
def job(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """A job's page: the wait, then the film, or why there is none."""
    now = timezone.now()
    row = _visible(request, now=now).select_related("look").filter(id=job_id).first()
    if row is None:
        raise Http404
    context: dict[str, Any] = {
        "job": snapshots.of(row, now=now),
        "look": row.look,
        "start_url": reverse("start"),
        "offers_email": settings.EMAIL_OFFERED,
        "photo_kept": consent.in_words(settings.PHOTO_RETENTION),
        "erase_at": row.erase_at,
    }
    if row.erased_at:
        context["receipt"], context["held"] = receipts.for_erased(row), receipts.held_elsewhere(row)
        return render(request, "pages/erased.html", context)
    if row.status == Job.Status.SUCCEEDED:
        context["photo_url"] = storage.signed_url(row.clean_key, filename="photo.jpg", now=now) or None
        context["film_name"] = snapshots.film_name(row)
        context["is_taken_down"] = row.taken_down_at is not None
        is_own = row.owner == identity.owner_of(request)
        if is_own and row.clean_key and row.erase_at - now >= settings.JOB_DEADLINE:
            context["takes"] = Look.objects.filter(active=True).exclude(id=row.look_id)
        return render(request, "pages/reveal.html", context)
    if row.is_final:
        context["is_about_photo"] = messages.is_about_photo(row.failure_code)
        context["has_photo"] = bool(row.raw_key or row.clean_key or row.preview_key)
        context["went_out"] = row.attempts.exists()
        return render(request, "pages/ended.html", context)
    return render(request, "pages/wait.html", context | _choices())


@never_cache
@require_safe
def receipt(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """A job's receipt as a text file, once erased that of its erasure. The verify page takes the file's whole text."""
    row = Job.objects.visible_to(identity.owner_of(request) or "").filter(id=job_id).first()
    text = row and (receipts.for_erased(row) or receipts.for_accepted(row))
    if not row or not text:
        raise Http404
    address = urljoin(settings.PUBLIC_URL, reverse("verify_receipt"))
    response = HttpResponse(
        "\n\n".join([text, *_held(row), _("Check it at {address}").format(address=address)]) + "\n",
        content_type="text/plain; charset=utf-8",
    )
    response["Content-Disposition"] = f'attachment; filename="selfie-hero-receipt-{job_id}.txt"'
    return response


@never_cache
@require_safe
def magic_link(request: HttpRequest, token: str) -> HttpResponse:
    """Open a job on a device without its owner's cookie: store the link in a cookie and redirect to the job's page."""
    now = timezone.now()
    found = magic_links.read(token, now=now)
    if found is None or not magic_links.still_open({found.job_id: found}):
        raise Http404
    response = redirect("job", job_id=found.job_id)
    if not Job.objects.visible_to(identity.owner_of(request) or "").filter(id=found.job_id).exists():
        identity.keep_magic_link(response, request, found, now=now)
    response["Referrer-Policy"] = "no-referrer"
    return response


@csrf_protect
@require_POST
def cancel(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Stop a job for a page without JavaScript, and go back to the job's page."""
    services.cancel_job(_own_job(request, job_id), now=timezone.now())
    return redirect("job", job_id=job_id)


@csrf_protect
@require_POST
def erase(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Erase a job for a page without JavaScript, and go back to the job's page."""
    services.erase_job(_own_job(request, job_id), now=timezone.now())
    return redirect("job", job_id=job_id)


@csrf_protect
@require_POST
def remix(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Make another film of the same photo for a page without JavaScript, and go to its page."""
    try:
        owner = identity.owner_of(request) or ""
        if not Job.objects.visible_to(owner).filter(id=job_id).exists():
            raise Http404
        throttles.count_upload(request, owner)
        look, _name = job_input.read_remix(request.POST, idempotency_key=None)
        job, _created = services.remix_job(job_id, look=look, now=timezone.now())
    except Exception as error:
        problem = problem_of(error)
        if problem is None or isinstance(error, Http404):
            raise
        return render(request, "pages/no_take.html", {"problem": problem.body()}, status=problem.status_code)
    return redirect("job", job_id=job.id)


@never_cache
@require_safe
def heroes(request: HttpRequest) -> HttpResponse:
    """The films of this visitor."""
    now = timezone.now()
    rows = _visible(request, now=now).filter(erased_at=None).select_related("look")
    jobs = list(rows[:_HEROES_SHOWN])
    positions = eta.positions(jobs)
    shown = [
        {
            **snapshots.snapshot(row, position=positions[row.id], now=now),
            "look_title": row.look.title,
            "erase_moment": row.erase_at,
        }
        for row in jobs
    ]
    return render(request, "pages/heroes.html", {"jobs": shown, "start_url": reverse("start")})


@require_safe
def styleguide(request: HttpRequest) -> HttpResponse:
    """The live components of all pages, for staff and developers."""
    if not (settings.DEBUG or request.user.is_staff):
        raise Http404
    return render(request, "pages/styleguide.html")


@require_safe
def privacy(request: HttpRequest) -> HttpResponse:
    """What happens to a photo, in plain words."""
    return render(request, "pages/privacy.html", consent.rules())


def _choices() -> dict[str, Any]:
    """Return what may still be chosen while a film waits in line."""
    return {"looks": Look.objects.filter(active=True), "name_max": settings.HERO_NAME_MAX}


def _held(job: Job) -> list[str]:
    """Return the lines of a receipt that say what a provider may still have."""
    return [
        _("{provider}: removes the rest by {moment} UTC at the latest.").format(
            provider=held.provider, moment=f"{held.until:%Y-%m-%d %H:%M}"
        )
        if held.until
        else _("{provider}: has confirmed that it removed everything.").format(provider=held.provider)
        for held in receipts.held_elsewhere(job)
    ]


def _visible(request: HttpRequest, *, now: datetime) -> JobQuerySet:
    """Return the jobs that the sender of this request may see."""
    return Job.objects.visible_to(identity.owner_of(request) or "", identity.opened_by(request, now=now))


def _owner(request: HttpRequest) -> tuple[str, str]:
    """Return the owner of a page request and, for a new visitor, the value of the cookie to set."""
    owner = identity.owner_of(request) or ""
    if owner:
        return owner, ""
    value, owner = identity.new_visitor()
    return owner, value


def _create_once(given: services.JobInput, *, once: str, owner: str, newcomer_from: str) -> Job:
    """Return the job of a form sent without JavaScript; sent twice from one page, the same until it has ended.

    As in `static/js/once.js`, the key reveals nothing about the photo without the page's random number.
    """
    create = partial(services.create_job, owner=owner, now=timezone.now(), newcomer_from=newcomer_from)
    if not 16 <= len(once) <= 64:
        return create(given)[0]
    content = [once, hashlib.sha256(given.photo).hexdigest(), given.look.slug, given.hero_name]
    key = hashlib.sha256(json.dumps(content).encode()).hexdigest()
    job, is_new = create(replace(given, idempotency_key=key))
    if not is_new and job.is_final:
        return create(given)[0]
    return job


def _own_job(request: HttpRequest, job_id: UUID) -> UUID:
    """Return the id of this person's own job; Http404 for any other."""
    if not _visible(request, now=timezone.now()).filter(id=job_id).exists():
        raise Http404
    return job_id


def _with_cookie(response: HttpResponse, value: str) -> HttpResponse:
    if value:
        identity.set_visitor_cookie(response, value)
    return response
