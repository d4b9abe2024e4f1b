"""Public pages of shared films, for people and for services that make link previews.

/v/<slug>/          the page: the film and one call to action, with the tags that Discord, X, Slack and others read
/v/<slug>/card.jpg  the picture of its link
/v/<slug>/embed/    the film alone, for a frame on another site; the only address of ours that may be framed
/v/<slug>/report/   a form to report that a film should not be public
/oembed?url=…       how to embed a film, by the specification of oembed.com

Page, frame and oEmbed are the same for everyone: no cookie is read or set, and a CDN may keep them for PAGE_SECONDS and
then revalidates them by their ETag. So when an owner stops sharing, the page is gone within that time. The film itself
stops at once (`jobs.web.media`), and no address here outlives the sharing. When staff take a film
down (`jobs.takedowns`) all of these but oEmbed, which says 404, answer 410.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Any
from urllib.parse import urljoin, urlsplit

from csp.decorators import csp_replace
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import Resolver404, resolve, reverse
from django.utils import timezone
from django.utils.cache import get_conditional_response, patch_cache_control
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as noop
from django.views.decorators.cache import never_cache
from django.views.decorators.clickjacking import xframe_options_exempt
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_http_methods, require_safe
from rest_framework.exceptions import Throttled

from jobs import storage, takedowns
from jobs.intake import throttles
from jobs.intake.job_input import MAX_EMAIL_CHARACTERS, clean_email
from jobs.intake.problems import Problem
from jobs.labels import signing
from jobs.labels.sources import COMPOSITE
from jobs.models import Job
from jobs.storage_guard import StorageAway

from . import cards, shared
from .media import NO_ROBOTS

PAGE_SECONDS = 60
STALE_SECONDS = 30
# For films whose size was not stored: the size of the studio's films.
_USUAL_SIZE = (720, 1280)
_CARDS_KEPT = 32  # of about 100 kB each

REPORT_REASONS = {
    "me": noop("It shows me, or somebody in my care, and nobody asked."),
    "child": noop("It shows a child."),
    "harm": noop("It mocks, threatens or undresses somebody."),
    "other": noop("Something else."),
}


@shared.says_when_taken_down
@require_safe
def share(request: HttpRequest, share_slug: str) -> HttpResponse:
    """The page of a shared film; 404 once it is no longer shared."""
    job = shared.find(share_slug)
    return _kept(request, job, "pages/share.html")


@shared.says_when_taken_down
@require_safe
def card(request: HttpRequest, share_slug: str) -> HttpResponse:
    """The picture that a preview of the film's link shows, with its words in the language of the film's owner."""
    job = shared.find(share_slug)
    if not job.poster_key:
        raise Http404
    with shared.language_of(job):
        words = _("is the hero of this film.") if job.hero_name else _("The hero of this film could be you.")
    try:
        picture = _drawn_card(job.poster_key, job.hero_name, words)
    except StorageAway:
        return HttpResponse(status=503, headers={"Retry-After": "10"})
    except OSError as error:
        raise Http404 from error  # erased a moment ago
    response = HttpResponse(picture, content_type="image/jpeg")
    response["X-Robots-Tag"] = NO_ROBOTS
    answer = _for_a_cdn(request, job, response)
    # As film and poster: kept by a CDN, and asked for again each time, so that the face is gone once sharing ends.
    answer["Cache-Control"] = "public, no-cache"
    return answer


@xframe_options_exempt
@csp_replace({"frame-ancestors": ["*"]})
@shared.says_when_taken_down
@require_safe
def embed(request: HttpRequest, share_slug: str) -> HttpResponse:
    """A shared film for a frame on another site, with a link to us."""
    job = shared.find(share_slug)
    return _kept(request, job, "pages/embed.html")


@require_safe
def oembed(request: HttpRequest) -> HttpResponse:
    """Answer how to embed the shared film at `url`, no larger than `maxwidth` and `maxheight`."""
    if request.GET.get("format", "json") != "json":
        return _oembed_problem(501, _("Only format=json is spoken here."))
    share_slug = _slug_of(request.GET.get("url", ""))
    if share_slug is None:
        return _oembed_problem(404, _("“url” is no address of a shared film here."))
    try:
        most = [int(request.GET.get(name) or 100_000) for name in ("maxwidth", "maxheight")]
    except ValueError:
        return _oembed_problem(400, _("“maxwidth” and “maxheight” are numbers of pixels."))
    if min(most) < 1:
        return _oembed_problem(400, _("“maxwidth” and “maxheight” are numbers of pixels."))
    try:
        job = shared.find(share_slug)
    except Http404:
        return _oembed_problem(404, _("This film is not shared, or not any more."))
    with shared.language_of(job):
        shown = _shown(job)
    scale = min(1.0, most[0] / shown["width"], most[1] / shown["height"])
    width, height = (max(1, round(edge * scale)) for edge in (shown["width"], shown["height"]))
    body = {
        "version": "1.0",
        "type": "video",
        "title": shown["headline"],
        "provider_name": "Selfie Hero",
        "provider_url": urljoin(settings.PUBLIC_URL, "/"),
        "cache_age": PAGE_SECONDS,
        "width": width,
        "height": height,
        "html": format_html(
            '<iframe src="{}" width="{}" height="{}" title="{}" allow="autoplay; fullscreen; picture-in-picture"'
            ' allowfullscreen loading="lazy" frameborder="0"></iframe>',
            shown["embed"],
            width,
            height,
            shown["headline"],
        ),
        "thumbnail_url": shown["absolute_poster"],
        "thumbnail_width": shown["poster_width"],
        "thumbnail_height": shown["poster_height"],
    }
    response = JsonResponse(body)
    response["Access-Control-Allow-Origin"] = "*"
    return _for_a_cdn(request, job, response)


@never_cache
@csrf_protect
@shared.says_when_taken_down
@require_http_methods(["GET", "HEAD", "POST"])
def report(request: HttpRequest, share_slug: str) -> HttpResponse:
    """Take a report about a shared film, for staff to decide."""
    job = shared.find(share_slug)
    context: dict[str, Any] = {
        "share": _shown(job),
        "reasons": [(code, _(words)) for code, words in REPORT_REASONS.items()],
    }
    if request.method == "POST":
        context["reason"] = request.POST.get("reason", "")
        context["words"] = request.POST.get("words", "")[: takedowns.WORDS_MAX]
        context["email"] = request.POST.get("email", "")[: 2 * MAX_EMAIL_CHARACTERS]
        if context["reason"] not in REPORT_REASONS:
            return render(request, "pages/report.html", context | {"problem": _("Choose what is wrong.")}, status=422)
        try:
            context["email"] = clean_email(context["email"])
        except Problem:
            problem = _("This is not an e-mail address. You may leave it empty.")
            return render(request, "pages/report.html", context | {"email_problem": problem}, status=422)
        try:
            throttles.count_report(request)
        except Throttled:
            problem = _("That were many reports from here in an hour. The ones before have reached us.")
            return render(request, "pages/report.html", context | {"problem": problem}, status=429)
        given = {name: context[name] for name in ("reason", "words", "email")}
        takedowns.report(job.id, **given, now=timezone.now())
        context["is_sent"] = True
    return render(request, "pages/report.html", context)


@lru_cache(maxsize=_CARDS_KEPT)
def _drawn_card(poster_key: str, name: str, words: str) -> bytes:
    # A link that spreads is fetched by many services within a minute.
    return signing.sign_still(cards.of_film(storage.read(poster_key), name=name, words=words), source=COMPOSITE)


def _shown(job: Job) -> dict[str, Any]:
    """Return what everybody may see of a shared film: never its owner's addresses, which outlive the sharing."""
    paths = {
        name: reverse(view, args=[job.share_slug])
        for name, view in {
            "path": "share",
            "video": "shared_film",
            "poster": "shared_poster",
            "card": "share_card",
            "report": "report",
            "embed": "embed",
        }.items()
    }
    page = urljoin(settings.PUBLIC_URL, paths["path"])
    name = job.hero_name
    width, height = (job.video_width or _USUAL_SIZE[0]), (job.video_height or _USUAL_SIZE[1])
    return {
        **paths,
        "hero_name": name,
        "look_title": job.look.title,
        "look": job.look.slug,
        "headline": _("{name} is the hero of this film").format(name=name)
        if name
        else _("The hero of this film could be you"),
        "description": _("A short cyberpunk film, made from one selfie."),
        "page": page,
        "embed": urljoin(settings.PUBLIC_URL, paths["embed"]),
        "oembed": urljoin(settings.PUBLIC_URL, reverse("oembed")),
        "absolute_video": urljoin(settings.PUBLIC_URL, paths["video"]),
        "absolute_poster": urljoin(settings.PUBLIC_URL, paths["poster"]),
        "absolute_card": urljoin(settings.PUBLIC_URL, paths["card"]),
        "card_width": cards.WIDTH,
        "card_height": cards.HEIGHT,
        "width": width,
        "height": height,
        "poster_width": job.poster_width or width,
        "poster_height": job.poster_height or height,
        "seconds": round(job.video_seconds or 0),
    }


def _slug_of(url: str) -> str | None:
    """Return the slug of the shared film whose page or frame this is an address of."""
    try:
        parts, ours = urlsplit(url), urlsplit(settings.PUBLIC_URL)
        if parts.scheme not in ("http", "https") or parts.netloc.lower() != ours.netloc.lower():
            return None
        found = resolve(parts.path if parts.path.endswith("/") else f"{parts.path}/")
    except (ValueError, Resolver404):
        return None
    return found.kwargs["share_slug"] if found.url_name in ("share", "embed") else None


def _oembed_problem(status: int, sentence: str) -> HttpResponse:
    response = JsonResponse({"error": sentence}, status=status)
    response["Access-Control-Allow-Origin"] = "*"
    patch_cache_control(response, no_store=True)
    return response


def _kept(request: HttpRequest, job: Job, template: str) -> HttpResponse:
    """Answer with a page in the film owner's language, the same for everyone."""
    with shared.language_of(job):
        # Rendered without the request, so that nothing about the visitor can get into it.
        context = {"share": _shown(job), "start_url": reverse("start"), "is_for_all": True}
        response = HttpResponse(render_to_string(template, context))
    response["X-Robots-Tag"] = NO_ROBOTS
    return _for_a_cdn(request, job, response)


def _for_a_cdn(request: HttpRequest, job: Job, response: HttpResponse) -> HttpResponse:
    # The language depends on the film only, so caches need no Vary.
    response["Content-Language"] = job.locale or settings.LANGUAGE_CODE
    patch_cache_control(response, public=True, max_age=PAGE_SECONDS, stale_while_revalidate=STALE_SECONDS)
    etag = f'"{hashlib.sha256(response.content).hexdigest()[:32]}"'
    response["ETag"] = etag
    return get_conditional_response(request, etag=etag, response=response) or response
