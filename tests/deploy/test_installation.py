"""Two hosts behind nginx on PostgreSQL, Valkey with a password and S3: films, a rolling release, and what breaks.

The tests run in their order on one installation, and the last one balances what all of them left. Figures are printed;
docs/measurements.md has those of one run.
"""

from __future__ import annotations

import json
import signal
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import pytest
import requests
from PIL import Image
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.deploy.installation import (
    FAKE_RENDERER,
    HOSTS,
    PRODUCT,
    RECONCILE,
    SOCKETS,
    STUDIO,
    WEB,
    WORKERS,
    Installation,
)
from tests.deploy.load import Load
from tests.journeys.visitor import Visitor
from tests.support.processes import wait_for

pytestmark = [pytest.mark.deploy, pytest.mark.slow, pytest.mark.timeout(900)]

PHOTO = Path(__file__).resolve().parents[1] / "photos" / "astronaut.jpg"
HEROES = 20
RELEASE_REQUESTS = 2_000


@pytest.fixture(scope="module")
def photo() -> bytes:
    """A selfie of 40 kB."""
    stream = BytesIO()
    with Image.open(PHOTO) as picture:
        picture.convert("RGB").save(stream, "JPEG", quality=75)
    return stream.getvalue()


@pytest.fixture(scope="module")
def quick(installation: Installation) -> Installation:
    """The installation with a studio whose films cost no CPU: what follows is about everything else."""
    installation.more[STUDIO] |= {"STUDIO_RENDERER": FAKE_RENDERER, "STUDIO_QUEUE": "1000"}
    installation.restart(STUDIO)
    return installation


def say(title: str, what: str) -> None:
    print(f"\n── {title}: {what}")


def test_twenty_heroes_get_their_films(installation: Installation):
    began = time.monotonic()

    def journey(number: int) -> int:
        visitor = Visitor(installation.url, ca=installation.ca)
        # Twenty at once on a busy machine: who is told to come back in a moment does, as the page would.
        answer = wait_for(lambda: taken(visitor.send(PHOTO, hero_name=f"Hero {number}")), "a 202", seconds=120, every=2)
        job = visitor.wait_for_end(answer.json()["id"], seconds=300)
        assert job["status"] == "succeeded", job
        film = visitor.film(job)
        assert film[4:8] == b"ftyp"
        return len(film)

    with ThreadPoolExecutor(HEROES) as pool:
        sizes = list(pool.map(journey, range(HEROES)))
    assert len(sizes) == HEROES
    say("journey", f"{HEROES} films of {sum(sizes) // HEROES // 1000} kB in {time.monotonic() - began:.1f} s")


# Two accounts at vendors, which a new installation has not; their keys are good for nothing, so they are gone again
# before a film is ordered.
ACCOUNTS = """
from django.utils import timezone
from providers.models import ProviderConfig
for order, adapter in enumerate(("wavespeed", "replicate"), 1):
    ProviderConfig(slug=f"ready-{adapter}", title=adapter, adapter=adapter, enabled=True, order=order,
        base_url="https://127.0.0.1:9", model="a/b", photo_transport="url", max_concurrent=100, max_per_minute=60,
        price="0.3", proven_at=timezone.now()).save()
"""
NO_ACCOUNTS = """
from providers.models import ProviderConfig
ProviderConfig.objects.filter(slug__startswith="ready-").delete()
"""


def test_readiness_is_green_on_both_hosts(installation: Installation):
    """Every line, through nginx with TLS, on PostgreSQL, Valkey and S3 as `deploy/` sets them up."""
    installation.run("a", "manage", "shell", "-c", ACCOUNTS)
    try:
        for host, idle in zip(HOSTS, ("65", "0"), strict=True):
            # nginx's certificate is signed by an authority of this test's own.
            said = installation.run(
                *(host, "manage", "readiness", "--rate", "60", "--json", "--idle", idle),
                may_fail=True,
                SSL_CERT_FILE=str(installation.ca),
            )
            lines = json.loads(said)["lines"]
            assert [line for line in lines if line["level"] != "green"] == []
            assert {"Webhook reachability", "Sockets", "Bucket for pages"} <= {line["name"] for line in lines}
            say("readiness", f"{len(lines)} lines green on host {host}")
    finally:
        installation.run("a", "manage", "shell", "-c", NO_ACCOUNTS)


def taken(answer: requests.Response) -> requests.Response | None:
    """Return the answer of an accepted upload, None of one that was told to come back."""
    assert answer.status_code in (202, 503), answer.text
    return answer if answer.status_code == 202 else None


def wait_until_all_ended(load: Load, *, seconds: float = 120) -> None:
    """Every upload that was answered with 202 ends in a film."""
    for session, job_id in load.accepted:

        def has_ended(session=session, job_id=job_id) -> bool:
            answer = session.get(f"{load.url}/api/v1/jobs/{job_id}/", timeout=10)
            if answer.status_code != 200 or answer.json()["finished_at"] is None:
                return False
            assert answer.json()["status"] == "succeeded", answer.json()
            return True

        wait_for(has_ended, f"job {job_id} to end", seconds=seconds, every=0.2)


def test_people_who_wait_are_told_when_their_process_restarts(quick: Installation, photo: bytes):
    """A socket and an event stream go through nginx unbuffered, and close with 1012 when their process drains."""
    visitor = Visitor(quick.url, ca=quick.ca)
    job = visitor.session.post(
        f"{quick.url}/api/v1/jobs/",
        data={"look": "neon-noir", "consent": "true", "hero_name": "SLOW"},
        files={"selfie": ("me.jpg", photo, "image/jpeg")},
        timeout=30,
    ).json()
    cookie = "; ".join(f"{name}={value}" for name, value in visitor.session.cookies.items())
    stream = visitor.session.get(f"{quick.url}/api/v1/jobs/{job['id']}/stream/", stream=True, timeout=30)
    assert stream.headers["Content-Type"].startswith("text/event-stream")
    lines = stream.iter_lines(chunk_size=1, decode_unicode=True)
    assert any(line.startswith("data: ") for line in lines)  # the first snapshot comes at once
    with connect(
        f"{quick.url.replace('https', 'wss')}/ws/jobs/{job['id']}/",
        ssl=ssl.create_default_context(cafile=str(quick.ca)),
        additional_headers={"Cookie": cookie},
        proxy=None,
        ping_interval=None,  # nothing is read while processes restart, pongs neither
    ) as socket:
        assert json.loads(socket.recv(timeout=20))["job"]["id"] == job["id"]
        for name in SOCKETS:
            quick.restart(name)
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                socket.recv(timeout=20)
    assert closed.value.rcvd.code == 1012
    assert '"code": 1012' in "".join(lines)


def test_a_rolling_release_fails_no_request(quick: Installation, photo: bytes):
    with Load(quick.url, quick.ca, photo) as load:
        load.until(200, seconds=60)
        began = time.monotonic()
        for name in (*WEB, *SOCKETS, *WORKERS, *RECONCILE, STUDIO):
            quick.restart(name)
        took = time.monotonic() - began
        load.until(RELEASE_REQUESTS, seconds=300)
    say("rolling release", f"{len(PRODUCT)} processes in {took:.0f} s; {load.report()}")
    assert load.failures == []
    wait_until_all_ended(load)


@pytest.mark.parametrize("name", [WEB[0], SOCKETS[0], *WORKERS[::2], RECONCILE[0], STUDIO, "valkey"])
def test_killing_one_of_each_kind_fails_no_read_and_loses_no_job(quick: Installation, photo: bytes, name: str):
    with Load(quick.url, quick.ca, photo, retries=20) as load:
        load.until(60, seconds=60)
        quick.kill(name)
        killed_at, before = time.monotonic(), load.total
        load.until(before + 60, seconds=60)
        (quick.start_valkey if name == "valkey" else lambda: quick.start(name))()
        if name != "valkey":
            quick.wait_until_up(name)
        back_after = time.monotonic() - killed_at
        load.until(load.total + 60, seconds=60)
    say(f"kill -9 {name}", f"back after {back_after:.1f} s; {load.report()}")
    assert load.failures == []
    wait_until_all_ended(load)


def test_a_restarted_database_is_a_pause(quick: Installation, photo: bytes):
    with Load(quick.url, quick.ca, photo, retries=30) as load:
        load.until(60, seconds=60)
        quick.postgres.stop()
        stopped_at = time.monotonic()
        answer = requests.get(f"{quick.url}/api/v1/looks/", verify=str(quick.ca), timeout=30)
        assert answer.status_code == 503 and answer.headers["Retry-After"]
        quick.postgres.start()
        started_at = time.monotonic()
        quick.wait_until_ready(WEB[0])
        ready_after = time.monotonic() - started_at
        before = len(load.failures)
        load.until(load.total + 200, seconds=120)
        after = len(load.failures) - before
    away = started_at - stopped_at
    say("PostgreSQL restarted", f"away {away:.1f} s, ready {ready_after:.1f} s later; {load.report()}")
    assert after == 0, load.failures[before:]
    assert all(" 503 " in failure for failure in load.failures), load.failures
    wait_until_all_ended(load)


def test_a_hung_bucket_is_said_and_nothing_else_stops(quick: Installation, photo: bytes):
    bucket = quick.processes["s3"]
    with Load(quick.url, quick.ca, photo, senders=0) as load:
        bucket.send_signal(signal.SIGSTOP)
        try:
            began = time.monotonic()
            visitor = Visitor(quick.url, ca=quick.ca)
            answer = visitor.send(PHOTO)
            took = time.monotonic() - began
            assert answer.status_code == 503 and answer.json()["code"], answer.text
            assert took < 20
            wait_for(lambda: quick.readyz()["storage"] != "ok", "readyz to say that the bucket is away", seconds=30)
            load.until(200, seconds=120)
        finally:
            bucket.send_signal(signal.SIGCONT)
        resumed_at = time.monotonic()
        wait_for(lambda: visitor.send(PHOTO).status_code == 202, "photos to be taken again", seconds=60, every=0.5)
    say(
        "S3 hung",
        f"refused after {took:.1f} s, taken again {time.monotonic() - resumed_at:.1f} s after; {load.report()}",
    )
    assert load.failures == []


def test_everything_that_was_accepted_is_somewhere(quick: Installation):
    """After all of the above has come to rest the ledger balances: the command fails otherwise."""
    quick.run("a", "manage", "ledger", "--no-files")
    assert [name for name in PRODUCT if "Traceback (most recent" in quick.log(name)] == []
