"""The page that shows the API, as a browser sees it."""

import pytest
from django.test import Client

from tests.support.browser import running_browser

OPERATIONS = {
    "create_job", "list_jobs", "read_job", "erase_job", "list_job_events",
    "cancel_job", "remix_job", "share_job", "unshare_job", "list_looks",
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
