"""The report as a whole: `manage.py readiness`, and the page that shows it and has it measured."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from django.utils.html import escape

from jobs import now as present
from selfiehero import readiness
from selfiehero.readiness import GREEN, evening, machines, page, people, reports
from selfiehero.readiness import gateway as front
from tests.selfiehero.readiness.conftest import Gateway
from tests.support import big_tables

pytestmark = pytest.mark.django_db
PAGE = "/admin/readiness/"


def test_the_command_tells_all_and_its_exit_code_the_worst(gateway: Gateway, facts: present.Facts) -> None:
    out = io.StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("readiness", "--json", "--rate", "20", stdout=out)
    told = json.loads(out.getvalue())
    assert (told["level"], told["rate"]) == ("red", 20)  # the address of the tests is not https
    assert ended.value.code == 2
    assert {line["area"] for line in told["lines"]} == {evening.AREA, machines.AREA, people.AREA}
    assert all(line["mend"] for line in told["lines"] if line["level"] != GREEN)
    text = io.StringIO()
    with pytest.raises(SystemExit):
        call_command("readiness", stdout=text)
    assert "XX  HTTPS" in text.getvalue()
    with pytest.raises(CommandError):
        call_command("readiness", "--rate", "0")


def test_a_check_that_breaks_is_a_red_line_and_ends_no_other(
    gateway: Gateway, facts: present.Facts, monkeypatch: Any
) -> None:
    monkeypatch.setattr(front, "webhooks", lambda: 1 / 0)
    lines = readiness.measure(rate=20, now=timezone.now())
    assert [line.words for line in lines if line.name == "Checks"] == ["The check itself failed: ZeroDivisionError"]
    assert len(lines) > 15


def test_a_report_is_asked_for_and_shown_on_its_page(
    gateway: Gateway, facts: present.Facts, admin_client: Client
) -> None:
    assert "Nobody has measured yet" in admin_client.get(PAGE).content.decode()
    started: list[Any] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(page.reports, "complete_later", started.append)
        assert admin_client.post(PAGE, {"rate": "20"}).status_code == 302
        assert admin_client.post(PAGE, {"rate": "30"}).status_code == 302, "one is under way"
        assert admin_client.post(PAGE, {"rate": "x"}).status_code == 302
    assert "is being measured" in admin_client.get(PAGE).content.decode()
    assert admin_client.get("/admin/readiness.json").json() == {"is_measuring": True}
    (report,) = started
    reports.complete_later(report).join(60)
    with big_tables.watching() as watch:
        shown = admin_client.get(PAGE).content.decode()
    assert len(watch.statements) <= 15
    told = admin_client.get("/admin/readiness.json").json()
    assert (told["is_measuring"], told["level"], told["rate"]) == (False, "red", 20)
    for line in told["lines"]:
        assert escape(line["name"]) in shown
        assert line["level"] == GREEN or escape(line["mend"]) in shown
    assert "between us and 20 films a minute" in shown


@pytest.mark.parametrize(
    ("role", "may_see", "may_measure"), [("support", 200, 403), ("operator", 200, 302), (None, 403, 403)]
)
def test_who_sees_it_and_who_measures(
    role: str | None, may_see: int, may_measure: int, client: Client, monkeypatch: Any
) -> None:
    user = User.objects.create_user("mara", is_staff=True)
    user.groups.set(Group.objects.filter(name=role))
    client.force_login(user)
    monkeypatch.setattr(page.reports, "complete_later", lambda report: None)
    assert client.get(PAGE).status_code == may_see
    assert client.get("/admin/readiness.json").status_code == may_see
    assert client.post(PAGE, {"rate": "20"}).status_code == may_measure


def test_a_stranger_is_sent_to_the_log_in(client: Client) -> None:
    assert client.get(PAGE)["location"].startswith("/admin/login/")
    assert client.post(PAGE, {"rate": "20"})["location"].startswith("/admin/login/")
