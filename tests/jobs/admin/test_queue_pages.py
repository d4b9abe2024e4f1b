"""django-rq's pages: owners read them, nobody changes a queue by them."""

import pytest
from django.test import Client
from django.urls import reverse

from common import redis_clients
from jobs.models import Lane
from jobs.queue import queues
from tests.support.admin_pages import staff, text_of

pytestmark = pytest.mark.django_db

HOME = "/admin/django_rq/dashboard/"
CHANGES = ("clear", "requeue_all", "delete_failed_jobs", "confirm_action", "actions")


@pytest.fixture
def waiting(settings) -> str:
    """The id of a pump that waits in the queue of the collect lane."""
    queues.client().flushdb()
    assert queues.nudge(Lane.COLLECT)
    (pump,) = queues._queue(Lane.COLLECT).jobs
    yield pump.id
    queues.client().flushdb()


@pytest.fixture
def index(settings) -> int:
    return sorted(settings.RQ_QUEUES).index("collect")


def test_owners_see_queues_pumps_and_workers(admin_client: Client, waiting: str, index: int) -> None:
    assert HOME in text_of(admin_client.get("/admin/"))
    page = text_of(admin_client.get(HOME))
    assert all(lane in page for lane in ("prepare", "dispatch", "collect", "notify"))
    assert waiting in text_of(admin_client.get(reverse("admin:django_rq_jobs", args=[index])))
    assert "jobs.tasks.pump" in text_of(admin_client.get(reverse("admin:django_rq_job_detail", args=[index, waiting])))
    for name in ("workers", "queue_details", "started_jobs", "failed_jobs", "finished_jobs", "deferred_jobs"):
        assert admin_client.get(reverse(f"admin:django_rq_{name}", args=[index])).status_code == 200
    assert admin_client.get(reverse("admin:django_rq_home_json")).json()["queues"]


@pytest.mark.parametrize("method", ["get", "post"])
def test_nobody_changes_a_queue_here(admin_client: Client, waiting: str, index: int, method: str) -> None:
    ask = getattr(admin_client, method)
    for name in CHANGES:
        assert ask(reverse(f"admin:django_rq_{name}", args=[index])).status_code == 403
    for name in ("delete_job", "requeue_job", "enqueue_job", "stop_job"):
        assert ask(reverse(f"admin:django_rq_{name}", args=[index, waiting])).status_code == 403
    assert ask(f"{HOME}add/").status_code == ask(f"{HOME}1/change/").status_code == 403
    assert queues._queue(Lane.COLLECT).job_ids == [waiting]
    assert admin_client.post(HOME).status_code == 405


def test_other_staff_and_strangers_see_nothing_of_them(client: Client, index: int) -> None:
    person = staff("view", "change")
    assert HOME not in text_of(person.get("/admin/"))
    for address in (HOME, reverse("admin:django_rq_home_json"), reverse("admin:django_rq_jobs", args=[index])):
        assert person.get(address).status_code == 403
        assert client.get(address).status_code == 302


@pytest.mark.parametrize("redis_is", ["dead", "hung"])
def test_without_redis_the_page_says_so(admin_client: Client, settings, redis_is, no_redis, hung_redis) -> None:
    (no_redis if redis_is == "dead" else hung_redis)()
    address = redis_clients.url_with_timeouts(settings.REDIS_URL, 0.1)
    settings.RQ_QUEUES = {lane: queue | {"URL": address} for lane, queue in settings.RQ_QUEUES.items()}
    answer = admin_client.get(HOME, follow=True)
    assert "the queues cannot be shown" in text_of(answer)
