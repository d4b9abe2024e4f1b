"""Looks, which staff can edit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.staticfiles import finders
from django.core.exceptions import SuspiciousFileOperation
from django.http import HttpRequest
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html

from jobs.looks import versions
from jobs.models import Look

from .changes import AuditedMixin
from .look_versions import LookVersionsMixin


class LookForm(forms.ModelForm):
    """Refuses a picture or film that does not exist."""

    def clean_picture(self) -> str:
        return _existing(self.cleaned_data["picture"])

    def clean_loop(self) -> str:
        return _existing(self.cleaned_data["loop"])


def _existing(path: str) -> str:
    try:
        found = not path or bool(finders.find(path))
    except SuspiciousFileOperation:
        found = False
    if not found:
        raise forms.ValidationError("There is no such static file.")
    return path


@admin.register(Look)
class LookAdmin(AuditedMixin, LookVersionsMixin, admin.ModelAdmin):
    audited_as = "look"
    form = LookForm
    list_display = ("picture_preview", "title", "slug", "note", "order", "active")
    list_display_links = ("title",)
    list_editable = ("order", "active")
    list_filter = ("active",)
    search_fields = ("slug", "title")
    readonly_fields = ("picture_preview",)
    fieldsets = (
        (None, {"fields": ("title", "slug", "note", "order", "active")}),
        ("What is asked for", {"fields": ("prompt", "negative_prompt")}),
        ("What people see", {"fields": ("picture_preview", "picture", "loop")}),
    )

    def has_delete_permission(self, request: HttpRequest, obj: Look | None = None) -> bool:
        # Jobs keep their look, and asking which ones reads them all. A look that is not active is shown to nobody.
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Look | None = None) -> list[str]:
        # The slug is used by the studio and in people's links; another wording is another version.
        return [*self.readonly_fields, *(["slug", "prompt", "negative_prompt"] if obj else [])]

    def get_fieldsets(self, request: HttpRequest, obj: Look | None = None) -> Any:
        found = super().get_fieldsets(request, obj)
        if obj is not None:
            return found
        # Nobody is offered a look before its first version was tried.
        return [(title, {"fields": [one for one in part["fields"] if one != "active"]}) for title, part in found]

    def save_model(self, request: HttpRequest, obj: Look, form: Any, change: bool) -> None:
        if change:
            super().save_model(request, obj, form, change)
            return
        obj.active = False
        super().save_model(request, obj, form, change)
        written = {"prompt": obj.prompt, "negative_prompt": obj.negative_prompt}
        versions.write(obj, **written, creator_name=request.user.get_username(), now=timezone.now())

    def get_prepopulated_fields(self, request: HttpRequest, obj: Look | None = None) -> dict[str, Sequence[str]]:
        return {} if obj else {"slug": ("title",)}

    @admin.display(description="picture")
    def picture_preview(self, look: Look) -> str:
        if not look.picture:
            return "–"
        return format_html('<img class="thumbnail" src="{}" alt="" loading="lazy">', static(look.picture))
