"""The admin of providers: a form for all settings, write-only secrets, an action that closes breakers.

`jobs.admin.providers` registers a subclass that adds what only `jobs` knows: calls in flight and the audit log.
"""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin.utils import flatten_fieldsets
from django.contrib.humanize.templatetags.humanize import naturaltime
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Field, JSONField, QuerySet, URLField
from django.forms import Field as FormField
from django.forms import ModelForm
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.text import Truncator
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from . import registry, signatures, switches
from .callbacks import transport_problem
from .forms import PlainJSONField, ProviderForm, describe_secrets, with_new_secret
from .models import NOTHING_AGAINST_IT, TESTED, UNTESTED, BreakerReason, BreakerState, ProviderConfig

_SECRET_STATES = ("api_key_state", "webhook_secrets_state")
_SECRET_INPUTS = ("new_api_key", "remove_api_key", "new_webhook_secret", "drop_older", "remove_webhook_secrets")
PARK_MINUTES, MOST_PARK_MINUTES = 15, 24 * 60
# Who may change settings changes limits, order and patience; these take a permission more.
KEYS, MONEY = "providers.manage_keys", "providers.manage_money"
LOCKED = {
    KEYS: (
        *("title", "slug", "adapter", "base_url", "model", "parameters", "photo_transport", "result_hosts"),
        *("api_key", "webhook_secrets", *_SECRET_INPUTS),
    ),
    MONEY: ("price", "daily_budget", "accepts_double_payment_risk", "keep_warm_interval"),
}


def locked_for(user: Any) -> set[str]:
    """Return the fields that this person may not change, whatever a form says."""
    return {name for permission, names in LOCKED.items() if not user.has_perm(permission) for name in names}


def pill(word: str, *, css: str = "") -> str:
    """Return a word as a coloured pill. `css` names the colour when the word does not."""
    return format_html('<span class="pill pill-{}">{}</span>', css or word, word.replace("_", " "))


def _makes_own_secrets(provider: ProviderConfig) -> bool:
    """Tell whether staff choose the webhook secret; vendors with `can_learn_secrets` choose it themselves."""
    return not provider.capabilities.can_learn_secrets


def _back(request: HttpRequest) -> HttpResponse | None:
    """Lead back to the page of the provider on which a button was pressed; None for the list."""
    came_from = request.POST.get("back", "")
    if not (came_from.isascii() and came_from.isdecimal()):
        return None
    return HttpResponseRedirect(reverse("admin:providers_providerconfig_change", args=[int(came_from)]))


@method_decorator(sensitive_post_parameters("new_api_key", "new_webhook_secret"), name="changeform_view")
class ProviderAdmin(admin.ModelAdmin):
    """A save writes only the columns that staff changed, because claims and breakers write others meanwhile."""

    form = ProviderForm
    list_display: tuple[str, ...] = ("title", "state", "slug", "adapter_title", "place")
    list_filter = ("enabled", "adapter")
    search_fields = ("slug", "title")
    actions = ("test_connection", "enable", "disable", "park", "close_breaker")
    readonly_fields: ClassVar[tuple[str, ...]] = (
        "state",
        "failures",
        "newest_error",
        "connection",
        *_SECRET_STATES,
        "created_at",
        "updated_at",
    )
    change_form_template = "admin/providers/providerconfig/change_form.html"

    # --- What is shown ----------------------------------------------------------------------------

    def get_fieldsets(self, request: HttpRequest, obj: ProviderConfig | None = None) -> Any:
        can_act = self.has_change_permission(request, obj) if obj else self.has_add_permission(request)
        has_keys = can_act and request.user.has_perm(KEYS)
        key, secrets = ["api_key_state"], ["webhook_secrets_state"]
        if has_keys:
            key += _SECRET_INPUTS[:2]
            secrets += _SECRET_INPUTS[2:] if obj else _SECRET_INPUTS[2:3]
        limits = [*(["account_level"] if can_act else []), "max_concurrent", "max_per_minute"]
        limits += self.limit_fields if obj else ()
        now = [("Right now", {"fields": self.now_fields})] if obj else []
        return [
            *now,
            ("What it is", {"fields": ["title", "slug", "adapter", *(["enabled"] if obj else []), "order", "weight"]}),
            ("Where it is", {"fields": ["base_url", "model", "parameters", "photo_transport", "result_hosts"]}),
            ("API key", {"fields": key, "description": "Encrypted at rest, never shown."}),
            ("Webhook secrets", {"fields": secrets, "description": "Up to two are accepted during a rotation."}),
            ("Limits", {"fields": limits, "description": "Kept exactly."}),
            (
                "Patience",
                {
                    "fields": ["connect_timeout", "submit_timeout", "silence", "attempt_deadline"],
                    "description": "In seconds, or as hours:minutes:seconds.",
                },
            ),
            ("Money", {"fields": ["price", "daily_budget", "accepts_double_payment_risk"]}),
            ("Keeping it awake", {"fields": ["warm_for", "keep_warm_interval"]}),
            *([("Dates", {"fields": ["created_at", "updated_at"], "classes": ["collapse"]})] if obj else []),
        ]

    limit_fields: tuple[str, ...] = ()
    now_fields: tuple[str, ...] = ("state", "connection", "failures", "newest_error")

    def get_readonly_fields(self, request: HttpRequest, obj: ProviderConfig | None = None) -> list[str]:
        locked = locked_for(request.user) - {*_SECRET_INPUTS, "api_key", "webhook_secrets"}
        # The slug is part of webhook addresses that vendors hold.
        locked |= {"slug"} if obj else set()
        return [*super().get_readonly_fields(request, obj), *sorted(locked)]

    def get_form(
        self, request: HttpRequest, obj: ProviderConfig | None = None, change: bool = False, **choices: Any
    ) -> type[ModelForm]:
        form = super().get_form(request, obj, change, **choices)
        # Django keeps the fields that a form declares itself, shown or not, and would take them from a request.
        shown = flatten_fieldsets(self.get_fieldsets(request, obj))
        for name in set(form.declared_fields).difference(shown):
            form.base_fields.pop(name, None)
        return form

    def has_add_permission(self, request: HttpRequest) -> bool:
        return super().has_add_permission(request) and not locked_for(request.user)

    def get_prepopulated_fields(self, request: HttpRequest, obj: ProviderConfig | None = None) -> dict[str, Any]:
        return {} if obj else {"slug": ("title",)}

    def formfield_for_dbfield(self, db_field: Field, request: HttpRequest, **choices: Any) -> FormField | None:
        if isinstance(db_field, URLField):
            choices["assume_scheme"] = "https"
        if isinstance(db_field, JSONField):
            choices["form_class"] = PlainJSONField
        return super().formfield_for_dbfield(db_field, request, **choices)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *arguments: Any, obj: Any = None, **choices: Any
    ) -> HttpResponse:
        makes_own_secrets = obj is not None and _makes_own_secrets(obj)
        context["makes_own_secrets"] = makes_own_secrets and request.user.has_perm(KEYS)
        context["park_minutes"], context["most_minutes"] = PARK_MINUTES, MOST_PARK_MINUTES
        context["can_resume"] = obj is not None and any(
            getattr(obj, name) != value for name, value in NOTHING_AGAINST_IT.items()
        )
        choices["obj"] = obj
        return super().render_change_form(request, context, *arguments, **choices)

    @admin.display(description="adapter", ordering="adapter")
    def adapter_title(self, provider: ProviderConfig) -> str:
        return dict(registry.adapter_choices()).get(provider.adapter, f"{provider.adapter} (gone)")

    @admin.display(description="order", ordering="order")
    def place(self, provider: ProviderConfig) -> str:
        return f"{provider.order}" if provider.weight == 1 else f"{provider.order} × {provider.weight}"

    @admin.display(description="state")
    def state(self, provider: ProviderConfig) -> str:
        """Say whether the provider gets jobs, and if not, why and for how long; the later end goes first."""
        now = timezone.now()
        blocked_until = provider.blocked_until(now=now)
        if not provider.enabled:
            return pill("disabled" if provider.may_be_enabled else "disabled, not tested", css="canceled")
        if provider.host_gone_at is not None:
            return pill(f"its host {provider.host} is gone", css="failed")
        if blocked_until is not None:
            seconds = f"{math.ceil((blocked_until - now).total_seconds())} s"
            if blocked_until == provider.breaker_until:
                return pill(f"breaker open for {seconds}: {provider.get_breaker_reason_display()}", css="failed")
            if provider.rate_limited_reason == switches.PARKED:
                return pill(f"{switches.PARKED} for {seconds}", css="queued")
            return pill(f"waits for {seconds}: {provider.rate_limited_reason}", css="queued")
        if provider.needs_probe(now=now):
            half_open = provider.breaker_state(now=now) == BreakerState.HALF_OPEN
            return pill("breaker half open: one probe" if half_open else "one probe after a wait", css="queued")
        if provider.is_out_of_budget(now=now):
            return pill("today's budget is used up", css="queued")
        if used_up := self.used_up(provider):
            return pill(used_up, css="queued")
        if provider.is_on_probation:
            return pill("on probation: one film at a time until the first is there", css="queued")
        return pill("ready", css="succeeded")

    def used_up(self, provider: ProviderConfig) -> str:
        """Say which limit is reached now, '' for none. `jobs` overrides it."""
        return ""

    @admin.display(description="in a row")
    def failures(self, provider: ProviderConfig) -> str:
        return f"{provider.consecutive_failures} calls failed, {provider.spoiled_films} films spoiled"

    @admin.display(description="last error")
    def newest_error(self, provider: ProviderConfig) -> str:
        if not provider.last_error or provider.last_error_at is None:
            return "–"
        return format_html(
            '<span title="{}">{}, {}</span>',
            provider.last_error,
            Truncator(provider.last_error).chars(60),
            naturaltime(provider.last_error_at),
        )

    @admin.display(description="connection test")
    def connection(self, provider: ProviderConfig) -> str:
        """Say in words what came of the newest connection test."""
        if provider.test_asked_at is not None:
            return f"Running, asked for {naturaltime(provider.test_asked_at)}. Load this page again in a few seconds."
        if not provider.test_result:
            return "Needed by none that the product runs itself." if provider.is_managed else "Not tested yet."
        css = "failed" if provider.test_result.startswith("Failed") else "succeeded"
        return format_html('<span class="pill pill-{}">{}</span> {}', css, *provider.test_result.split(maxsplit=1))

    @admin.display(description="API key")
    def api_key_state(self, provider: ProviderConfig) -> str:
        return describe_secrets(provider)["api_key"]

    @admin.display(description="Webhook secrets")
    def webhook_secrets_state(self, provider: ProviderConfig) -> str:
        return describe_secrets(provider)["webhook_secrets"]

    # --- Saving -----------------------------------------------------------------------------------

    def record(self, request: HttpRequest, action: str, provider: ProviderConfig, data: dict[str, Any]) -> None:
        """Add an entry to the audit log. `data` never contains a secret."""
        raise NotImplementedError

    def save_model(self, request: HttpRequest, provider: ProviderConfig, form: ProviderForm, change: bool) -> None:
        given = {*form.changed_data, *form.filled_in, *(name for name, _what in form.secret_changes)}
        if given & locked_for(request.user):
            raise PermissionDenied
        if change:
            columns = {field.name for field in ProviderConfig._meta.concrete_fields}
            changed = columns.intersection(form.changed_data) | form.filled_in
            changed |= {name for name, _what in form.secret_changes}
            changed |= self._follow(request, provider, changed)
            provider.save(update_fields=[*changed, "updated_at"])
        else:
            # Nobody's photo goes to a provider that nobody has looked at: it is switched on by a change of its own.
            provider.enabled, provider.host = False, self.host_of(provider)
            super().save_model(request, provider, form, change)
            self.message_user(request, f"{provider} is disabled. Test its connection, then enable it.")
        if problem := transport_problem(provider):
            self.message_user(request, problem, messages.WARNING)
        if form.secret_changes:
            self.record(request, "provider_key_changed", provider, dict(form.secret_changes))
        if change and "enabled" in form.changed_data:
            self.record(request, "provider_enabled" if provider.enabled else "provider_disabled", provider, {})

    def host_of(self, provider: ProviderConfig) -> str:
        """Return the host that alone can call its address, '' for an address of the network. `jobs` overrides it."""
        return ""

    def _follow(self, request: HttpRequest, provider: ProviderConfig, changed: set[str]) -> set[str]:
        """Update the columns that depend on changed ones, and return their names.

        A new key or base URL closes an account breaker; a new budget is counted from zero. Other settings of the
        connection have to be tested before it is enabled again, and another address is another provider.
        """
        follow: dict[str, Any] = {}
        if changed & set(TESTED) and not provider.is_managed:
            follow |= UNTESTED
        if changed & {"adapter", "base_url"} and not provider.is_managed:
            follow |= {"enabled": False, "proven_at": None, "host": self.host_of(provider), "host_gone_at": None}
            self.message_user(request, f"{provider} has another address: test its connection, then enable it.")
        if changed & {"api_key", "base_url"}:
            follow |= {"secrets_asked_at": None}
            if provider.breaker_reason == BreakerReason.ACCOUNT:
                follow |= NOTHING_AGAINST_IT
        if "daily_budget" in changed:
            follow |= {"budget_day": None}
        for name, value in follow.items():
            setattr(provider, name, value)
        return set(follow)

    def has_delete_permission(self, request: HttpRequest, obj: ProviderConfig | None = None) -> bool:
        # Attempts keep their provider, and asking which ones reads them all. A disabled provider gets no job.
        return False

    # --- Actions ----------------------------------------------------------------------------------

    @admin.action(description="Enable the selected providers", permissions=["change"])
    def enable(self, request: HttpRequest, providers: QuerySet[ProviderConfig]) -> None:
        disabled = list(providers.filter(enabled=False))
        if untested := [row for row in disabled if not row.may_be_enabled]:
            names = ", ".join(str(row) for row in untested)
            self.message_user(request, f"Test the connection first: {names}.", messages.ERROR)
        tested = [row.pk for row in disabled if row.may_be_enabled]
        if tested or not untested:
            able = providers.filter(enabled=False, pk__in=tested)
            self._switch(request, able, "Enabled", "provider_enabled", enabled=True)

    @admin.action(description="Test the connection with a film of the sample photo", permissions=["change"])
    def test_connection(self, request: HttpRequest, providers: QuerySet[ProviderConfig]) -> None:
        values = {"test_asked_at": timezone.now(), "test_token": "", "test_result": ""}
        self._switch(request, providers.filter(test_asked_at=None), "Being tested", "provider_tested", **values)

    @admin.action(description="Disable the selected providers", permissions=["change"])
    def disable(self, request: HttpRequest, providers: QuerySet[ProviderConfig]) -> None:
        record = self._recorder(request, "provider_disabled")
        self._tell(request, "Disabled", switches.drain(providers, record=record, now=timezone.now()))

    @admin.action(description="Resume: forget parking, failures and waits", permissions=["change"])
    def close_breaker(self, request: HttpRequest, providers: QuerySet[ProviderConfig]) -> HttpResponse | None:
        blocked = providers.exclude(**NOTHING_AGAINST_IT)
        self._switch(request, blocked, "Resumed", "provider_breaker_closed", **NOTHING_AGAINST_IT)
        return _back(request)

    @admin.action(description=f"Park for {PARK_MINUTES} minutes: no new films", permissions=["change"])
    def park(self, request: HttpRequest, providers: QuerySet[ProviderConfig]) -> HttpResponse | None:
        """Park them for the minutes that a provider's page asks for, or for PARK_MINUTES from the list."""
        minutes = request.POST.get("minutes", str(PARK_MINUTES))
        if not (
            minutes.isdecimal() and minutes.isascii() and len(minutes) < 6 and 0 < int(minutes) <= MOST_PARK_MINUTES
        ):
            text = f"Not parked: minutes are a whole number from 1 to {MOST_PARK_MINUTES:,}."
            self.message_user(request, text, messages.ERROR)
            return _back(request)
        now = timezone.now()
        until = now + timedelta(minutes=int(minutes))
        parked = switches.park(providers, until=until, record=self._recorder(request, "provider_parked"), now=now)
        self._tell(request, f"Parked until {timezone.localtime(until):%H:%M}", parked)
        return _back(request)

    def _recorder(self, request: HttpRequest, action: str) -> switches.Record:
        return lambda provider, data: self.record(request, action, provider, data)

    def _switch(
        self, request: HttpRequest, providers: QuerySet[ProviderConfig], done: str, action: str, **values: Any
    ) -> None:
        record = self._recorder(request, action)
        self._tell(request, done, switches.switch(providers, values, record=record, data={}, now=timezone.now()))

    def _tell(self, request: HttpRequest, done: str, rows: list[ProviderConfig]) -> None:
        names = ", ".join(str(row) for row in rows)
        if rows:
            self.message_user(request, f"{done}: {names}.", messages.SUCCESS)
        else:
            self.message_user(request, "Nothing to change: the selected providers are like that.", messages.INFO)

    # --- Generated secrets ------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        new_secret = self.admin_site.admin_view(self.generate_secret)
        test = self.admin_site.admin_view(require_POST(self.ask_for_test))
        return [
            path("<int:object_id>/new-secret/", new_secret, name="providers_new_secret"),
            path("<int:object_id>/test/", test, name="providers_test"),
            *super().get_urls(),
        ]

    def ask_for_test(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Have the connection tested by reconcile, which speaks to providers; the page then shows the result."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        self.test_connection(request, ProviderConfig.objects.filter(pk=object_id))
        return HttpResponseRedirect(reverse("admin:providers_providerconfig_change", args=[object_id]))

    def generate_secret(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Add a new webhook secret in front of the others and show it this one time."""
        with transaction.atomic():
            provider = ProviderConfig.objects.select_for_update().filter(pk=object_id).first()
            if provider is None or not _makes_own_secrets(provider):
                raise Http404
            if not (self.has_change_permission(request, provider) and request.user.has_perm(KEYS)):
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
