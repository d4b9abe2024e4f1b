"""The stages that `tests.bench.stages` measures: ours and its floor, each `(count) -> milliseconds of CPU each`.

Everything runs in this process on the test's SQLite, so its CPU time is what is measured; the sandboxes' is added.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import io
import json
import os
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import av
from django.core.management import call_command
from django.db import transaction
from django.utils import timezone
from PIL import Image

from common.problem import body as problem_body
from confinement.processor_time import cpu_seconds
from jobs import snapshots, storage
from jobs.films.sandbox import shared_sandbox
from jobs.lanes import ingest
from jobs.lanes.collect import CollectLane, _Outcome
from jobs.lanes.dispatch import DispatchLane
from jobs.lanes.fetching import Fetched
from jobs.lanes.submitting import SubmitResult
from jobs.models import Job, Lane
from jobs.overload.state import Load
from jobs.queue.engine import Pump
from jobs.reconcile import erasures
from notifications import publish
from providers.types import PredictionStatus, ProviderEvent
from selfiehero.server import admission
from tests import factories
from tests.bench.prepare import PHOTO, prepare
from tests.bench.stage_world import World

BATCH = 32
Rig = Callable[[int], float]


world: World


@contextlib.contextmanager
def prepared() -> Iterator[None]:
    """Everything that the stages need, on a fresh database."""
    global world
    call_command("migrate", verbosity=0)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        world = World(Path(folder))
        try:
            yield
        finally:
            world.close()


def measured(work: Callable[[], Any], count: int) -> float:
    began = time.process_time()
    work()
    return 1000 * (time.process_time() - began) / count


def repeated(work: Callable[[], Any], count: int) -> float:
    return measured(lambda: [work() for _ in range(count)], count)


def in_batches(work: Callable[[int], Any], count: int) -> float:
    return measured(lambda: [work(min(BATCH, count - done)) for done in range(0, count, BATCH)], count)


# --- Doors ------------------------------------------------------------------------------------------------

BOUNDARY = "xXbenchXx"


def _form(photo: bytes) -> bytes:
    parts = "".join(
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in (("look", "neon-noir"), ("consent", "true"))
    )
    head = f'{parts}--{BOUNDARY}\r\nContent-Disposition: form-data; name="selfie"; filename="me.jpg"\r\n'
    return f"{head}Content-Type: image/jpeg\r\n\r\n".encode() + photo + f"\r\n--{BOUNDARY}--\r\n".encode()


def accept(count: int) -> float:
    body, kind = _form(world.photo), f"multipart/form-data; boundary={BOUNDARY}"

    def once() -> None:
        status, said = world.ask("POST", "/api/v1/jobs/", body, CONTENT_TYPE=kind)
        assert status == 202, said

    spent = repeated(once, count)
    Job.objects.filter(lane=Lane.PREPARE).update(lane="")
    return spent


def accept_floor(count: int) -> float:
    def once() -> None:
        (world.folder / secrets.token_hex(8)).write_bytes(world.photo)
        world.commit("x" * 400)
        json.dumps({"id": "x", "status": "queued", "links": {"self": "/"}})

    return repeated(once, count)


def poll(count: int) -> float:
    job = factories.make_waiting_job(owner=world.owner)
    Job.objects.filter(id=job.id).update(lane="", stage="rendering")
    path = f"/api/v1/jobs/{job.id}/"

    def once() -> None:
        assert world.ask("GET", path)[0] == 200

    return repeated(once, count)


def poll_floor(count: int) -> float:
    world.commit("x" * 900)
    (name,) = world.floor.execute("SELECT id FROM job LIMIT 1").fetchone()

    def once() -> None:
        (body,) = world.floor.execute("SELECT body FROM job WHERE id = ?", (name,)).fetchone()
        json.dumps({"id": name, "body": body})

    return repeated(once, count)


def _predictions(count: int) -> list[Any]:
    """Return so many predictions that the stub has made, each of an attempt that is submitted."""
    before = len(world.stub.predictions)
    for _ in range(count):
        factories.make_waiting_job()
    Pump(DispatchLane(), listens=False).run(linger=0.0, budget=600.0)
    made = list(world.stub.predictions.values())[before:]
    assert len(made) == count, (len(made), count)
    return made


def webhook(count: int) -> float:
    deliveries = [world.stub.delivery(prediction.run(0.5)) for prediction in _predictions(count)]

    def post(delivery: Any) -> None:
        headers = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in delivery.headers.items()}
        status, said = world.ask("POST", delivery.path, delivery.body, CONTENT_TYPE="application/json", **headers)
        assert status in (200, 202), said

    return measured(lambda: [post(delivery) for delivery in deliveries], count)


def webhook_floor(count: int) -> float:
    body, key = json.dumps({"id": "x" * 32, "status": "completed"}).encode() * 4, secrets.token_bytes(32)

    def once() -> None:
        hmac.new(key, body, hashlib.sha256).digest()
        world.commit(body.decode())

    return repeated(once, count)


def refusal(count: int) -> float:
    headers = [(b"accept-language", b"en"), (b"user-agent", b"bench")]

    def once() -> None:
        found = admission.gate.weigh("POST", "/api/v1/jobs/", dict, lambda: Load(admitted_per_second=0.001))
        if found is not None:
            admission.answer("/api/v1/jobs/", headers, found)

    try:
        return repeated(once, 10 * count)
    finally:
        admission.gate.reset()


def refusal_floor(count: int) -> float:
    def once() -> None:
        body = json.dumps(problem_body(503, "busy", "Service unavailable", "Try again in a few seconds.")).encode()
        b"\r\n".join(
            [b"HTTP/1.1 503 Service Unavailable", b"Retry-After: 5", b"Content-Length: %d" % len(body), b"", body]
        )

    return repeated(once, 10 * count)


# --- Lanes ------------------------------------------------------------------------------------------------


def prepare_photos(count: int) -> float:
    _, worker, sandboxes = prepare(world.pump, PHOTO, count)
    Job.objects.filter(lane=Lane.DISPATCH).update(lane="")
    return 1000 * (worker + sandboxes)


def prepare_floor(count: int) -> float:
    def once() -> None:
        with Image.open(io.BytesIO(world.photo)) as picture:
            picture.convert("RGB").save(world.folder / secrets.token_hex(8), "JPEG", quality=90)

    return repeated(once, count) + in_batches(lambda rows: world.commit("x" * 100, rows=rows), count)


def dispatch(count: int) -> float:
    """Without the POST itself, which `tests.bench.dispatch` measures."""
    for _ in range(count):
        factories.make_waiting_job()
    lane = DispatchLane()
    lane._room = lambda capacity: BATCH  # type: ignore[method-assign]  # as if it had as many threads

    def batch(rows: int) -> None:
        submissions = lane.claim(rows)
        assert submissions
        lane._in_flight.clear()
        taken = PredictionStatus.QUEUED
        lane.record(
            [
                SubmitResult(each.attempt, event=ProviderEvent(prediction_id=secrets.token_hex(16), status=taken))
                for each in submissions
            ]
        )

    return in_batches(batch, count)


def change_floor(count: int) -> float:
    """A row and its event for each, written in batches."""
    return in_batches(lambda rows: world.commit("x" * 200, rows=rows), count)


def apply(count: int) -> float:
    predictions = _predictions(count)
    for prediction in predictions:
        told = {"type": "prediction.succeeded", "prediction": prediction.complete().body() | {"poster": None}}
        delivery = world.stub.delivery(prediction, body=json.dumps(told).encode())
        headers = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in delivery.headers.items()}
        world.ask("POST", delivery.path, delivery.body, CONTENT_TYPE="application/json", **headers)

    def all_of_them() -> None:
        while ingest.apply_deliveries():
            pass

    spent = measured(all_of_them, count)
    Job.objects.filter(lane=Lane.COLLECT).update(lane="")
    return spent


def collect(count: int) -> float:
    """Claim, probe of the film in the sandbox, files and record; without the download."""
    for _ in range(count):
        factories.make_rendered_job(world.provider)
    sandbox = shared_sandbox()
    lane = CollectLane(sandbox)
    lane.warm_up()
    path = world.folder / "film.mp4"
    path.write_bytes(world.film)
    pids = _film_children()
    before = sum(map(cpu_seconds, pids))

    def batch(rows: int) -> None:
        outcomes = []
        for item in lane.claim(rows):
            facts = sandbox.probe(path, with_poster=True)
            video = storage.save(storage.new_key("video", "mp4"), world.film)
            poster = storage.save(storage.new_key("poster", "jpg"), facts.poster)
            outcomes.append(_Outcome(item, Fetched(video, poster, len(world.film), 1.0, (144, 256), (144, 256))))
        lane.record(outcomes)

    spent = in_batches(batch, count)
    assert not Job.objects.filter(lane=Lane.COLLECT).exists()
    return spent + 1000 * (sum(map(cpu_seconds, pids)) - before) / count


def _film_children() -> list[int]:
    """Return the process that opens films; it serves many."""
    child = shared_sandbox().child_pid
    assert child
    return [child]


def collect_floor(count: int) -> float:
    def once() -> None:
        (world.folder / secrets.token_hex(8)).write_bytes(world.film)
        with av.open(io.BytesIO(world.film)) as film:
            frame = next(film.decode(video=0))
            frame.to_image().save(world.folder / secrets.token_hex(8), "JPEG", quality=85)

    return repeated(once, count) + change_floor(count)


def push(count: int) -> float:
    job = factories.make_waiting_job(owner=world.owner)
    Job.objects.filter(id=job.id).update(lane="", stage="rendering")
    original, publish.client = publish.client, lambda url: world.redis  # type: ignore[assignment]

    def once() -> None:
        assert publish.publish(snapshots.snapshots_for([job.id]))

    try:
        return repeated(once, count)
    finally:
        publish.client = original


def push_floor(count: int) -> float:
    body = json.dumps({"id": "x" * 36, "status": "processing", "links": {"self": "/"} | {"more": "x" * 600}})
    return repeated(lambda: world.redis.publish("bench", body), count)


def erase(count: int) -> float:
    now = timezone.now()
    with transaction.atomic():
        for _ in range(count):
            factories.make_finished_job(world.provider)
    Job.objects.filter(finished_at__isnull=False).update(erase_at=now - timedelta(seconds=1))
    due = Job.objects.filter(erase_at__lt=now, erased_at=None, finished_at__isnull=False).count()

    def all_of_them() -> None:
        while erasures.erase_ended(now=now, limit=200):
            pass

    return measured(all_of_them, due)


def erase_floor(count: int) -> float:
    names = [world.folder / secrets.token_hex(8) for _ in range(3 * count)]
    for name in names:
        name.write_bytes(b"x" * 1000)
    return measured(lambda: [os.unlink(name) for name in names], count) + change_floor(count)


STAGES: dict[str, tuple[Rig, Rig]] = {
    "accept": (accept, accept_floor),
    "poll": (poll, poll_floor),
    "webhook": (webhook, webhook_floor),
    "refusal": (refusal, refusal_floor),
    "prepare": (prepare_photos, prepare_floor),
    "dispatch": (dispatch, change_floor),
    "apply": (apply, change_floor),
    "collect": (collect, collect_floor),
    "push": (push, push_floor),
    "erase": (erase, erase_floor),
}
