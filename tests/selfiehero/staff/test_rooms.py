"""The frame of the staff pages: Django's blocks are all there, and everybody sees the rooms they may enter."""

from __future__ import annotations

import re
from pathlib import Path

import django.contrib.admin
import pytest
from django.test import Client

from selfiehero.environment import PROJECT_DIR
from tests.support.admin_pages import staff, text_of

STOCK = Path(django.contrib.admin.__file__).parent / "templates" / "admin" / "base.html"
# For languages that are written from right to left Django has one more style sheet; ours knows both ways.
NOT_OURS = {"stylesheet_rtl"}


def blocks(template: Path) -> set[str]:
    return set(re.findall(r"{% block ([\w-]+) %}", template.read_text()))


def rooms(client: Client) -> list[str]:
    side = text_of(client.get("/admin/password_change/")).split('<nav id="nav-sidebar"')[1].split("</nav>")[0]
    return re.findall(r"<a [^>]*>([^<]+)</a>", side)


def test_the_frame_has_every_block_that_django_s_pages_fill():
    assert blocks(STOCK) - blocks(PROJECT_DIR / "templates" / "admin" / "base.html") == NOT_OURS


@pytest.mark.django_db
def test_each_sees_the_rooms_that_they_may_enter(admin_client: Client):
    everything = rooms(admin_client)
    assert everything[:7] == ["Now", "Jobs", "Webhooks", "Bulk", "Reports", "Providers", "Looks"]
    assert {"Ledger", "Audit", "Users", "Queues"} <= set(everything)
    assert {"Jobs", "Ledger", "Providers"} <= set(rooms(staff("view"))) - {"Users", "Queues"}
    assert rooms(staff()) == ["Now"]


@pytest.mark.django_db
def test_a_page_says_where_one_is(admin_client: Client):
    here = re.findall(r'<a href="([^"]+)" aria-current="page">', text_of(admin_client.get("/admin/jobs/job/")))
    assert here == ["/admin/jobs/job/", "/admin/jobs/job/"]
    ledger = re.findall(r'<a href="([^"]+)" aria-current="page">', text_of(admin_client.get("/admin/jobs/job/ledger/")))
    assert ledger == ["/admin/jobs/job/ledger/"]
