"""Strings that break programs, at every door that takes a text: an answer below 500, and nothing of them unescaped."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from django.test import Client

from tests import factories
from tests.jobs.orders import URL, order

pytestmark = pytest.mark.django_db

MARK = "<script>alert(1)</script>"
STRINGS = {
    "markup": MARK,
    "markup in an attribute": f"\"'>{MARK}",
    "a template": "{{ 7*7 }}{% debug %}${7*7}<%= 7*7 %>",
    "a format": "%s%n%x{0}{self.__class__}",
    "SQL": "'; DROP TABLE jobs_job; -- \" OR 1=1",
    "a wildcard": "%_\\%",
    "a path": "../../../../etc/passwd",
    "a header": "x\r\nSet-Cookie: a=b\r\n\r\n",
    "NUL": "a\x00b",
    "controls": "\x01\x07\x1b[31m\x7f",
    "half a pair": "\ud800",
    "bytes of no encoding": "\udcff\udcfe",
    "turned around": "\u202egnp.exe",
    "nothing to see": "\u200b\u2060\ufeff",
    "a family": "👨‍👩‍👧‍👦🏳️‍🌈",
    "many marks": "Z" + "\u0301" * 300,
    "another script": "田中さん에게 שלום مرحبا ЁЂ",
    "digits of no decimals": "²½Ⅻ٣",
    "a number": "1e309",
    "not a number": "NaN",
    "less than zero": "-1",
    "more than a row holds": "9" * 400,
    "JSON": '{"$ne": null}',
    "a formula": "=cmd|' /C calc'!A0",
    "only spaces": " \t\u3000 ",
    "nothing": "",
}
# What takes a text in its address.
ADDRESSES = [
    "/api/v1/jobs/?cursor={}", "/api/v1/jobs/{job}/events/?after={}", "/api/v1/jobs/{}/", "/receipts/verify?receipt={}",
    "/v/{}/", "/t/{}/", "/t/mail/{}/", "/oembed?url={}", "/jobs/{}/", "/?look={}", "/verify/?{}", "/media/1/{}/a/b",
    "/api/v1/schema/?format={}", "/webhooks/{}/x/", "/admin/jobs/job/?q={}",
    "/admin/jobs/job/?look={}", "/admin/auth/user/?groups={}", "/admin/jobs/auditentry/?actor={}",
    "/admin/jobs/job/{}/change/",
]  # fmt: skip
HEADERS = [
    "Accept",
    "Accept-Language",
    "Idempotency-Key",
    "Authorization",
    "Cookie",
    "Referer",
    "X-Forwarded-For",
    "Range",
]


@pytest.fixture
def doors(admin_client: Client) -> tuple[Client, str]:
    factories.make_look()
    user = admin_client.session["_auth_user_id"]
    return admin_client, str(factories.make_job(owner=f"u:{user}").id)


@pytest.mark.parametrize("name", STRINGS)
def test_a_naughty_string_breaks_no_door(name: str, doors: tuple[Client, str]) -> None:
    client, job = doors
    text = STRINGS[name]
    raw = text.encode("utf-8", "surrogateescape" if name == "bytes of no encoding" else "surrogatepass")
    answers = {
        address: client.get(address.replace("{job}", job).replace("{}", quote(raw, safe=""))) for address in ADDRESSES
    }
    for header in HEADERS:
        answers[header] = client.get("/", headers={header: text.encode("utf-8", "surrogatepass").decode("latin-1")})
    for field in ("look", "hero_name", "email", "keep", "face", "consent"):
        answers[f"form {field}"] = client.post(URL, order(**{field: raw}))
    # One field at a time: the first that is refused would hide what the next one does.
    for field, method, path in (
        *(("look", "post", "remix/"), ("hero_name", "post", "remix/"), ("email", "post", "notify/")),
        *(("look", "patch", ""), ("hero_name", "patch", ""), (text, "patch", "")),
    ):
        ask = getattr(client, method)
        answers[f"{path} {field}"] = ask(f"{URL}{job}/{path}", {field: text}, content_type="application/json")
    mailbox = {"email": f"x@{text}.example"}
    answers["mailbox"] = client.post(f"{URL}{job}/notify/", mailbox, content_type="application/json")
    for door, answer in answers.items():
        assert answer.status_code < 500, door
        if "html" in answer.get("Content-Type", ""):
            assert MARK.encode() not in answer.content, door
        assert "Set-Cookie: a" not in str(answer.headers), door
