"""The alerts' page: what is open and whose it is, the rules, what people were told lately, a test of the channels."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_POST

from jobs import alerts
from jobs.models import Alert, AlertMessage
from jobs.now.words import clock

from . import faces, parts

_LATELY, _LISTED = timedelta(days=7), 40
_CHANNELS = {AlertMessage.Channel.EMAIL: "e-mail", AlertMessage.Channel.WEBHOOK: "webhook"}


@admin.register(Alert)
class AlertAdmin(parts.ReadOnlyAdmin):
    """Reconcile opens and ends alerts; staff take them."""

    list_display = ("began_at", "rule", "subject", "level", "words")
    fields = ("rule", "subject", "level", "words", "began_at", "told_at", "seen_at", "ended_at", "taken_by", "taken_at")

    def get_urls(self) -> list[URLPattern]:
        take, test = self.admin_site.admin_view(self.take), self.admin_site.admin_view(self.send_test)
        return [
            path("<int:alert_id>/take/", take, name="jobs_alert_take"),
            path("test/", test, name="jobs_alert_test"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        now = timezone.now()
        told = Alert.objects.filter(told_at__isnull=False).select_related("taken_by").order_by("-began_at", "-id")
        # The worst first: "bad" before "warn".
        opened = list(told.filter(ended_at=None).order_by("level", "-began_at", "-id"))
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Alerts",
            "sentence": _sentence(opened),
            "opened": [(alert, alerts.RULES[Alert.Rule(alert.rule)].title, _since(alert, now)) for alert in opened],
            "rules": [
                (rule.title, rule.limit, any(alert.rule == name for alert in opened))
                for name, rule in alerts.RULES.items()
            ],
            "over": [
                (alert, alerts.RULES[Alert.Rule(alert.rule)].title, parts.span(alert.seen_at - alert.began_at))
                for alert in told.filter(ended_at__isnull=False, began_at__gt=now - _LATELY)[:_LISTED]
            ],
            "messages_sent": [
                (message, _CHANNELS[AlertMessage.Channel(message.channel)], clock(message.created_at))
                for message in AlertMessage.objects.order_by("-created_at", "-id")[:_LISTED]
            ],
            "channels": " and ".join(_CHANNELS[channel] for channel in alerts.channels()),
            "may_act": self.has_act_permission(request),
        }
        return TemplateResponse(request, "admin/jobs/alert/change_list.html", context)

    @method_decorator(require_POST)
    def take(self, request: HttpRequest, alert_id: int) -> HttpResponse:
        """Let others see whose an alert is."""
        if not self.has_act_permission(request):
            raise PermissionDenied
        rows = Alert.objects.filter(pk=alert_id, ended_at=None)
        if rows.update(taken_by=request.user, taken_at=timezone.now()):
            faces.note(request, "alert_taken", str(alert_id), {})
            self.message_user(request, "It is yours.", messages.SUCCESS)
        else:
            self.message_user(request, "It is over already.", messages.INFO)
        return HttpResponseRedirect(reverse("admin:jobs_alert_changelist"))

    @method_decorator(require_POST)
    def send_test(self, request: HttpRequest) -> HttpResponse:
        """Have reconcile send a message to every channel, so that what comes of it is on the page."""
        if not self.has_act_permission(request):
            raise PermissionDenied
        now = timezone.now()
        words = f"{request.user} wanted to see whether alerts arrive. Nothing is wrong."
        if alerts.write("test", now.isoformat(timespec="seconds"), "A test of alerts", words, now=now):
            text = "Reconcile sends it within seconds. Load this page again to see what came of it."
            self.message_user(request, text, messages.SUCCESS)
        else:
            self.message_user(request, "No channel is set: ALERT_EMAILS or ALERT_WEBHOOK_URL.", messages.WARNING)
        return HttpResponseRedirect(reverse("admin:jobs_alert_changelist"))


def _sentence(opened: list[Alert]) -> str:
    if not opened:
        return "Nothing to tell anybody."
    nobodys = sum(alert.taken_by is None for alert in opened)
    count = "One alert is open" if len(opened) == 1 else f"{len(opened)} alerts are open"
    if not nobodys:
        return f"{count}, and {'has' if len(opened) == 1 else 'all have'} somebody."
    if nobodys == len(opened):
        return f"{count}, and nobody has {'it' if len(opened) == 1 else 'them'} yet."
    return f"{count}; {nobodys} {'is' if nobodys == 1 else 'are'} nobody's yet."


def _since(alert: Alert, now: Any) -> str:
    return f"{clock(alert.began_at)}, {parts.age(alert.began_at, now=now)}"
