"""Nothing that opens something is written to a log."""

from __future__ import annotations

import logging
import socket
import uuid

import pytest
import requests
from django.conf import settings
from django.db import connection
from django.utils import timezone
from rest_framework.authtoken.models import Token

from jobs import magic_links, services, storage
from selfiehero.redaction import RedactingFormatter, redact, shown
from tests import factories
from tests.support.served import Served

SECRET = "Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4"
API_TOKEN = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    "text",
    [
        f"Not Found: /t/{SECRET}/",
        "Not Found: /T/short",
        "Not Found: //media//1/short/clean/a.jpg",
        "Forbidden (CSRF cookie not set.): /v/short/report/",
        "at https://hero.example/v/short?x=1: late",
        "Not Found: /jobs/..%2ft%2Fshort",
        "Not Found: /webhooks%252Fstudio%252Fshort/",
        f"Not Found: /x/{SECRET}",
        "GET https://films.example/a.mp4?X-Amz-Signature=short failed",
        "redis://:short@redis.example:6379/0 refused",
        f"headers {{'Authorization': 'Token {API_TOKEN}'}}",
        "Authorization: Bearer short",
        f"token {API_TOKEN}",
        "mail to Ada.Short+x@mail.example.org bounced",
    ],
)
def test_what_opens_something_is_taken_out(text):
    said = redact(text)
    for secret in ("short", "Short", SECRET, API_TOKEN):
        assert secret not in said
    assert said.partition(" ")[0] in ("mail", "headers", "token") or said.split()[0] == text.split()[0] or "…" in said


@pytest.mark.parametrize(
    "text",
    [
        f"job_accepted job={uuid.UUID(int=7)} look=neon-noir bytes=12",
        f"Not Found: /jobs/{uuid.UUID(int=7)}/",
        f"Not Found: /jobs/{str(uuid.UUID(int=0xABCDEF)).upper()}/",
        "prediction=pre_7_ab12 provider=studio",
        "web_listening host=127.0.0.1 port=8000",
        "HTTPSConnectionPool(host='api.wavespeed.ai', port=443): Max retries exceeded with url: /api/v3/predictions",
    ],
)
def test_what_staff_need_stays(text):
    assert redact(text) == text


def test_a_path_with_a_space_is_cut_as_a_whole():
    assert shown("/v/ abc def/?a=b") == "/v/…"
    record = logging.LogRecord("django.request", logging.WARNING, "", 1, "%s: %s", ("Not Found", "/v/ abc"), None)
    assert RedactingFormatter().format(record) == "Not Found: /v/…"
    assert record.args == ("Not Found", "/v/ abc"), "other handlers see what they saw"


def test_a_traceback_is_read_too():
    try:
        raise ValueError(f"no such address https://hero.example/t/{SECRET}/")
    except ValueError as error:
        record = logging.LogRecord("asyncio", logging.ERROR, "", 1, "failed", (), (ValueError, error, None))
    assert SECRET not in RedactingFormatter().format(record)


@pytest.mark.parametrize(
    "name",
    [
        "jobs.services",
        "django.request",
        "django.security.csrf",
        "django.server",
        "daphne.server",
        "asyncio",
        "aiohttp.access",
        "rq.worker",
        "selfiehero.twisted",
        "channels_redis.pubsub",
        "urllib3.connectionpool",
        "py.warnings",
    ],
)
def test_every_handler_of_every_logger_has_it(name):
    log, handlers = logging.getLogger(name), []
    while log is not None:
        handlers += [handler for handler in log.handlers if type(handler) is logging.StreamHandler]
        log = log.parent if log.propagate else None
    assert handlers
    assert all(isinstance(handler.formatter, RedactingFormatter) for handler in handlers)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_run_with_real_requests_of_every_kind_writes_no_key(tmp_path, django_user_model):
    film = factories.make_finished_job(film=b"film" * 100, email="nova@mail.example.org")
    services.share_job(film.id, now=timezone.now())
    film = factories.reload(film)
    token = Token.objects.create(user=django_user_model.objects.create_user("program")).key
    magic = magic_links.url_for(film, now=timezone.now())
    media = storage.signed_url(film.video_key, filename="film.mp4", now=timezone.now())
    attempt = film.attempts.get().token
    secrets = {magic.split("/")[2], media.split("/")[3], film.share_slug, attempt, token, "nova@mail.example.org"}
    secrets |= {film.video_key.rpartition("/")[2], SECRET, API_TOKEN}
    env = {"ACCESS_LOG": "1", "LOG_LEVEL": "DEBUG"}
    with Served(tmp_path, database=str(connection.settings_dict["NAME"]), env=env) as web:
        paths = [
            magic,
            media,
            f"/v/{film.share_slug}/",
            f"/webhooks/studio/{attempt}/",
            f"/oembed?url=/v/{film.share_slug}/",
        ]
        paths += [f"/t/{SECRET}/", f"/v/{SECRET}/", f"/media/1/{SECRET}/video/x.mp4/a.mp4", f"/webhooks/x/{SECRET}/"]
        wrong = [f"/{path}" for path in paths] + [path.replace("/", "%2F")[3:] for path in paths]
        wrong += [path.rstrip("/") + "%0Ax" for path in paths] + [
            path.upper().replace(SECRET.upper(), SECRET) for path in paths
        ]
        for path in paths + [path if path.startswith("/") else f"/{path}" for path in wrong]:
            for method in ("GET", "POST", "DELETE"):
                requests.request(method, web.url + path, data=b"{}", timeout=20, allow_redirects=False)
        # Forms without their CSRF token, where one is asked for.
        for path in (f"/v/{film.share_slug}/report/", "/admin/login/", f"/jobs/{film.id}/erase/"):
            requests.post(web.url + path, {"email": "nova@mail.example.org"}, timeout=20)
        for given in (token, API_TOKEN, token + "x"):
            for path in ("/api/v1/jobs/", f"/api/v1/jobs/{film.id}/", f"/api/v1/jobs/{film.id}/nothing/"):
                requests.get(web.url + path, headers={"Authorization": f"Token {given}"}, timeout=20)
        requests.get(web.url + magic, headers={"Host": f"{SECRET}.evil.example"}, timeout=20)
        for line in (
            f"GET {magic} HTTP/9.9",
            f"GET {magic}",
            f"G\x00T {magic} HTTP/1.1",
            f"GET http://x{magic} HTTP/1.1",
        ):
            with socket.create_connection(("127.0.0.1", web.port), timeout=20) as raw:
                raw.sendall(f"{line}\r\nAuthorization: Token {token}\r\n\r\n".encode())
                raw.recv(4096)
        said = web.said()
    assert "path=/t/…" in said, "the requests were logged"
    assert "django.security.csrf" in said or "CSRF" in said
    assert [secret for secret in secrets if secret in said] == []
    assert settings.SECRET_KEY not in said
