"""The page that shows the API, as a browser sees it."""

import json

import pytest
from django.test import Client

from tests.support.browser import running_browser

OPERATIONS = {
    "create_job", "list_jobs", "read_job", "erase_job", "list_job_events",
    "cancel_job", "change_job", "remix_job", "share_job", "unshare_job", "list_looks", "end_links",
    "verify_receipt", "verify_receipt_by_post", "list_receipt_keys", "list_job_receipts",
    "notify_by_email", "read_push_key", "subscribe", "unsubscribe",
}  # fmt: skip


@pytest.mark.slow
def test_the_page_lists_every_operation_and_breaks_no_rule(live_server):
    said = []
    with running_browser() as browser:
        page = browser.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: said.append(request.url) if live_server.url not in request.url else None)
        page.add_init_script(
            "document.addEventListener('securitypolicyviolation',"
            "  event => console.error(event.violatedDirective, event.blockedURI, event.sample))"
        )
        page.goto(f"{live_server.url}/api/docs/")
        page.wait_for_selector(".opblock")
        shown = {block.get_attribute("id").rpartition("-")[2] for block in page.query_selector_all(".opblock")}
        page.click("[id$=create_job] .opblock-summary-control")
        page.click("[id$=create_job] .try-out__btn")
        page.wait_for_selector("[id$=create_job] .execute")
        page.click("[id$=list_looks] .opblock-summary-control")
        page.click("[id$=list_looks] .try-out__btn")
        page.click("[id$=list_looks] .execute")
        page.wait_for_selector("[id$=list_looks] .live-responses-table tbody .response-col_status")
        answer = page.inner_text("[id$=list_looks] .live-responses-table tbody .response-col_status")
    assert shown == OPERATIONS
    assert answer.startswith("200")
    assert [line for line in said if not line.startswith(("data:", "blob:"))] == []


def test_the_rules_for_scripts_and_styles_are_those_of_every_page(db):
    client = Client()
    assert client.get("/api/docs/")["Content-Security-Policy"] == client.get("/privacy/")["Content-Security-Policy"]
    assert "'unsafe" not in client.get("/api/docs/")["Content-Security-Policy"]


def test_only_the_api_says_where_the_document_is(db):
    script = Client().get("/api/docs/?script=")
    assert script["Content-Type"].startswith("application/javascript")
    assert '"validatorUrl": "none"' in script.content.decode()


@pytest.fixture(scope="module")
def document(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock():
        return json.loads(Client().get("/api/v1/schema/", headers={"Accept": "application/json"}).content)


def operations(document):
    return {
        operation["operationId"]: operation
        for verbs in document["paths"].values()
        for verb, operation in verbs.items()
        if verb in ("get", "post", "delete", "put", "patch")
    }


def test_only_what_belongs_to_somebody_asks_who_they_are(document):
    security = {name: operation["security"] for name, operation in operations(document).items()}
    both = [{"visitorCookie": []}, {"apiToken": []}]
    for name in ("list_looks", "verify_receipt", "verify_receipt_by_post", "list_receipt_keys", "read_push_key"):
        assert security.pop(name) == []
    for name in ("create_job", "list_jobs", "subscribe", "unsubscribe"):
        assert security.pop(name) == [{}, *both]
    assert all(asked == both for asked in security.values())


def test_every_status_that_may_come_is_described(document):
    described = {name: set(operation["responses"]) for name, operation in operations(document).items()}
    assert all({"406", "429", "503"} <= statuses for statuses in described.values())
    assert described["create_job"] >= {"202", "400", "401", "403", "409", "413", "415", "422", "507"}
    assert described["read_job"] >= {"200", "401", "404"}
    assert described["erase_job"] >= {"202", "403", "404"}
    for operation in operations(document).values():
        for status, answer in operation["responses"].items():
            assert status < "400" or "application/problem+json" in answer["content"]


def test_values_have_their_limits(document):
    shapes = document["components"]["schemas"]
    job, order, verdict = (shapes[name]["properties"] for name in ("Job", "OrderRequest", "Verdict"))
    assert (job["progress"]["minimum"], job["progress"]["maximum"], job["seq"]["minimum"]) == (0, 1, 1)
    assert (order["hero_name"]["maxLength"], order["look"]["format"]) == (24, "look")
    address, nothing = order["email"]["oneOf"]
    assert address == {"type": "string", "format": "email", "maxLength": 254}
    assert nothing["maxLength"] == 0
    assert verdict["photo_sha256"]["pattern"] == "^[0-9a-f]{64}$"
    assert shapes["Problem"]["properties"]["status"]["minimum"] == 400
