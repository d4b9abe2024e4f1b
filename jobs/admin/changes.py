"""Changes of settings by staff, in the audit log as old -> new."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import Model, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse

from . import faces

CHANGED = "changed"
# The groups that each migration sets to what the release ships (`selfiehero.staff.roles`): shown, not edited.
SHIPPED_ROLES = ("support", "operator", "owner")


class AuditedMixin(admin.ModelAdmin):
    """Records what a save changed: {column: [old, new]}, secrets as "changed", who and from which address."""

    audited_as = ""
    # Columns whose values are never told.
    secret_columns: tuple[str, ...] = ()
    # Columns that others write, or that have an entry of their own.
    unaudited_columns: tuple[str, ...] = ()

    def save_form(self, request: HttpRequest, form: ModelForm, change: bool) -> Any:
        # The form has changed its instance already.
        before = self.model._default_manager.filter(pk=form.instance.pk).first() if change else None
        form.facts_before = self._facts(before) if before else {}  # type: ignore[attr-defined]
        return super().save_form(request, form, change)

    def save_related(self, request: HttpRequest, form: ModelForm, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        before: dict[str, Any] = form.facts_before  # type: ignore[attr-defined]
        after = self._facts(self.model._default_manager.get(pk=form.instance.pk))
        data = {
            name: CHANGED if name in self.secret_columns else [before.get(name), value]
            for name, value in after.items()
            if before.get(name) != value
        }
        if data:
            self.note(request, CHANGED if change else "added", form.instance, data)

    def delete_model(self, request: HttpRequest, obj: Model) -> None:
        self.note(request, "deleted", obj, {})
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        for row in queryset:
            self.note(request, "deleted", row, {})
        super().delete_queryset(request, queryset)

    def note(self, request: HttpRequest, what: str, row: Model, data: dict[str, Any]) -> None:
        faces.note(request, f"{self.audited_as}_{what}", str(getattr(row, "slug", "") or row)[:120], data)

    def _facts(self, row: Model) -> dict[str, Any]:
        facts: dict[str, Any] = {}
        for field in row._meta.concrete_fields:
            if field.editable and not field.primary_key and field.name not in self.unaudited_columns:
                value = field.value_from_object(row)
                facts[field.name] = value if isinstance(value, bool | int | float | list | dict | None) else str(value)
        for many in row._meta.many_to_many:
            facts[many.name] = sorted(str(other) for other in getattr(row, many.name).all())
        return facts


if admin.site.is_registered(User):
    admin.site.unregister(User)
if admin.site.is_registered(Group):
    admin.site.unregister(Group)


def _may_touch(request: HttpRequest, user: User | None) -> bool:
    """Return whether this person may change that one: a superuser is changed by superusers alone."""
    return user is None or not user.is_superuser or bool(request.user.is_superuser)


@admin.register(User)
class AuditedUserAdmin(AuditedMixin, UserAdmin):
    audited_as = "user"
    secret_columns = ("password",)
    unaudited_columns = ("last_login",)

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        # Who manages users would otherwise make owners of everything.
        locked = () if request.user.is_superuser else ("is_superuser",)
        return (*super().get_readonly_fields(request, obj), *locked)

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return super().has_change_permission(request, obj) and _may_touch(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return super().has_delete_permission(request, obj) and _may_touch(request, obj)

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        response = super().user_change_password(request, id, form_url)
        if request.method == "POST" and response.status_code == 302:
            self.note(request, CHANGED, User.objects.get(pk=id), {"password": CHANGED})
        return response


@admin.register(Group)
class AuditedGroupAdmin(AuditedMixin, GroupAdmin):
    audited_as = "group"

    def has_change_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return super().has_change_permission(request, obj) and (obj is None or obj.name not in SHIPPED_ROLES)

    def has_delete_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return super().has_delete_permission(request, obj) and (obj is None or obj.name not in SHIPPED_ROLES)
