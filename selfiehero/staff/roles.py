"""What staff may do, as three groups that are always there: support, operator and owner.

Each migration of the database sets them to what this release ships, so that a new permission reaches those who had
the role before. Who needs another choice makes a group of another name.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from django.apps import apps as installed
from django.apps.registry import Apps
from django.db.models.signals import post_migrate
from django.dispatch import receiver

_SUPPORT = frozenset(
    {
        *("jobs.view_job", "jobs.add_staffnote", "jobs.view_webhookdelivery", "jobs.view_look"),
        *("jobs.view_heartbeat", "jobs.view_loadstate", "jobs.view_alert", "jobs.view_bulkoperation"),
        *("jobs.view_readinessreport", "jobs.view_filmreport"),
        "providers.view_providerconfig",
        *("notifications.view_notification", "notifications.view_pushsubscription"),
    }
)
_OPERATOR = _SUPPORT | {
    *("jobs.view_faces", "jobs.change_job", "jobs.delete_job", "jobs.change_webhookdelivery", "jobs.change_look"),
    *("jobs.change_alert", "jobs.add_bulkoperation", "jobs.change_bulkoperation", "jobs.add_readinessreport"),
    "jobs.change_filmreport",
    "providers.change_providerconfig",
}
_OWNER = _OPERATOR | {
    *("providers.add_providerconfig", "providers.manage_keys", "providers.manage_money", "jobs.add_look"),
    *("jobs.view_auditentry", "django_rq.admin"),
    *(f"auth.{what}_{model}" for what in ("view", "add", "change", "delete") for model in ("user", "group")),
    *(f"authtoken.{what}_tokenproxy" for what in ("view", "add", "change", "delete")),
    # A lost second step is taken away; what it was is shown to nobody.
    *("otp_totp.view_totpdevice", "otp_totp.delete_totpdevice"),
    *("otp_static.view_staticdevice", "otp_static.delete_staticdevice"),
}
# The permissions of each role, as "app.codename".
ROLES: Mapping[str, frozenset[str]] = MappingProxyType({"support": _SUPPORT, "operator": _OPERATOR, "owner": _OWNER})


@receiver(post_migrate)
def _after_migrations(sender: Any, using: str, apps: Apps = installed, **_: Any) -> None:
    # Once, after the last app: by then the permissions of all apps are there.
    if sender.label == [config.label for config in installed.get_app_configs() if config.models_module][-1]:
        ship(using=using, apps=apps)


def ship(*, using: str = "default", apps: Apps = installed) -> None:
    """Make the groups, and give each exactly the permissions of its role, as far as their models are there."""
    try:
        groups, permissions = apps.get_model("auth", "Group"), apps.get_model("auth", "Permission")
    except LookupError:
        return  # migrated no further than that
    rows = permissions.objects.using(using).values_list("content_type__app_label", "codename", "pk")
    keys = {f"{app}.{codename}": key for app, codename, key in rows}
    for name, wanted in ROLES.items():
        group, _ = groups.objects.using(using).get_or_create(name=name)
        group.permissions.set([keys[one] for one in wanted if one in keys])
