"""The form for a provider. Secrets are write-only: the form shows only whether they are set."""

from __future__ import annotations

from typing import Any

from django import forms
from django.forms.fields import InvalidJSONInput

from common import plain_json
from providers.http.hosts import Entry

from . import registry
from .models import TESTED, ProviderConfig
from .secrets import ciphertext_of
from .validators import check_api_key

# During a rotation the vendor may sign with the old or the new secret.
LIVE_SECRETS = 2
SECRET_FIELDS = ("api_key", "webhook_secrets")
NOT_SET, UNREADABLE = "not set", "unreadable"
AS_BELOW = "as entered below"


def describe_secrets(provider: ProviderConfig) -> dict[str, str]:
    """Return, for each secret field, whether it is set, not set, or cannot be decrypted with FIELD_KEYS."""
    if provider.pk is None:
        return dict.fromkeys(SECRET_FIELDS, NOT_SET)
    stored = {f"stored_{name}": ciphertext_of(name) for name in SECRET_FIELDS}
    row = ProviderConfig.objects.filter(pk=provider.pk).annotate(**stored).values(*stored).first() or {}
    return {name: _describe(row.get(f"stored_{name}"), getattr(provider, name)) for name in SECRET_FIELDS}


def _describe(stored: str | None, value: str | list[str]) -> str:
    if not stored:
        return NOT_SET
    if not value:
        return UNREADABLE
    return "set" if isinstance(value, str) or len(value) == 1 else f"{len(value)} set, all accepted"


def level_choices() -> list[tuple[str, Any]]:
    """Return the account levels of all vendors for a form field, grouped by vendor."""
    groups: list[tuple[str, Any]] = [("", AS_BELOW)]
    for name, title in registry.adapter_choices():
        levels = [
            (
                f"{name}:{preset.slug}",
                f"{preset.title}: {preset.max_concurrent} at once, {preset.max_per_minute} a minute",
            )
            for preset in registry.adapter_for(name).presets
        ]
        if levels:
            groups.append((title, levels))
    return groups


def with_new_secret(secrets: list[str], new: str) -> list[str]:
    """Return the accepted secrets: the new one, and the newest of the old ones."""
    return [new, *(secret for secret in secrets if secret != new)][:LIVE_SECRETS]


class SecretField(forms.CharField):
    """A write-only field for a secret."""

    def __init__(self, **options: Any) -> None:
        widget = forms.PasswordInput(attrs={"autocomplete": "new-password", "class": "vTextField"})
        super().__init__(required=False, widget=widget, **options)


class HostsField(forms.CharField):
    """A list of host names, one per line."""

    widget = forms.Textarea(attrs={"rows": 3, "class": "vTextField"})

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> list[str]:  # type: ignore[override]  # a text field gives a text
        hosts = [line.strip().lower() for line in str(value or "").splitlines() if line.strip()]
        for host in hosts:
            try:
                Entry.parse(host)
            except ValueError:
                raise forms.ValidationError(
                    f"“{host}” is not a host; write names like films.example.com or *.example.com, no scheme or path."
                ) from None
        return list(dict.fromkeys(hosts))

    def has_changed(self, initial: Any, data: Any) -> bool:
        return "\n".join(initial or []).split() != str(data or "").split()


class PlainJSONField(forms.JSONField):
    """A field for JSON that says what is wrong with what was entered, and takes nothing that no database stores."""

    def to_python(self, value: Any) -> Any:
        if isinstance(value, str) and value not in self.empty_values and not self.disabled:
            try:
                plain_json.loads(value)
            except plain_json.NotPlain as error:
                raise forms.ValidationError(str(error)) from None
        return super().to_python(value)

    def bound_data(self, data: Any, initial: Any) -> Any:
        if isinstance(data, str) and not self.disabled:
            try:
                plain_json.loads(data)
            except plain_json.NotPlain:
                return InvalidJSONInput(data)  # shown again as it was entered
        return super().bound_data(data, initial)


class ProviderForm(forms.ModelForm):
    """All settings of a provider, with fields that replace its secrets. The admin adds the model and its plain fields.

    A blank secret field keeps the stored secret.
    """

    adapter = forms.ChoiceField(choices=registry.adapter_choices)
    account_level = forms.ChoiceField(
        choices=level_choices,
        required=False,
        help_text="What your account has at the vendor, as the vendor publishes it. A choice fills in both limits.",
    )
    result_hosts = HostsField(
        required=False,
        help_text="Hosts a film may be downloaded from, one a line; *.example.com means all names below example.com. "
        "Empty means the vendor's own, or the base URL's.",
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

    # The secrets that `clean` changed: (field of the model, what happened to it), without values.
    secret_changes: list[tuple[str, str]]
    # The columns that `clean` filled in where nothing was entered.
    filled_in: set[str]

    def __init__(self, *arguments: Any, **choices: Any) -> None:
        super().__init__(*arguments, **choices)
        hints = {
            "base_url": "Empty means the vendor's own address.",
            "model": "The vendor's name of it; empty means the one the adapter knows best.",
        }
        if self.instance.pk is None and "price" in self.fields:
            # 0 is a price too, for a provider of one's own; it has to be said.
            self.initial["price"] = None
            self.fields["price"].help_text = "Per film, in US dollars. Budgets and reports count with it."
        for name, hint in hints.items():
            if name in self.fields:
                self.fields[name].required = False
                self.fields[name].help_text = hint

    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        self.filled_in = set()
        self._fill_in(given)
        self.secret_changes = []
        self._take_api_key(given)
        self._take_webhook_secrets(given)
        self._refuse_untested(given)
        return given

    def _refuse_untested(self, given: dict[str, Any]) -> None:
        """Refuse to enable a provider whose connection was not tested with the settings that are saved."""
        if self.instance.pk is None or not given.get("enabled") or self.initial.get("enabled"):
            return
        changed = {*self.changed_data, *self.filled_in, *(name for name, _what in self.secret_changes)}
        if not self.instance.may_be_enabled or (changed & set(TESTED) and not self.instance.is_managed):
            self.add_error("enabled", "Save it disabled, test the connection, then enable it.")

    def _fill_in(self, given: dict[str, Any]) -> None:
        """Fill in the adapter's base URL and the limits of the chosen account level."""
        name = given.get("adapter") if "adapter" in self.fields else self.instance.adapter
        if not name:
            return
        adapter = registry.adapter_for(name)
        if "base_url" in given and not given["base_url"]:
            if adapter.default_base_url:
                self._set(given, base_url=adapter.default_base_url)
            else:
                self.add_error("base_url", f"{adapter.title} has no address of its own: enter one.")
        vendor, _, level = given.get("account_level", "").partition(":")
        if vendor and vendor != name:
            self.add_error("account_level", f"{adapter.title} has no such level.")
        for preset in adapter.presets if vendor == name else ():
            if preset.slug == level:
                self._set(given, max_concurrent=preset.max_concurrent, max_per_minute=preset.max_per_minute)

    def _set(self, given: dict[str, Any], **values: Any) -> None:
        given.update(values)
        self.filled_in |= set(values)

    def _take_api_key(self, given: dict[str, Any]) -> None:
        new = given.get("new_api_key")
        if new and given.get("remove_api_key"):
            self.add_error("remove_api_key", "Either a new key or none at all.")
        elif new and (problem := check_api_key(new)):
            self.add_error("new_api_key", problem)
        elif new:
            self._change("api_key", new, "replaced")
        elif given.get("remove_api_key"):
            self._change("api_key", "", "removed")
        elif self.instance.pk and self.instance.api_key and given.get("base_url") not in (None, self.instance.base_url):
            # Who may change an address but does not know the key must not have it sent there.
            self.add_error("new_api_key", "The address changes: enter the key for it, or remove the old one.")

    def _take_webhook_secrets(self, given: dict[str, Any]) -> None:
        new, remove, drop = (given.get(n) for n in ("new_webhook_secret", "remove_webhook_secrets", "drop_older"))
        present = list(self.instance.webhook_secrets)
        adapter = given.get("adapter") if "adapter" in self.fields else self.instance.adapter
        if new and adapter and (problem := registry.adapter_for(adapter).check_secret(new)):
            self.add_error("new_webhook_secret", problem)
        elif new and remove:
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
