"""What makes the site an installable app: service worker, manifest, and the offline page."""

from __future__ import annotations

import hashlib
import json

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.templatetags.static import static
from django.urls import reverse
from django.utils.cache import patch_cache_control
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

# The files of the offline page.
_OFFLINE_FILES = (
    *(f"css/{name}.css" for name in ("tokens", "base", "components", "pages")),
    *("fonts/rajdhani-600.woff2", "fonts/orbitron-600.woff2", "img/favicon.svg", "img/icons.svg"),
    *("js/app.js", "js/words.js", "js/gettext.js", "js/offline.js"),
)
_COLOUR = "#050609"


@require_safe
def service_worker(request: HttpRequest) -> HttpResponse:
    """The service worker, at the root because its scope is the whole site; browsers ask for it anew each day.

    Whoever changes the language gets another one, and with it the offline page in that language.
    """
    language = get_language() or settings.LANGUAGE_CODE
    catalogue = [] if language == settings.LANGUAGE_CODE else [f"js/catalogue/{language}.js"]
    files = [static(name) for name in (*_OFFLINE_FILES, *catalogue)]
    page = reverse("offline")
    version = hashlib.sha256(" ".join([page, language, *files]).encode()).hexdigest()[:12]
    worker_settings = {
        "cache": f"offline-{version}",
        "page": page,
        "files": files,
        "icon": static("img/app-192.png"),
        "home": reverse("heroes"),
        "target": reverse("share_target"),
        "start": reverse("start"),
    }
    response = render(
        request, "sw.js", {"settings_text": json.dumps(worker_settings)}, content_type="text/javascript; charset=utf-8"
    )
    patch_cache_control(response, no_cache=True)
    return response


@require_safe
def manifest(request: HttpRequest) -> HttpResponse:
    """The web app manifest: installable, which iOS wants before it takes pushes."""
    body = {
        "id": "/",
        "name": "Selfie Hero",
        "short_name": "Selfie Hero",
        "description": _("Send one selfie and get a short cinematic film with you as the cyberpunk hero."),
        "lang": get_language(),
        "start_url": reverse("start"),
        "scope": "/",
        "display": "standalone",
        "background_color": _COLOUR,
        "theme_color": _COLOUR,
        "icons": [
            {"src": static("img/favicon.svg"), "sizes": "any", "type": "image/svg+xml"},
            {"src": static("img/app-192.png"), "sizes": "192x192", "type": "image/png"},
            {"src": static("img/app-512.png"), "sizes": "512x512", "type": "image/png"},
            {
                "src": static("img/app-512-maskable.png"),
                "sizes": "512x512",
                "type": "image/png",
                "purpose": "maskable",
            },
        ],
        "share_target": {
            "action": reverse("share_target"),
            "method": "POST",
            "enctype": "multipart/form-data",
            "params": {"files": [{"name": "selfie", "accept": ["image/*"]}]},
        },
        "shortcuts": [{"name": _("My heroes"), "url": reverse("heroes")}],
    }
    response = JsonResponse(body, content_type="application/manifest+json")
    patch_cache_control(response, max_age=3600)
    return response


@require_safe
def offline(request: HttpRequest) -> HttpResponse:
    """The page that the service worker shows without a network."""
    return render(request, "pages/offline.html")
