"""The rooms of the admin: what the side bar and the phone's tabs lead to, as far as somebody may see it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from django.urls import reverse


class Room(NamedTuple):
    """One link. With an icon it is also one of the phone's tabs."""

    name: str
    url: str
    is_here: bool = False
    icon: str = ""


class Group(NamedTuple):
    name: str
    rooms: list[Room]


# (heading, [(app and model as the admin names them, word, icon)]); models that are not named here come last.
_GROUPS = (
    (
        "The evening",
        [
            ("jobs.Job", "Jobs", "jobs"),
            ("jobs.WebhookDelivery", "Webhooks", "hook"),
            ("jobs.BulkOperation", "Bulk", ""),
            ("jobs.FilmReport", "Reports", ""),
        ],
    ),
    ("The studios", [("providers.ProviderConfig", "Providers", "studio"), ("jobs.Look", "Looks", "")]),
    (
        "The house",
        [
            ("jobs.Alert", "Alerts", ""),
            ("jobs.Heartbeat", "Heartbeats", ""),
            ("jobs.LoadState", "Load", ""),
            ("notifications.Notification", "Notifications", ""),
            ("notifications.PushSubscription", "Push subscriptions", ""),
            ("django_rq.Dashboard", "Queues", ""),
            ("jobs.AuditEntry", "Audit", ""),
        ],
    ),
)
_REST, _LEDGER, _READINESS = "People and keys", "Ledger", "Readiness"


def rooms_of(apps: Iterable[Mapping[str, Any]], *, path: str) -> list[Group]:
    """Return the rooms in order, from what Django lists of the apps that this person may see.

    A room is where somebody is when the path is its own or below it.
    """
    models = {
        f"{app['app_label']}.{model['object_name']}": model
        for app in apps
        for model in app["models"]
        if model.get("admin_url")
    }
    now = Room("Now", reverse("admin:index"), path == reverse("admin:index"), "now")
    readiness = reverse("readiness")
    groups: list[Group] = []
    for heading, listed in _GROUPS:
        rooms = [now] if not groups else []
        for name, word, icon in listed:
            if model := models.pop(name, None):
                rooms.append(Room(word, model["admin_url"], path.startswith(model["admin_url"]), icon))
        groups.append(Group(heading, rooms))
    if groups[0].rooms[1:] and groups[0].rooms[1].name == "Jobs":
        groups[-1].rooms.extend([_ledger(path), Room(_READINESS, readiness, path.startswith(readiness))])
        jobs = groups[0].rooms[1]
        groups[0].rooms[1] = jobs._replace(is_here=jobs.is_here and not groups[-1].rooms[-2].is_here)
    rest = sorted(str(model["name"]) for model in models.values())
    by_name = {str(model["name"]): model["admin_url"] for model in models.values()}
    groups.append(
        Group(_REST, [Room(name.capitalize(), by_name[name], path.startswith(by_name[name])) for name in rest])
    )
    return [group for group in groups if group.rooms]


def _ledger(path: str) -> Room:
    address = reverse("admin:jobs_job_ledger")
    return Room(_LEDGER, address, path.startswith(address))


def tabs_of(groups: Iterable[Group]) -> list[Room]:
    """Return the rooms that have a tab on a phone."""
    return [room for group in groups for room in group.rooms if room.icon]
