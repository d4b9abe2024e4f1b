"""Each law speaks when it is broken, and is silent when nothing is wrong."""

from __future__ import annotations

import hashlib
import struct
import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from jobs import services
from jobs.models import Attempt, Job, JobEvent, WebhookDelivery
from jobs.reconcile import retention
from tests import factories
from tests.chaos import checks
from tests.chaos.cast import Orphan
from tests.chaos.load import Accepted, Ledger

pytestmark = pytest.mark.slow

LABEL = b'c2pa DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"'
FILM = b"".join(
    struct.pack(">I4s", len(content) + 8, name) + content
    for name, content in ((b"ftyp", b"isom\0\0\0\0"), (b"free", LABEL), (b"mdat", b"film"))
)


@dataclass
class Simulated:
    """What a simulator would say."""

    made: list[dict[str, Any]] = field(default_factory=list)
    most_open: int = 0

    def entries(self, vendor: str) -> list[dict[str, Any]]:
        return [entry for entry in self.made if entry["vendor"] == vendor]

    def state(self, vendor: str) -> dict[str, Any]:
        return {"most_open": self.most_open if vendor == "fal" else 0}


class Scene:
    """The stage after a storm that broke nothing: one job with its film, one canceled, one erased."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.var_dir = folder, Path(settings.MEDIA_ROOT).parent
        self.facts: dict[str, str] = {}
        self.cast = SimpleNamespace(orphans=[])
        self.simulator = Simulated()
        self.ledger = Ledger(folder / "answers.jsonl")
        provider = factories.make_provider(slug="fal")
        self.job = factories.make_finished_job(provider, film=FILM)
        self.canceled = factories.make_job()
        services.cancel_job(self.canceled.id, now=timezone.now())
        self.erased = factories.make_finished_job(provider, film=FILM)
        services.erase_job(self.erased.id, now=timezone.now())
        Attempt.objects.update(cleanup="", cleanup_at=None)
        Attempt.objects.filter(job=self.job).update(film_sha256=hashlib.sha256(FILM).hexdigest())
        for number, job in enumerate((self.job, self.canceled, self.erased)):
            self.ledger.accepted.append(Accepted(str(job.id), 1, f"key-{number}", 0.0))
            job.refresh_from_db()
        for what, job in (("cancel", self.canceled), ("erase", self.erased)):
            self.ledger.note(what, 202, id=str(job.id))
        self.ledger.canceled.add(str(self.canceled.id))
        self.ledger.erased.add(str(self.erased.id))
        self.ledger.ended[str(self.job.id)] = {"status": "succeeded"}
        for attempt in Attempt.objects.all():
            self.make(attempt.token, attempt.prediction_id)

    def make(self, reference: str, prediction_id: str) -> None:
        entry = {"vendor": "fal", "reference": reference, "prediction_id": prediction_id, "state": "succeeded"}
        self.simulator.made.append(entry | {"charged": "0.40", "refunded": "0"})

    jobs = staticmethod(lambda: Job.objects.all())
    attempts = staticmethod(lambda: Attempt.objects.all())
    events = staticmethod(lambda: JobEvent.objects.all())
    deliveries = staticmethod(lambda: WebhookDelivery.objects.all())

    def run_python(self, code: str) -> str:
        return str(retention.sweep_unreferenced_files(now=timezone.now() + timedelta(hours=2)))

    def run_manage(self, *arguments: str) -> SimpleNamespace:
        return SimpleNamespace(returncode=0, stdout="The law holds", stderr="")

    def change(self, job: Job, **values: Any) -> None:
        assert Job.objects.filter(id=job.id).update(**values) == 1

    @property
    def attempt(self) -> Attempt:
        return Attempt.objects.get(job=self.job)

    def film(self) -> Path:
        return Path(settings.MEDIA_ROOT) / self.job.video_key


@pytest.fixture
def scene(db, tmp_path, monkeypatch):
    monkeypatch.setattr(checks.requests, "get", lambda url, **_: SimpleNamespace(status_code=200, content=FILM))
    made = Scene(tmp_path)
    yield made
    made.ledger.close()


@pytest.mark.parametrize("law", checks.LAWS, ids=lambda law: law.__name__)
def test_a_law_is_silent_when_nothing_is_wrong(scene, law):
    assert list(law(scene, scene.ledger)) == []


def vanish(scene: Scene) -> None:
    scene.ledger.accepted.append(Accepted(str(uuid.uuid4()), 1, None, 0.0))


def split(scene: Scene) -> None:
    scene.ledger.accepted.append(Accepted(str(scene.erased.id), 1, "key-0", 0.0))


def reopen(scene: Scene) -> None:
    scene.change(scene.canceled, status="queued", finished_at=None)


def come_late(scene: Scene) -> None:
    scene.change(scene.job, finished_at=scene.job.deadline_at + timedelta(minutes=2))


def fail_without_reason(scene: Scene) -> None:
    scene.change(scene.job, status="failed", failure_code="no_face", video_key="")


def cancel_for_nobody(scene: Scene) -> None:
    services.cancel_job(factories.make_job().id, now=timezone.now())


def forget_an_erasure(scene: Scene) -> None:
    scene.change(scene.erased, erased_at=None, video_key="video/kept.mp4")


def change_an_end(scene: Scene) -> None:
    scene.ledger.ended[str(scene.job.id)] = {"status": "canceled"}


def take_the_winner(scene: Scene) -> None:
    scene.change(scene.job, winner=None)


def cut_the_film(scene: Scene) -> None:
    scene.film().write_bytes(FILM[:-1])


def swap_the_film(scene: Scene) -> None:
    scene.film().write_bytes(FILM[:-1] + b"!")


def charge_twice(scene: Scene) -> None:
    scene.make(scene.attempt.token, "another")


def make_for_nobody(scene: Scene) -> None:
    scene.make("nobody", "stranger")


def try_for_ever(scene: Scene) -> None:
    row = Attempt.objects.filter(job=scene.job).values().get()
    values = {"status": "failed", "error_code": "provider_failed", "slot_held": False, "prediction_id": None}
    Attempt.objects.bulk_create(
        Attempt(**row | {"id": None, "number": number, "token": f"try-{number}"} | values) for number in range(2, 12)
    )


def exceed_the_limit(scene: Scene) -> None:
    scene.simulator.most_open = checks.SLOTS + 1


def keep_a_lease(scene: Scene) -> None:
    scene.change(scene.job, lease_token="kept")


def keep_a_slot(scene: Scene) -> None:
    Attempt.objects.filter(id=scene.attempt.id).update(slot_held=True)


def leave_an_attempt_open(scene: Scene) -> None:
    Attempt.objects.filter(job=scene.erased).update(status="running")


def leave_a_delivery(scene: Scene) -> None:
    now = timezone.now()
    WebhookDelivery.objects.create(provider="fal", attempt_token="x", verdict="valid", received_at=now, due_at=now)


def lose_an_event(scene: Scene) -> None:
    JobEvent.objects.filter(job=scene.job, seq=2).delete()


def count_without_an_event(scene: Scene) -> None:
    scene.change(scene.job, seq=scene.job.seq + 1)


def end_twice(scene: Scene) -> None:
    JobEvent.objects.filter(job=scene.job, seq=2).update(kind="failed")


def lose_the_film(scene: Scene) -> None:
    scene.film().unlink()


def keep_a_file(scene: Scene) -> None:
    scene.run_python = lambda code: "0"
    (Path(settings.MEDIA_ROOT) / "raw" / "left.jpg").write_bytes(b"a face")


def answer_500(scene: Scene) -> None:
    scene.ledger.note("read", 500)


def go_astray(scene: Scene) -> None:
    (scene.folder / "reconcile-1.log").write_text("ERROR jobs.reconcile.orphans orphan_requeued kind=slot id=1\n")


def outlive(scene: Scene) -> None:
    scene.cast.orphans.append(Orphan("worker-prepare", 1, "python -m jobs.photos.child"))


def disagree(scene: Scene) -> None:
    scene.run_manage = lambda *_: SimpleNamespace(returncode=1, stdout="THE LAW DOES NOT HOLD", stderr="")


@pytest.mark.parametrize(
    ("breach", "law"),
    [
        (vanish, checks.every_202_exists),
        (split, checks.same_key_same_job),
        (reopen, checks.all_ended_in_time),
        (come_late, checks.all_ended_in_time),
        (fail_without_reason, checks.a_film_for_everybody),
        (cancel_for_nobody, checks.a_film_for_everybody),
        (forget_an_erasure, checks.what_was_promised),
        (reopen, checks.what_was_promised),
        (change_an_end, checks.what_was_promised),
        (take_the_winner, checks.one_film_each),
        (cut_the_film, checks.one_film_each),
        (swap_the_film, checks.one_film_each),
        (lose_the_film, checks.one_film_each),
        (charge_twice, checks.nothing_paid_twice),
        (make_for_nobody, checks.nothing_paid_twice),
        (try_for_ever, checks.nothing_paid_twice),
        (leave_an_attempt_open, checks.nothing_paid_twice),
        (exceed_the_limit, checks.limits_kept),
        (keep_a_lease, checks.nothing_leaks),
        (keep_a_slot, checks.nothing_leaks),
        (leave_an_attempt_open, checks.nothing_leaks),
        (leave_a_delivery, checks.nothing_leaks),
        (lose_an_event, checks.every_change_has_its_event),
        (count_without_an_event, checks.every_change_has_its_event),
        (end_twice, checks.every_change_has_its_event),
        (keep_a_file, checks.files_and_rows_agree),
        (lose_the_film, checks.files_and_rows_agree),
        (answer_500, checks.only_honest_answers),
        (go_astray, checks.no_row_was_orphaned),
        (outlive, checks.nobody_outlives_a_parent),
        (disagree, checks.the_product_agrees),
    ],
    ids=lambda one: one.__name__,
)
def test_a_broken_law_is_said(scene, breach, law):
    breach(scene)
    assert len(list(law(scene, scene.ledger))) == 1
