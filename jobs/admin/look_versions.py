"""The versions of a look's wording: one page with their sample films, and one to write the next."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from jobs import storage
from jobs.looks import versions
from jobs.models import Look, LookVersion
from providers.models import ProviderConfig

from . import faces

# Older ones are kept, and not shown.
_SHOWN = 20


class VersionForm(forms.ModelForm):
    """Takes a new wording, which has to differ from the one that is active."""

    class Meta:
        model = LookVersion
        fields = ("prompt", "negative_prompt", "note")
        widgets = {"prompt": forms.Textarea({"rows": 5}), "negative_prompt": forms.Textarea({"rows": 2})}

    def __init__(self, *arguments: Any, look: Look, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.look = look

    def clean(self) -> dict[str, Any] | None:
        asked_for = {name: self.cleaned_data.get(name) for name in ("prompt", "negative_prompt")}
        if not self.errors and asked_for == {name: getattr(self.look, name) for name in asked_for}:
            raise forms.ValidationError("This is what people get already. Change it, then save.")
        return self.cleaned_data


class LookVersionsMixin(admin.ModelAdmin):
    """Adds the pages of versions to the admin of looks."""

    def get_urls(self) -> list[URLPattern]:
        pages = {
            "<int:look_id>/versions/": (self.versions, "jobs_look_versions"),
            "<int:look_id>/versions/add/": (self.write_version, "jobs_look_version_add"),
            "versions/<int:version_id>/sample/": (require_POST(self.ask_for_sample), "jobs_look_version_sample"),
            "versions/<int:version_id>/activate/": (require_POST(self.activate), "jobs_look_version_activate"),
        }
        own = [path(route, self.admin_site.admin_view(view), name=name) for route, (view, name) in pages.items()]
        return [*own, *super().get_urls()]

    def versions(self, request: HttpRequest, look_id: int) -> HttpResponse:
        """Show what is asked for, what was, and the sample film of each."""
        look = get_object_or_404(Look, pk=look_id)
        if not self.has_view_permission(request, look):
            raise PermissionDenied
        now = timezone.now()
        rows = list(look.versions.select_related("sample_provider")[:_SHOWN])
        active = versions.active_version(look)
        shown = [
            {
                "row": row,
                "is_active": row == active,
                "film": storage.signed_url(row.video_key, filename=f"{look.slug}-{row.number}.mp4", now=now),
                "poster": storage.signed_url(row.poster_key, filename="poster.jpg", now=now),
            }
            for row in rows
        ]
        context = self._context(request, look, _sentence(look, active)) | {
            "versions": shown,
            "providers": list(ProviderConfig.objects.in_order().filter(enabled=True)),
            "is_making": any(row.sample_asked_at for row in rows),
            "may_change": self.has_change_permission(request, look),
        }
        return TemplateResponse(request, "admin/jobs/look/versions.html", context)

    def write_version(self, request: HttpRequest, look_id: int) -> HttpResponse:
        """Take a new wording. It changes nothing for people until it is activated."""
        look = self._to_change(request, look_id)
        form = VersionForm(request.POST or None, look=look, initial={
            "prompt": look.prompt, "negative_prompt": look.negative_prompt
        })  # fmt: skip
        if request.method == "POST" and form.is_valid():
            row = versions.write(
                look, **form.cleaned_data, creator_name=request.user.get_username(), now=timezone.now()
            )
            faces.note(request, "look_version_written", look.slug, {"version": row.number, **form.cleaned_data})
            self.message_user(request, f"Version {row.number} is written. Make a sample film of it.", messages.SUCCESS)
            return self._back(look)
        context = self._context(request, look, f"A new version of {look.title}") | {"form": form}
        return TemplateResponse(request, "admin/jobs/look/version_add.html", context)

    def ask_for_sample(self, request: HttpRequest, version_id: int) -> HttpResponse:
        """Have reconcile, which speaks to providers, make a sample film; the page then shows it."""
        version = get_object_or_404(LookVersion.objects.select_related("look"), pk=version_id)
        look = self._to_change(request, version.look_id)
        chosen = request.POST.get("provider", "")
        provider = ProviderConfig.objects.filter(enabled=True, pk=int(chosen) if chosen.isdecimal() else 0).first()
        if provider is None:
            self.message_user(request, "Choose a provider that is enabled.", messages.ERROR)
        elif versions.ask_for_sample(version, provider, now=timezone.now()):
            faces.note(request, "look_sample_asked", look.slug, {"version": version.number, "provider": provider.slug})
        else:
            self.message_user(request, "Its sample film is being made already.", messages.INFO)
        return self._back(look)

    def activate(self, request: HttpRequest, version_id: int) -> HttpResponse:
        """Give people this version from the next film on."""
        version = get_object_or_404(LookVersion, pk=version_id)
        look = self._to_change(request, version.look_id)
        before = versions.active_version(look)
        try:
            versions.activate(version, now=timezone.now())
        except versions.NotTried:
            self.message_user(request, "Make a sample film of it first, and watch it.", messages.ERROR)
            return self._back(look)
        numbers = [before.number if before else None, version.number]
        faces.note(request, "look_version_activated", look.slug, {"version": numbers})
        self.message_user(request, f"People get version {version.number} from now on.", messages.SUCCESS)
        return self._back(look)

    def _to_change(self, request: HttpRequest, look_id: int) -> Look:
        look = get_object_or_404(Look, pk=look_id)
        if not self.has_change_permission(request, look):
            raise PermissionDenied
        return look

    def _back(self, look: Look) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:jobs_look_versions", args=[look.pk]))

    def _context(self, request: HttpRequest, look: Look, title: str) -> dict[str, Any]:
        return {**self.admin_site.each_context(request), "opts": self.opts, "original": look, "title": title}


def _sentence(look: Look, active: LookVersion | None) -> str:
    newest = look.versions.first()
    if active is None:
        return f"{look.title} has no version yet." if newest is None else f"No version of {look.title} is active yet."
    if newest is not None and newest.number > active.number:
        return f"People get version {active.number} of {look.title}; version {newest.number} waits for your judgement."
    return f"People get version {active.number} of {look.title}, the newest."
