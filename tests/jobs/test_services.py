import contextlib
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.db import OperationalError
from django.utils import timezone

from jobs import consent, lifecycle, services, storage
from jobs.models import Job
from jobs.signals import job_changed
from tests import factories

pytestmark = pytest.mark.django_db


def now():
    return timezone.now()


def test_a_canceled_job_keeps_no_photo(db):
    for job in (factories.make_job(), factories.make_waiting_job()):
        assert services.cancel_job(job.id, now=now())
        assert not services.cancel_job(job.id, now=now())
    assert factories.stored_files() == []


def test_without_a_database_for_what_is_agreed_to_no_photo_is_stored(db, monkeypatch):
    monkeypatch.setattr(consent, "_kept", set())
    monkeypatch.setattr(consent.ConsentText.objects, "get_or_create", raising(OperationalError("away")))
    with pytest.raises(OperationalError):
        services.create_job(an_order(), owner=factories.OWNER, now=now())
    assert factories.stored_files() == []


def test_a_storage_that_fails_does_not_undo_a_cancel(db, monkeypatch):
    job = factories.make_job()

    def fail(keys):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(storage, "delete", fail)
    assert services.cancel_job(job.id, now=now())
    job = factories.reload(job)
    assert (job.status, bool(job.raw_key)) == ("canceled", True)
    monkeypatch.undo()
    services.erase_job(job.id, now=now())
    assert factories.stored_files() == []


def test_an_erasure_that_fails_half_way_can_be_repeated(provider, monkeypatch):
    job = factories.make_finished_job(provider)
    with monkeypatch.context() as patch:
        patch.setattr(lifecycle, "forget_attempts", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            services.erase_job(job.id, now=now())
    assert factories.reload(job).erased_at is None
    assert services.erase_job(job.id, now=now())["erased_at"]
    assert job.attempts.get().cleanup == "delete"


def test_an_erased_film_is_not_shared(provider):
    job = factories.make_finished_job(provider)
    slug = services.share_job(job.id, now=now()).share_slug
    assert slug
    services.erase_job(job.id, now=now())
    assert factories.reload(job).share_slug is None
    with pytest.raises(services.NotPossible):
        services.share_job(job.id, now=now())
    factories.is_consistent(job.id)


def test_sharing_and_taking_back_are_events(provider):
    job = factories.make_finished_job(provider)
    services.share_job(job.id, now=now())
    services.share_job(job.id, now=now())
    services.unshare_job(job.id, now=now())
    services.unshare_job(job.id, now=now())
    assert list(job.events.values_list("kind", flat=True))[-2:] == ["shared", "unshared"]
    factories.is_consistent(job.id)


def test_one_transaction_announces_a_job_once_and_after_the_commit(provider, django_capture_on_commit_callbacks):
    heard = []

    def listen(sender, job_ids, **_):
        heard.append(job_ids)

    job_changed.connect(listen)
    try:
        with django_capture_on_commit_callbacks(execute=True):
            job = factories.make_finished_job(provider)
            other = factories.make_job()  # no page can be open for it yet, so accepting it announces nothing
            services.cancel_job(other.id, now=now())
            assert heard == []
        assert heard == [[job.id, other.id]]
    finally:
        job_changed.disconnect(listen)


@pytest.mark.parametrize("minutes", [0, 10, 29])
def test_a_job_promises_an_end_and_an_erasure(minutes, api, settings):
    from tests.jobs.orders import order

    api.post("/api/v1/jobs/", order())
    job = Job.objects.get()
    assert job.deadline_at == job.created_at + settings.JOB_DEADLINE
    assert job.erase_at == job.created_at + settings.RETENTION
    assert job.deadline_at > job.created_at + timedelta(minutes=minutes)


def an_order(**values):
    return services.JobInput(photo=factories.tiny_photo(), extension="jpg", look=factories.make_look(), **values)


def test_a_job_that_is_not_committed_leaves_no_photo(db, monkeypatch):
    monkeypatch.setattr(lifecycle, "accept", raising(OperationalError("database is locked")))
    with pytest.raises(OperationalError):
        services.create_job(an_order(), owner=factories.OWNER, now=now())
    assert factories.stored_files() == []


def test_a_commit_whose_answer_is_lost_keeps_the_photo_of_its_job(db, monkeypatch):
    """The connection breaks when the job is there already: whoever repeats the request gets it, photo and all."""
    atomic = services.transaction.atomic

    @contextlib.contextmanager
    def committed_and_broken():
        with atomic():
            yield
        raise OperationalError("server closed the connection unexpectedly")

    order = an_order(idempotency_key="once")
    monkeypatch.setattr(services, "transaction", SimpleNamespace(atomic=committed_and_broken))
    with pytest.raises(OperationalError):
        services.create_job(order, owner=factories.OWNER, now=now())
    monkeypatch.undo()
    job, is_new = services.create_job(order, owner=factories.OWNER, now=now())
    assert not is_new
    assert storage.read(job.raw_key) == order.photo


def test_a_photo_is_kept_while_it_is_unknown_whether_its_job_exists(db, monkeypatch):
    away = raising(OperationalError("server closed the connection unexpectedly"))
    monkeypatch.setattr(lifecycle, "accept", away)
    monkeypatch.setattr(Job.objects, "filter", away)
    with pytest.raises(OperationalError):
        services.create_job(an_order(), owner=factories.OWNER, now=now())
    assert len(factories.stored_files()) == 1


def test_without_a_database_no_photo_is_stored(db, monkeypatch):
    monkeypatch.setattr(services.eta, "promise", raising(OperationalError("connection refused")))
    with pytest.raises(OperationalError):
        services.create_job(an_order(), owner=factories.OWNER, now=now())
    assert factories.stored_files() == []


def raising(error):
    def fail(*_, **__):
        raise error

    return fail
