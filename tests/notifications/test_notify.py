"""People who left are told: from the end of a job to the push service and the mail server, once."""

import pytest
from django.conf import settings
from django.core import mail
from django.db import transaction
from django.utils import timezone

from jobs import lifecycle, services
from jobs.lanes import pumps
from jobs.models import Heartbeat, Lane
from jobs.queue import engine
from jobs.queue.engine import Pump
from notifications import push
from notifications.lane import NotifyLane
from notifications.models import Notification, PushSubscription
from tests import factories
from tests.jobs.threads import in_threads
from tests.notifications.steps import confirmed, fail, make_due, make_subscription

pytestmark = [pytest.mark.django_db, pytest.mark.database]


# --- Once -----------------------------------------------------------------------------------------------


def test_what_has_to_be_sent_is_written_by_the_transaction_that_ends_the_job(subscribed):
    job = factories.make_job(email=confirmed())
    with pytest.raises(RuntimeError), transaction.atomic():
        assert lifecycle.fail(job.id, code="deadline", now=timezone.now())
        assert Notification.objects.count() == 2
        raise RuntimeError
    assert not factories.reload(job).is_final
    assert not Notification.objects.exists()
    fail(job)
    assert sorted(Notification.objects.values_list("channel", flat=True)) == ["email", "push"]


@pytest.mark.django_db(transaction=True)
def test_two_pumps_send_each_message_once(push_service, device):
    make_subscription(push_service, device)
    jobs = [factories.make_job() for _ in range(12)]
    for job in jobs:
        fail(job)
    made = [Pump(NotifyLane(), listens=False) for _ in range(2)]
    in_threads(2, lambda index: made[index].run(linger=0.0))
    for pump in made:
        pump.threads.shutdown(wait=True)
    tags = sorted(device.read(pushed.body)["tag"] for pushed in push_service.pushed)
    assert tags == sorted(f"job-{job.id}" for job in jobs)
    assert Notification.objects.filter(sent_at=None).count() == 0


def test_a_crash_before_the_sending_is_made_up_for_after_the_lease(subscribed, push_service, notify):
    factories.make_finished_job()
    assert len(NotifyLane().claim(5)) == 1
    notify()
    assert push_service.pushed == [], "another worker holds it"
    make_due()
    notify()
    assert len(push_service.pushed) == 1


def test_a_crash_after_the_sending_sends_what_replaces_the_first(subscribed, push_service, device, notify):
    factories.make_finished_job()
    crashed = NotifyLane()
    (message,) = crashed.claim(5)
    result = crashed.work(message)
    make_due()
    notify()
    first, second = push_service.pushed
    assert first.headers["topic"] == second.headers["topic"]
    assert device.read(first.body)["tag"] == device.read(second.body)["tag"]
    row = Notification.objects.get()
    crashed.record([result])
    assert Notification.objects.get().sent_at == row.sent_at, "whoever lost the lease writes nothing"


def test_a_lease_is_renewed_while_a_push_service_takes_its_time(subscribed):
    factories.make_finished_job()
    busy = NotifyLane()
    held = busy.claim(5)
    make_due()
    busy.keep(held)
    assert NotifyLane().claim(5) == []


def test_an_exception_nobody_expected_costs_one_try(subscribed, push_service, notify, monkeypatch):
    factories.make_finished_job()
    monkeypatch.setattr(push, "send", lambda *_, **__: 1 / 0)
    notify()
    row = Notification.objects.get()
    assert (row.error, row.sent_at, row.given_up_at) == ("ZeroDivisionError", None, None)


# --- Erasing --------------------------------------------------------------------------------------------


def test_what_is_erased_is_told_to_nobody(subscribed, push_service, notify):
    job = factories.make_finished_job(email=confirmed())
    services.erase_job(job.id, now=timezone.now())
    notify()
    assert push_service.pushed == []
    assert mail.outbox == []
    assert not Notification.objects.exists()


def test_with_the_last_film_goes_where_to_send_messages(subscribed, push_service, device):
    first, second = factories.make_job(), factories.make_job()
    make_subscription(push_service, device, owner="v:guest", job=first)
    services.erase_job(first.id, now=timezone.now())
    assert list(PushSubscription.objects.all()) == [subscribed]
    services.erase_job(second.id, now=timezone.now())
    assert not PushSubscription.objects.exists()


# --- Who works it ---------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_reconcile_works_the_lane_unless_a_worker_does(push_service, device, reconciler):
    make_subscription(push_service, device)
    engine.beat("worker-notify")
    fail(factories.make_job())
    reconciler._work_other_lanes()
    assert "notify" not in reconciler._substitutes
    Heartbeat.objects.filter(name="worker-notify").delete()
    reconciler._work_other_lanes()
    reconciler._substitutes["notify"].join(20)
    assert len(push_service.pushed) == 1
    pumps._substitute_pump("notify").threads.shutdown(wait=True)
    pumps._substitute_pump.cache_clear()


def test_every_lane_has_a_queue_and_a_pump():
    assert set(settings.RQ_QUEUES) == set(pumps.lanes()) == {*Lane.values, "notify"}
