"""The admin's site: Django's, with a second step of the log-in and a page where staff set it up."""

from __future__ import annotations

import logging
from functools import wraps
from typing import Any
from urllib.parse import urlencode

import segno
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import BadRequest, PermissionDenied
from django.db import DataError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path, reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django_otp.plugins.otp_totp.models import TOTPDevice

from jobs import now
from jobs.audit import audit
from jobs.client_address import client_network

from . import rooms, second_step

logger = logging.getLogger(__name__)


class StaffSite(AdminSite):
    """Lets nobody in who has not taken the second step that they set up, or that everybody must."""

    login_template = "admin/staff_login.html"

    def has_permission(self, request: HttpRequest) -> bool:
        return super().has_permission(request) and second_step.is_done(request)

    @method_decorator(never_cache)
    @method_decorator(login_not_required)
    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if request.method == "GET" and super().has_permission(request) and not second_step.is_done(request):
            name = "second_step" if second_step.is_enrolled(request.user) else "security"
            return HttpResponseRedirect(f"{reverse(f'admin:{name}')}?{urlencode({'next': _next(request)})}")
        return super().login(request, extra_context)

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        """Let staff in; an address with a value that no column holds, such as an id of forty digits, is a 400."""

        @wraps(view)
        def read(request: HttpRequest, *arguments: Any, **named: Any) -> HttpResponse:
            try:
                return view(request, *arguments, **named)
            except (OverflowError, DataError) as error:
                if request.method not in ("GET", "HEAD"):
                    raise
                raise BadRequest("no column holds such a value") from error

        return super().admin_view(read, cacheable)

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """Show what goes on now, to those who may see jobs; to others the rooms that they may enter."""
        page = now.page_of(now.read(now=timezone.now())) if request.user.has_perm("jobs.view_job") else None
        context = self.each_context(request) | {"title": "Now", "page": page} | (extra_context or {})
        return TemplateResponse(request, "admin/now/page.html", context)

    def now_json(self, request: HttpRequest) -> HttpResponse:
        """Answer the same to a page that is open."""
        if not request.user.has_perm("jobs.view_job"):
            raise PermissionDenied
        return JsonResponse(now.page_of(now.read(now=timezone.now())).as_json())

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        context = super().each_context(request)
        groups = rooms.rooms_of(context["available_apps"], path=request.path)
        return context | {"rooms": groups, "tabs": rooms.tabs_of(groups)}

    def get_urls(self) -> list[URLResolver | URLPattern]:
        return [
            path("second-step/", never_cache(self.second_step), name="second_step"),
            path("now.json", self.admin_view(self.now_json), name="now"),
            path("security/", never_cache(self.security), name="security"),
            *super().get_urls(),
        ]

    def second_step(self, request: HttpRequest) -> HttpResponse:
        """Ask for a code or a passkey."""
        if not super().has_permission(request):
            return HttpResponseRedirect(reverse("admin:login"))
        if second_step.is_done(request):
            return HttpResponseRedirect(_next(request))
        context = self.each_context(request) | {"title": "Second step", "next": _next(request), "is_wrong": False}
        if request.method == "POST":
            if second_step.take(request, request.POST.get("code", "").strip()):
                logger.info("second_step_taken user=%s address=%s", request.user.pk, client_network(request))
                return HttpResponseRedirect(_next(request))
            logger.warning("second_step_failed user=%s address=%s", request.user.pk, client_network(request))
            context["is_wrong"] = True
        return render(request, "admin/second_step.html", context, status=403 if context["is_wrong"] else 200)

    def security(self, request: HttpRequest) -> HttpResponse:
        """Show what somebody logs in with, and change it."""
        if not super().has_permission(request):
            return HttpResponseRedirect(reverse("admin:login"))
        if not second_step.is_verified(request) and second_step.is_enrolled(request.user):
            here = urlencode({"next": reverse("admin:security")})
            return HttpResponseRedirect(f"{reverse('admin:second_step')}?{here}")
        context: dict[str, Any] = {}
        if request.method == "POST":
            context = self._change(request)
            if not context:
                return HttpResponseRedirect(reverse("admin:security"))
        page = self.each_context(request) | {
            "title": "How you log in",
            "devices": second_step.devices_of(request.user),
            "is_required": not self.has_permission(request),
            "next": _next(request),
        }
        return render(request, "admin/security.html", page | context)

    def _change(self, request: HttpRequest) -> dict[str, Any]:
        """Do what a button of that page says; return what the page is to show at once, once."""
        asked, user = request.POST.get("do"), request.user
        if asked == "start_app":
            return _shown(second_step.start_app(user))
        if asked == "confirm_app":
            if not second_step.confirm_app(request, request.POST.get("code", "").strip()):
                started = TOTPDevice.objects.filter(user=user, confirmed=False).first()
                return (_shown(started) | {"is_wrong": True}) if started else {}
            self._note(request, "second_step_added", "code app")
            return {"codes": second_step.new_backup_codes(user)}
        if asked == "new_codes" and second_step.is_verified(request):
            self._note(request, "second_step_added", "backup codes")
            return {"codes": second_step.new_backup_codes(user)}
        if asked == "remove" and second_step.is_verified(request):
            gone = second_step.remove(user, request.POST.get("device", ""))
            if gone is not None:
                self._note(request, "second_step_removed", type(gone).__name__)
                messages.success(request, f"{gone.name or 'The passkey'} is removed.")
        return {}

    def _note(self, request: HttpRequest, action: str, what: str) -> None:
        address = client_network(request)
        audit(request.user, action, str(request.user.pk), {"what": what}, now=timezone.now(), address=address)
        logger.info("%s user=%s what=%s", action, request.user.pk, what)


def _next(request: HttpRequest) -> str:
    """Return where somebody wanted to go, as far as that is here."""
    wanted = request.POST.get("next") or request.GET.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure())
    return wanted if is_ours else reverse("admin:index")


def _shown(device: TOTPDevice) -> dict[str, Any]:
    """Return the key of a code app as a picture and as text; shown while it is set up, and never again."""
    picture = segno.make(device.config_url, error="m")
    secret = device.config_url.partition("secret=")[2].partition("&")[0]
    return {"started": True, "qr": picture.svg_data_uri(scale=4, border=2, light="#fff"), "secret": secret}
