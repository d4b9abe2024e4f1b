"""What browsers and crawlers ask every site for at a fixed address."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.templatetags.static import static
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

# Shared films stay open to the services that preview links, which ask here first; they are kept out of search engines
# by `noindex` on each of them.
_NOT_FOR_CRAWLERS = ("/admin/", "/api/", "/jobs/", "/me/", "/media/", "/t/", "/webhooks/")


@cache_control(public=True, max_age=3600)
@require_safe
def robots(request: HttpRequest) -> HttpResponse:
    """Answer robots.txt (RFC 9309)."""
    lines = ["User-agent: *", *(f"Disallow: {prefix}" for prefix in _NOT_FOR_CRAWLERS)]
    return HttpResponse("\n".join(lines) + "\n", content_type="text/plain; charset=utf-8")


@cache_control(public=True, max_age=3600)
@require_safe
def favicon(request: HttpRequest) -> HttpResponse:
    """Lead old browsers, feed readers and chat clients, which read no `link`, to the icon."""
    return redirect(static("img/favicon.ico"))


@cache_control(public=True, max_age=3600)
@require_safe
def touch_icon(request: HttpRequest) -> HttpResponse:
    """Lead iOS, which asks at the root when a page is saved from elsewhere, to the icon."""
    return redirect(static("img/app-180.png"))
