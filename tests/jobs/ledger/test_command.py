"""`manage.py ledger` and the ledger in the admin."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError
from django.utils import timezone

from jobs import ledger, services, storage
from jobs.ledger import files
from jobs.models import Job, LedgerInspection
from providers.models import ProviderConfig
from tests import factories
from tests.support.admin_pages import LIST, page_of, staff, text_of

pytestmark = pytest.mark.django_db
PAGE = f"{LIST}ledger/"


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "CONFIRM_SECONDS", 0.0)


def run(*arguments: str) -> tuple[int, str]:
    """Return the exit code and what was written."""
    out, error = StringIO(), StringIO()
    try:
        call_command("ledger", *arguments, stdout=out, stderr=error)
    except SystemExit as ended:
        return int(ended.code or 0), out.getvalue() + error.getvalue()
    return 0, out.getvalue()


def break_law(job: Job) -> None:
    Job.objects.filter(id=job.id).update(status="canceled", finished_at=timezone.now(), lane="")


# --- The command ----------------------------------------------------------------------------------


def test_when_all_is_well_it_ends_with_0_and_shows_both_sides(provider: ProviderConfig) -> None:
    factories.make_finished_job(provider)
    factories.make_job()
    code, text = run()
    assert code == 0
    lines = {" ".join(line.split()) for line in text.splitlines()}
    assert {"events rows", "waiting 1 1", "in flight 0 0", "succeeded 1 1", "total 2 2", "accepted 2 2"} <= lines
    assert text.splitlines()[-1] == "The law holds; nothing else was found."


def test_a_difference_ends_with_1_and_names_the_job() -> None:
    job, other = factories.make_job(), factories.make_job()
    break_law(job)
    code, text = run()
    assert code == 1
    assert str(job.id) in text
    assert str(other.id) not in text
    assert "waiting              2         1   differ" in text
    assert "THE LAW DOES NOT HOLD" in text


def test_a_finding_ends_with_1_although_the_law_holds(provider: ProviderConfig) -> None:
    attempt = factories.make_submitted_attempt(provider)
    type(attempt).objects.update(deadline_at=timezone.now() - timedelta(hours=1))
    code, text = run()
    assert code == 1
    assert f"    {attempt.id} of job {attempt.job_id}" in text
    assert "The law holds; 1 kinds of trouble were found." in text


def test_more_than_are_listed_are_counted() -> None:
    for _ in range(ledger.LISTED + 2):
        break_law(factories.make_job(photo=b"photo"))
    assert "    and 2 more" in run()[1]


def test_for_programs() -> None:
    job = factories.make_job()
    assert json.loads(run("--json")[1])["clean"] is True
    break_law(job)
    code, text = run("--json")
    told = json.loads(text)
    assert (code, told["clean"], told["balances"], told["files_checked"]) == (1, False, False, True)
    assert (told["events"]["waiting"], told["rows"]["waiting"], told["rows"]["canceled"]) == (1, 0, 1)
    assert told["events"]["accepted"] == told["rows"]["accepted"] == 1
    (difference,) = told["differences"]
    assert (difference["code"], difference["count"]) == ("phase_differs", 1)
    assert difference["items"] == [{"id": str(job.id), "job_id": str(job.id)}]


def test_grace_says_how_young_a_file_may_be() -> None:
    key = storage.save(storage.new_key("video", "mp4"), b"loose")
    assert run()[0] == 0
    code, text = run("--grace", "0")
    assert (code, key in text) == (1, True)
    code, text = run("--grace", "0", "--no-files")
    assert code == 0
    assert "(files were not checked)" in text


def test_settled_asks_for_the_end_of_everything() -> None:
    job = factories.make_job()
    assert run()[0] == 0
    code, text = run("--settled")
    assert (code, str(job.id) in text) == (1, True)
    services.erase_job(job.id, now=timezone.now())
    assert run("--settled", "--grace", "0")[0] == 0


@pytest.mark.parametrize("grace", ["-1", "soon", "nan", "1e400"])
def test_a_grace_that_is_none_is_refused(grace: str) -> None:
    with pytest.raises(CommandError, match="is not a number of seconds"):
        call_command("ledger", f"--grace={grace}")


def test_a_database_that_is_away_ends_with_3(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(**_: Any) -> None:
        raise OperationalError("gone")

    monkeypatch.setattr(ledger, "inspect", away)
    assert run() == (3, "The database does not answer (OperationalError).\n")


# --- The admin ------------------------------------------------------------------------------------


def test_staff_see_both_sides(provider: ProviderConfig) -> None:
    factories.make_finished_job(provider)
    client = staff("view")
    assert "has not inspected" in text_of(client.get(PAGE))
    ledger.inspect_next(now=timezone.now())
    response = client.get(PAGE)
    text = text_of(response)
    assert "the law holds" in text
    assert "nothing else was found" in text
    lines = {line.name: (line.events, line.rows) for line in response.context["lines"]}
    assert (lines["succeeded"], lines["waiting"], lines["accepted"]) == ((1, 1), (0, 0), (1, 1))


def test_staff_are_led_to_the_jobs_that_are_wrong() -> None:
    job, other = factories.make_job(), factories.make_job()
    break_law(job)
    ledger.inspect_next(now=timezone.now())
    text = text_of(staff("view").get(PAGE))
    assert "the law does not hold" in text
    assert f'href="{page_of(job)}"' in text
    assert page_of(other) not in text


def test_files_are_checked_when_staff_ask(settings: Any) -> None:
    job = factories.make_job()
    storage.delete([job.raw_key])
    assert staff("view").post(PAGE).status_code == 403, "it costs the storage something, so whoever may act asks for it"
    client = staff("view", "change")
    assert job.raw_key not in text_of(client.get(PAGE))
    assert "Reconcile checks the files now" in text_of(client.post(PAGE, follow=True))
    ledger.inspect_next(now=timezone.now())
    text = text_of(client.get(PAGE))
    assert job.raw_key in text
    assert f'href="{page_of(job)}"' in text


@pytest.mark.parametrize("address", [LIST, "/admin/jobs/"])
def test_the_ledger_is_found_from(address: str) -> None:
    assert f'href="{PAGE}"' in text_of(staff("view").get(address))


def test_the_ledger_is_for_those_who_may_see_jobs(client: Any) -> None:
    assert client.get(PAGE).status_code == 302
    assert staff().get(PAGE).status_code == 403
    assert client.post(PAGE).status_code == 302
    assert not LedgerInspection.objects.exists()


def test_the_page_inspects_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a million jobs it used to take 107 s."""
    ledger.inspect_next(now=timezone.now())
    monkeypatch.setattr("jobs.ledger.inspection.read_sides", lambda *_: 1 / 0)
    assert staff("view").get(PAGE).status_code == 200
