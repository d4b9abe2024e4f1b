"""How staff set a provider up. Secrets go in here and never come out: a form shows only whether they are set."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from django import forms
from django.db.models import F, TextField
from django.db.models.expressions import ExpressionWrapper

from . import registry, signatures
from .models import ProviderConfig

# A rotation needs two: the one the vendor still signs with and the one it will sign with.
LIVE_SECRETS = 2
SECRET_FIELDS = ("api_key", "webhook_secrets")
NOT_SET, UNREADABLE = "not set", "unreadable"
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")


def describe_secrets(provider: ProviderConfig) -> dict[str, str]:
    """Say of each secret field whether it is set, not set, or stored under a key this installation does not have."""
    if provider.pk is None:
        return dict.fromkeys(SECRET_FIELDS, NOT_SET)
    # The columns as they lie in the database, past the decryption of the fields.
    stored = {f"stored_{name}": ExpressionWrapper(F(name), output_field=TextField()) for name in SECRET_FIELDS}
    row = ProviderConfig.objects.filter(pk=provider.pk).annotate(**stored).values(*stored).first() or {}
    return {name: _describe(row.get(f"stored_{name}"), getattr(provider, name)) for name in SECRET_FIELDS}


def _describe(stored: str | None, value: str | list[str]) -> str:
    if not stored:
        return NOT_SET
    if not value:
        return UNREADABLE
    return "set" if isinstance(value, str) or len(value) == 1 else f"{len(value)} set, all accepted"


def with_new_secret(secrets: list[str], new: str) -> list[str]:
    """Return the live secrets with a new one in front; the newest of the old ones stays for the rotation."""
    return [new, *(secret for secret in secrets if secret != new)][:LIVE_SECRETS]


class SecretField(forms.CharField):
    """Takes a secret and never shows one."""

    def __init__(self, **options: Any) -> None:
        widget = forms.PasswordInput(attrs={"autocomplete": "new-password", "class": "vTextField"})
        super().__init__(required=False, widget=widget, **options)


class HostsField(forms.CharField):
    """A list of host names, one a line."""

    widget = forms.Textarea(attrs={"rows": 3, "class": "vTextField"})

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> list[str]:  # type: ignore[override]
        hosts = [line.strip().lower() for line in str(value or "").splitlines() if line.strip()]
        for host in hosts:
            if not _HOST.fullmatch(host):
                raise forms.ValidationError(f"“{host}” is not a host name; write no scheme, port or path.")
        return list(dict.fromkeys(hosts))

    def has_changed(self, initial: Any, data: Any) -> bool:
        return "\n".join(initial or []).split() != str(data or "").split()


class ProviderForm(forms.ModelForm):
    """Everything about a provider but its secrets, and a way to replace those.

    The admin adds the model and its plain fields. A blank secret field keeps what is stored.
    """

    adapter = forms.ChoiceField(choices=registry.adapter_choices)
    result_hosts = HostsField(
        required=False, help_text="Hosts a film may be downloaded from, one a line; empty means the base URL's host."
    )
    new_api_key = SecretField(label="New API key", help_text="Blank keeps what is stored.")
    remove_api_key = forms.BooleanField(label="Remove the API key", required=False)
    new_webhook_secret = SecretField(
        help_text="Blank keeps what is stored. The old secret stays accepted beside the new one, until you drop it."
    )
    drop_older = forms.BooleanField(
        label="Drop the older secret", required=False, help_text="Deliveries signed with it are refused from then on."
    )
    remove_webhook_secrets = forms.BooleanField(label="Remove all webhook secrets", required=False)

    # What `clean` made of the secrets: (field of the model, what happened to it), never a value.
    secret_changes: list[tuple[str, str]]

    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        for name in (
            "connect_timeout",
            "submit_timeout",
            "attempt_deadline",
            "silence",
            "keep_warm_interval",
            "warm_for",
        ):
            duration = given.get(name)
            if duration is not None and duration <= timedelta(0):
                self.add_error(name, "This has to be longer than nothing.")
        self.secret_changes = []
        self._take_api_key(given)
        self._take_webhook_secrets(given)
        return given

    def clean_new_webhook_secret(self) -> str:
        secret = self.cleaned_data["new_webhook_secret"]
        if secret.startswith(signatures.PREFIX):
            try:
                key = signatures.secret_key(secret)
            except ValueError as error:
                raise forms.ValidationError(f"This cannot be used: {error}.") from None
            if not key:
                raise forms.ValidationError("There is nothing behind whsec_.")
        return secret

    def _take_api_key(self, given: dict[str, Any]) -> None:
        new = given.get("new_api_key")
        if new and given.get("remove_api_key"):
            self.add_error("remove_api_key", "Either a new key or none at all.")
        elif new:
            self._change("api_key", new, "replaced")
        elif given.get("remove_api_key"):
            self._change("api_key", "", "removed")

    def _take_webhook_secrets(self, given: dict[str, Any]) -> None:
        new, remove, drop = (given.get(n) for n in ("new_webhook_secret", "remove_webhook_secrets", "drop_older"))
        present = list(self.instance.webhook_secrets)
        if new and remove:
            self.add_error("remove_webhook_secrets", "Either a new secret or none at all.")
        elif new:
            kept = with_new_secret(present, new)
            self._change("webhook_secrets", [new] if drop else kept, "replaced" if drop else "added")
        elif remove:
            self._change("webhook_secrets", [], "removed")
        elif drop and len(present) > 1:
            self._change("webhook_secrets", present[:1], "older dropped")

    def _change(self, name: str, value: str | list[str], what: str) -> None:
        setattr(self.instance, name, value)
        self.secret_changes.append((name, what))
