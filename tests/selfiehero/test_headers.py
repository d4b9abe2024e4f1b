"""The headers of every answer, and who may keep one."""

import pytest
from csp.constants import NONCE
from csp.exceptions import CSPNonceError
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.utils import timezone

from jobs import services
from selfiehero.middleware import ContentPolicy
from tests import factories

pytestmark = pytest.mark.django_db
COMMON = ("X-Content-Type-Options", "Referrer-Policy", "Permissions-Policy", "Cross-Origin-Resource-Policy")


@pytest.mark.parametrize("path", ["/", "/nothing", "/api/v1/looks/", "/api/v1/nothing", "/healthz", "/admin/login/"])
def test_every_answer_has_them(path, api):
    answer = api.get(path)
    assert [name for name in COMMON if not answer.get(name)] == []
    assert "camera=(self)" in answer["Permissions-Policy"]
    assert answer["Cross-Origin-Resource-Policy"] == "same-origin"


def test_the_policy_is_the_one_that_the_library_writes(settings, provider):
    job = factories.make_finished_job(provider)
    services.share_job(job.id, now=timezone.now())
    paths = ["/", "/nothing", "/api/v1/looks/", "/healthz", f"/v/{factories.reload(job).share_slug}/embed/"]
    ours = [Client().get(path)["Content-Security-Policy"] for path in paths]
    at = settings.MIDDLEWARE.index("selfiehero.middleware.ContentPolicy")
    settings.MIDDLEWARE = [*settings.MIDDLEWARE[:at], "csp.middleware.CSPMiddleware", *settings.MIDDLEWARE[at + 1 :]]
    assert ours == [Client().get(path)["Content-Security-Policy"] for path in paths]
    assert len(set(ours)) == 2, "the player may be shown on other sites"


def test_a_policy_with_a_nonce_or_of_another_setting_is_made_anew(settings):
    def answer(nonce: bool) -> str:
        def view(request):
            return HttpResponse(str(request.csp_nonce) if nonce else "")

        return ContentPolicy(view)(RequestFactory().get("/"))["Content-Security-Policy"]

    middleware, request = ContentPolicy(lambda _: HttpResponse()), RequestFactory().get("/")
    assert "nonce" not in middleware(request)["Content-Security-Policy"]
    settings.CONTENT_SECURITY_POLICY = {"DIRECTIVES": {"default-src": [NONCE]}}
    assert answer(nonce=True).startswith("default-src 'nonce-")
    assert "nonce" not in middleware(RequestFactory().get("/"))["Content-Security-Policy"]
    with pytest.raises(CSPNonceError):
        str(request.csp_nonce)


def test_https_is_kept_for_names_below_ours_too(settings):
    settings.SECURE_HSTS_SECONDS, settings.SECURE_HSTS_INCLUDE_SUBDOMAINS = 31_536_000, True
    answer = Client().get("/healthz", secure=True)
    assert answer["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"


def test_a_shared_film_may_be_shown_elsewhere(provider):
    job = factories.make_finished_job(provider)
    services.share_job(job.id, now=timezone.now())
    slug = factories.reload(job).share_slug
    answer = Client().get(f"/v/{slug}/poster.jpg")
    assert answer["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert b"".join(answer.streaming_content)
    answer.close()


def test_what_sets_a_cookie_or_is_one_person_s_is_kept_by_nobody(api):
    fresh = Client().get("/api/v1/looks/")
    assert fresh.cookies
    assert fresh["Cache-Control"] == "private, no-store"
    job = factories.make_job()
    for path in ("/api/v1/jobs/", f"/api/v1/jobs/{job.id}/", "/me/", f"/jobs/{job.id}/", "/admin/"):
        kept = {part.strip() for part in api.get(path)["Cache-Control"].split(",")}
        assert {"private", "no-store"} <= kept, path


@pytest.mark.parametrize(
    "path", ["/api/v1/jobs/%0A", "/api/v1/%0Ajobs/", "/api/%0D%0Ax", "/webhooks/%0A", "/api/v1/nothing"]
)
def test_programs_are_told_in_their_form_that_there_is_nothing(path):
    answer = Client().get(path)
    assert (answer.status_code, answer["Content-Type"]) == (404, "application/problem+json")
    assert answer.json()["code"] == "not_found"


def test_people_are_told_on_a_page_and_programs_anywhere_may_ask(client):
    assert "text/html" in client.get("/nothing%0A")["Content-Type"]
    assert client.get("/nothing", headers={"Accept": "application/json"})["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("accept", ["*/*", "text/html", "application/json"])
@pytest.mark.parametrize("path", ["/receipts/verify", "/receipts/verify/"])
def test_options_says_what_can_be_done(path, accept, client):
    answer = client.options(path, headers={"Accept": accept})
    assert answer.status_code in (200, 204)
    assert "GET" in answer["Allow"]
