"""Providers in the admin: all settings in a form, secrets write-only, the breaker to be opened again.

`jobs.admin.providers` registers this with what only jobs know: how much is in flight, and who did what.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Field, QuerySet, URLField
from django.forms import Field as FormField
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.views.decorators.debug import sensitive_post_parameters

from . import registry, signatures
from .forms import ProviderForm, describe_secrets, with_new_secret
from .models import ProviderConfig

_SECRET_STATES = ("api_key_state", "webhook_secrets_state")
_SECRET_INPUTS = ("new_api_key", "remove_api_key", "new_webhook_secret", "drop_older", "remove_webhook_secrets")


def pill(word: str, *, css: str = "") -> str:
    """Return a word on a coloured ground."""
    return format_html('<span class="pill pill-{}">{}</span>', css or word, word.replace("_", " "))


def _makes_own_secrets(provider: ProviderConfig) -> bool:
    """Tell whether a webhook secret is ours to choose; a vendor that tells its own takes none from us."""
    return (
        provider.adapter not in registry.adapter_names() or not registry.adapter_for(provider.adapter).can_learn_secrets
    )


@method_decorator(sensitive_post_parameters("new_api_key", "new_webhook_secret"), name="changeform_view")
class ProviderAdmin(admin.ModelAdmin):
    """Settings of providers. A save writes what staff changed and nothing else: claims and breakers work meanwhile."""

    form = ProviderForm
    list_display = ("title", "slug", "adapter_title", "order", "state")
    list_filter = ("enabled", "adapter")
    search_fields = ("slug", "title")
    actions = ("enable", "disable", "open_again")
    readonly_fields = ("state", "consecutive_failures", *_SECRET_STATES, "created_at", "updated_at")
    change_form_template = "admin/providers/providerconfig/change_form.html"

    # --- What is shown ----------------------------------------------------------------------------

    def get_fieldsets(self, request: HttpRequest, obj: ProviderConfig | None = None) -> list[tuple[str | None, Any]]:
        can_act = self.has_change_permission(request, obj) if obj else self.has_add_permission(request)
        key, secrets = ["api_key_state"], ["webhook_secrets_state"]
        if can_act:
            key += _SECRET_INPUTS[:2]
            secrets += _SECRET_INPUTS[2:] if obj else _SECRET_INPUTS[2:3]
        level = ["account_level"] if can_act else []
        now = [("Right now", {"fields": self.now_fields})] if obj else []
        return [
            *now,
            ("What it is", {"fields": ["title", "slug", "adapter", "enabled", "order"]}),
            ("Where it is", {"fields": ["base_url", "model", "parameters", "photo_transport", "result_hosts"]}),
            ("API key", {"fields": key, "description": "Encrypted at rest, never shown."}),
            ("Webhook secrets", {"fields": secrets, "description": "Up to two are accepted during a rotation."}),
            (
                "Limits",
                {"fields": [*level, "max_concurrent", "max_per_minute"], "description": "Kept exactly."},
            ),
            (
                "Patience",
                {
                    "fields": ["connect_timeout", "submit_timeout", "silence", "attempt_deadline"],
                    "description": "In seconds, or as hours:minutes:seconds.",
                },
            ),
            ("Money", {"fields": ["price", "daily_budget", "accepts_double_payment_risk", "keep_warm_interval"]}),
            *([("Dates", {"fields": ["created_at", "updated_at"], "classes": ["collapse"]})] if obj else []),
        ]

    now_fields: tuple[str, ...] = ("state", "consecutive_failures")

    def get_readonly_fields(self, request: HttpRequest, obj: ProviderConfig | None = None) -> list[str]:
        # The slug is part of webhook addresses that vendors hold.
        return [*super().get_readonly_fields(request, obj), *(["slug"] if obj else [])]

    def get_prepopulated_fields(self, request: HttpRequest, obj: ProviderConfig | None = None) -> dict[str, Any]:
        return {} if obj else {"slug": ("title",)}

    def formfield_for_dbfield(self, db_field: Field, request: HttpRequest, **choices: Any) -> FormField | None:
        if isinstance(db_field, URLField):
            choices["assume_scheme"] = "https"
        return super().formfield_for_dbfield(db_field, request, **choices)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *arguments: Any, obj: Any = None, **choices: Any
    ) -> HttpResponse:
        context["makes_own_secrets"] = obj is not None and _makes_own_secrets(obj)
        return super().render_change_form(request, context, *arguments, obj=obj, **choices)

    @admin.display(description="adapter", ordering="adapter")
    def adapter_title(self, provider: ProviderConfig) -> str:
        return dict(registry.adapter_choices()).get(provider.adapter, f"{provider.adapter} (gone)")

    @admin.display(description="state")
    def state(self, provider: ProviderConfig) -> str:
        if not provider.enabled:
            return pill("disabled", css="canceled")
        if provider.parked_until is not None and provider.is_parked(now=timezone.now()):
            seconds = int((provider.parked_until - timezone.now()).total_seconds())
            text = f"parked for {seconds} s" + (f": {provider.parked_reason}" if provider.parked_reason else "")
            return pill(text, css="failed")
        return pill("open", css="succeeded")

    @admin.display(description="API key")
    def api_key_state(self, provider: ProviderConfig) -> str:
        return describe_secrets(provider)["api_key"]

    @admin.display(description="Webhook secrets")
    def webhook_secrets_state(self, provider: ProviderConfig) -> str:
        return describe_secrets(provider)["webhook_secrets"]

    # --- Saving -----------------------------------------------------------------------------------

    def record(self, request: HttpRequest, action: str, provider: ProviderConfig, data: dict[str, Any]) -> None:
        """Write down who did it. `data` never holds a secret."""
        raise NotImplementedError

    def save_model(self, request: HttpRequest, provider: ProviderConfig, form: ProviderForm, change: bool) -> None:
        if change:
            columns = {field.name for field in ProviderConfig._meta.concrete_fields}
            changed = columns.intersection(form.changed_data) | form.filled_in
            changed |= {name for name, _what in form.secret_changes}
            provider.save(update_fields=[*changed, "updated_at"])
        else:
            super().save_model(request, provider, form, change)
        if form.secret_changes:
            self.record(request, "provider_key_changed", provider, dict(form.secret_changes))
        if not change:
            self.record(request, "provider_added", provider, {})
        elif "enabled" in form.changed_data:
            self.record(request, "provider_enabled" if provider.enabled else "provider_disabled", provider, {})

    def delete_model(self, request: HttpRequest, provider: ProviderConfig) -> None:
        self.record(request, "provider_removed", provider, {})
        super().delete_model(request, provider)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        # Removing goes one by one, through `delete_model`.
        return {name: action for name, action in super().get_actions(request).items() if name != "delete_selected"}

    # --- Actions ----------------------------------------------------------------------------------

    @admin.action(description="Enable the selected providers", permissions=["change"])
    def enable(self, request: HttpRequest, providers: QuerySet[ProviderConfig]) -> None:
        self._switch(request, providers.filter(enabled=False), "provider_enabled", enabled=True)

    @admin.action(description="Disable the selected providers", permissions=["change"])
    def disable(self, request: HttpRequest, providers: QuerySet[ProviderConfig]) -> None:
        self._switch(request, providers.filter(enabled=True), "provider_disabled", enabled=False)

    @admin.action(description="Open again: forget failures and waiting times", permissions=["change"])
    def open_again(self, request: HttpRequest, providers: QuerySet[ProviderConfig]) -> None:
        shut = providers.exclude(parked_until=None, consecutive_failures=0)
        values = {"parked_until": None, "parked_reason": "", "consecutive_failures": 0}
        self._switch(request, shut, "provider_opened_again", **values)

    def _switch(self, request: HttpRequest, providers: QuerySet[ProviderConfig], action: str, **values: Any) -> None:
        with transaction.atomic():
            rows = list(providers)
            ProviderConfig.objects.filter(pk__in=[row.pk for row in rows]).update(updated_at=timezone.now(), **values)
            for row in rows:
                self.record(request, action, row, {})
        names = ", ".join(str(row) for row in rows)
        if rows:
            self.message_user(request, f"{len(rows)} changed: {names}.", messages.SUCCESS)
        else:
            self.message_user(request, "Nothing to change: the selected providers are like that.", messages.INFO)

    # --- A secret of our own making ---------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.generate_secret)
        return [path("<int:object_id>/new-secret/", view, name="providers_new_secret"), *super().get_urls()]

    def generate_secret(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Put a fresh webhook secret in front and show it, this once."""
        with transaction.atomic():
            provider = ProviderConfig.objects.select_for_update().filter(pk=object_id).first()
            if provider is None or not _makes_own_secrets(provider):
                raise Http404
            if not self.has_change_permission(request, provider):
                raise PermissionDenied
            secret = ""
            if request.method == "POST":
                secret = signatures.new_secret()
                provider.webhook_secrets = with_new_secret(list(provider.webhook_secrets), secret)
                provider.save(update_fields=["webhook_secrets", "updated_at"])
                self.record(request, "provider_key_changed", provider, {"webhook_secrets": "generated"})
                self.log_change(request, provider, "Generated a webhook secret.")
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": provider,
            "title": "New webhook secret",
            "subtitle": str(provider),
            "secret": secret,
        }
        return TemplateResponse(request, "admin/providers/providerconfig/new_secret.html", context)
