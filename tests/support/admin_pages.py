"""How tests use the admin: its pages as text, its questions, its searches, its forms."""

from __future__ import annotations

import secrets
from html.parser import HTMLParser
from typing import Any
from uuid import UUID

from django.contrib.auth.models import Permission, User
from django.http import HttpResponse
from django.test import Client

from jobs.models import Job

LIST = "/admin/jobs/job/"


def staff(*permissions: str) -> Client:
    """Return a client logged in as staff with these permissions."""
    user = User.objects.create_user("-".join(permissions) or "nobody", is_staff=True)
    wanted = Permission.objects.filter(content_type__app_label__in=["jobs", "providers"])
    user.user_permissions.set([row for row in wanted if row.codename.split("_")[0] in permissions])
    client = Client()
    client.force_login(user)
    return client


def owner() -> Client:
    """Return a client logged in as a new user who may do everything."""
    client = Client(SERVER_NAME="localhost")
    client.force_login(User.objects.create_superuser(f"owner-{secrets.token_hex(4)}"))
    return client


def page_of(job: Job) -> str:
    return f"{LIST}{job.pk}/change/"


def text_of(response: HttpResponse) -> str:
    return response.content.decode()


def ask(client: Client, action: str, *jobs: Job, **more: Any) -> HttpResponse:
    """Choose an action in the list and return the page that asks whether to do it."""
    return client.post(LIST, {"action": action, "_selected_action": [job.pk for job in jobs], "index": 0} | more)


def do(client: Client, action: str, *jobs: Job, **more: Any) -> list[str]:
    """Say yes to that question and return the messages."""
    response = ask(client, action, *jobs, confirmed="yes", **more)
    assert response.status_code == 302
    return [str(message) for message in client.get(response["Location"]).context["messages"]]


def found(client: Client, term: str) -> set[UUID]:
    """Return the ids of the jobs that the list shows for a search."""
    response = client.get(LIST, {"q": term})
    assert response.status_code == 200
    return {job.pk for job in response.context["cl"].result_list}


class Forms(HTMLParser):
    """The forms of a page: their fields, and the words on their button."""

    def __init__(self, response: HttpResponse) -> None:
        super().__init__()
        self.found: list[dict[str, Any]] = []
        self.feed(text_of(response))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "form":
            self.found.append({"action": values.get("action", ""), "button": "", "fields": {}})
        elif tag == "input" and self.found and values.get("type") == "hidden":
            self.found[-1]["fields"][values["name"]] = values["value"]

    def handle_data(self, data: str) -> None:
        if self.lasttag == "button" and self.found:
            self.found[-1]["button"] += data.strip()

    def with_button(self, words: str) -> list[dict[str, Any]]:
        return [form for form in self.found if form["button"].startswith(words)]
