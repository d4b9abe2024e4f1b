"""What every test may use. The settings are `tests.support.settings`: a VAR_DIR and a Valkey of their own."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import hypothesis
import pytest
from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.utils import timezone

from jobs.estimates import eta
from jobs.films.sandbox import shared_sandbox
from jobs.intake import deliveries
from jobs.lanes import polling
from jobs.lanes.collect import CollectLane
from jobs.lanes.dispatch import DispatchLane
from jobs.lanes.prepare import PrepareLane
from jobs.models import Lane
from jobs.overload import state as overload_state
from jobs.photos.outcomes import BadPhoto, CleanPhoto
from jobs.queue import queues, redis_breaker
from jobs.queue.engine import LaneWork, Pump
from jobs.reconcile import sweep
from jobs.routing import cold_starts
from jobs.web import status
from notifications import publish
from providers.models import ProviderConfig
from selfiehero.server import admission
from tests import factories
from tests.stub_provider import Delivery, StubProvider
from tests.support import flush, selection
from tests.support.made_once import SHARED
from tests.support.migrated import migrated_sqlite
from tests.support.timing import SHORT_TICKS

# A shell that runs the tests in the background lets them ignore Ctrl-C, and every process that they start too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


flush.install()

# Half of the time that six thousand tests take to collect went into looking for garbage among what stays until the end.
gc.disable()


def pytest_configure(config: pytest.Config) -> None:
    """Make the folder in which the workers of this run share what is dear to make, unless several runs share one."""
    if SHARED not in os.environ:
        folder = tempfile.TemporaryDirectory(prefix="tests-shared-", ignore_cleanup_errors=True)
        config.add_cleanup(folder.cleanup)
        os.environ[SHARED] = folder.name


def pytest_collection_finish() -> None:
    """From here on look for garbage among what tests make, and not among the tests."""
    gc.freeze()
    gc.enable()


# How many examples Hypothesis tries: in `make check`, in `make test` and for whoever runs a file, in `make test-all`.
# Only the last is random: a change shall not fail for what somebody else wrote long ago.
for profile, examples in (("quick", 10), ("everyday", 15), ("thorough", 200)):
    hypothesis.settings.register_profile(
        profile,
        max_examples=examples,
        derandomize=profile != "thorough",
        # Both judge by the clock, and a machine may be busy elsewhere.
        deadline=None,
        suppress_health_check=[hypothesis.HealthCheck.too_slow],
    )
hypothesis.settings.load_profile("everyday")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what is slow or a repeat, and put first what waits most and takes longest."""
    config.stash[selection.CASES] = selection.mark(items)
    items.sort(key=selection.place)


@pytest.fixture(scope="session")
def django_db_keepdb(
    django_test_environment: None, django_db_modify_db_settings: None, django_db_blocker: Any, django_db_keepdb: bool
) -> bool:
    """Lay a migrated SQLite where this worker's is expected, so that Django keeps it instead of migrating anew."""
    if connection.vendor != "sqlite":
        return django_db_keepdb
    with django_db_blocker.unblock():
        shutil.copy(migrated_sqlite(), connection.creation._get_test_db_name())
    return True


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """Each test starts without files and without what the product remembers for a few seconds."""
    eta._cache.clear()
    status._cache.clear()
    overload_state._cache.clear()
    admission.gate.reset()
    # The thread that reads the load in a web process would use a connection of its own.
    admission.gate.latest = SimpleNamespace(get=overload_state.known)
    cold_starts._noted.clear()
    cold_starts._kept.clear()
    redis_breaker.breaker.reset()
    deliveries._allowance = deliveries._Allowance(deliveries._REJECTED_KEPT_PER_MINUTE)
    yield
    root = Path(settings.MEDIA_ROOT)
    for folder in root.iterdir() if root.is_dir() else ():
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session", autouse=True)
def _film_child_ends() -> Iterator[None]:
    """The child in which films are opened lives as long as the tests, and no longer."""
    yield
    shared_sandbox().close()


@pytest.fixture(scope="session")
def film() -> bytes:
    return factories.tiny_film()


@pytest.fixture(scope="session")
def stub_server(film: bytes) -> Iterator[StubProvider]:
    with StubProvider() as stub:
        stub.files = {"film.mp4": film, "poster.jpg": factories.tiny_photo(1), "short.mp4": film, "garbage.mp4": b"GIF"}
        yield stub


@pytest.fixture
def stub(stub_server: StubProvider) -> StubProvider:
    """A provider that does what the test says."""
    stub_server.reset()
    return stub_server


@pytest.fixture
def provider(db: None, stub: StubProvider) -> ProviderConfig:
    """The row of that provider."""
    return factories.make_provider(stub.url)


@pytest.fixture
def api(db: None) -> Client:
    """A visitor with a cookie; the throttles have seen nobody yet."""
    cache.clear()
    factories.make_look()
    client = Client()
    client.get("/api/v1/looks/")
    return client


@pytest.fixture
def point_redis(settings: Any) -> Iterator[Callable[[str], None]]:
    """Send everything that speaks to Redis in this process to another address."""

    def forget() -> None:
        for cached in (queues.client, queues._queue, queues._nudge_script, publish.client):
            cached.cache_clear()

    def point(address: str) -> None:
        settings.REDIS_URL = address
        settings.CHANNELS_REDIS_URLS = (address,)
        settings.CACHES = {"default": settings.CACHES["default"] | {"LOCATION": address}}
        forget()

    yield point
    forget()


@pytest.fixture
def no_redis(point_redis: Callable[[str], None]) -> Callable[[], None]:
    """From the call on, nobody listens where Redis was."""
    return lambda: point_redis("redis://127.0.0.1:9/0")


@pytest.fixture
def hung_redis(point_redis: Callable[[str], None]) -> Iterator[Callable[[], None]]:
    """From the call on, Redis takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield lambda: point_redis(f"redis://127.0.0.1:{listener.getsockname()[1]}/0")


class FakeSandbox:
    """Takes a photo for clean as it is, or raises what the test has laid in `problems`.

    While `sees_faces` is false there is a face in none.
    """

    def __init__(self) -> None:
        self.problems: list[Exception] = []
        self.sees_faces = True

    def clean(self, data: bytes, *, allow_no_face: bool = False, at: object = None) -> CleanPhoto:
        if self.problems:
            raise self.problems.pop(0)
        if not self.sees_faces:
            if not allow_no_face:
                raise BadPhoto("no_face")
            return CleanPhoto(data, 64, 64, 0, None, 0.5)
        return CleanPhoto(data, 64, 64, 1, (0.4, 0.2, 0.2, 0.2), 0.5)


@pytest.fixture(scope="session")
def _pumps() -> dict[str, Pump]:
    lanes: list[LaneWork] = [PrepareLane(FakeSandbox()), DispatchLane(), CollectLane()]  # type: ignore[arg-type]
    return {lane.lane: Pump(lane, listens=False, ticks=SHORT_TICKS) for lane in lanes}


@pytest.fixture
def sandbox(_pumps: dict[str, Pump]) -> FakeSandbox:
    """What the prepare lane of `work` cleans photos with."""
    sandbox = _pumps[Lane.PREPARE].work.sandbox
    sandbox.problems.clear()
    sandbox.sees_faces = True
    return sandbox


@pytest.fixture
def work(_pumps: dict[str, Pump]) -> Callable[..., None]:
    """Run lanes, one after the other, until each is empty: `work(Lane.PREPARE, Lane.DISPATCH)`."""

    def run(*lanes: str) -> None:
        for lane in lanes:
            _pumps[lane].run(linger=0.0)

    return run


@pytest.fixture
def reconciler() -> Iterator[sweep.Reconciler]:
    process = sweep.Reconciler()
    yield process
    process._threads.shutdown(wait=True)


@pytest.fixture
def ask(reconciler: sweep.Reconciler) -> Callable[..., None]:
    """Do what reconcile does at providers, as if it were this late."""

    def run(*, later: Any = None) -> None:
        now = timezone.now() + (later or timezone.timedelta())
        polling.lapse_leases(now=now)
        polling.look_up_unconfirmed(reconciler._threads, now=now)
        polling.poll_silent(reconciler._threads, now=now)
        polling.give_up_late_attempts(now=now)
        polling.run_provider_cleanups(reconciler._threads, now=now)

    return run


@pytest.fixture
def deliver() -> Callable[[Delivery], int]:
    """Post a delivery to the product as the provider would; return the status."""

    def post(delivery: Delivery) -> int:
        return (
            Client()
            .post(delivery.path, delivery.body, content_type="application/json", headers=delivery.headers)
            .status_code
        )

    return post
