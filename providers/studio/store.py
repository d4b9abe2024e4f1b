"""The studio's predictions, each in a folder of its own, so that a restart loses none.

predictions/<id>/prediction.json   the record, replaced in one step
                 photo.jpg         until the prediction is final
                 film.mp4, poster.jpg
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)

QUEUED, STARTING, RUNNING = "queued", "starting", "running"
SUCCEEDED, FAILED, CANCELED = "succeeded", "failed", "canceled"
FINAL = frozenset({SUCCEEDED, FAILED, CANCELED})


@dataclass
class Prediction:
    """One film to be made. Times are seconds since the epoch."""

    id: str
    reference: str
    look: str
    hero_name: str
    seed: str
    webhook: str
    created_at: float
    token: str = field(default_factory=lambda: secrets.token_urlsafe(18), repr=False)
    status: str = QUEUED
    progress: float = 0.0
    error_code: str = ""
    error_message: str = ""
    has_poster: bool = False
    has_video: bool = False
    tries: int = 0
    render_seconds: float | None = None
    cpu_seconds: float | None = None
    started_at: float | None = None
    finished_at: float | None = None
    expires_at: float | None = None
    told_final: bool = False

    @property
    def is_final(self) -> bool:
        return self.status in FINAL


class Store:
    """All predictions in memory, their records on disk. Used by one event loop only."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "predictions"
        self.folder.mkdir(parents=True, exist_ok=True)
        self._by_id: dict[str, Prediction] = {}
        self._by_reference: dict[str, str] = {}
        self._by_token: dict[str, str] = {}

    def load(self) -> None:
        """Read what an earlier process left; whatever was under way is queued again."""
        known = {entry.name for entry in fields(Prediction)}
        found = []
        for path in sorted(self.folder.glob("*/prediction.json")):
            try:
                values = json.loads(path.read_text(encoding="utf-8"))
                found.append(Prediction(**{name: values[name] for name in values if name in known}))
            except (OSError, ValueError, TypeError):
                logger.warning("studio_record_unreadable prediction=%s", path.parent.name)
        for prediction in sorted(found, key=lambda each: each.created_at):
            if not prediction.is_final:
                prediction.status, prediction.started_at = QUEUED, None
            self._index(prediction)

    def add(self, prediction: Prediction, photo: bytes) -> None:
        """Keep a new prediction and its photo."""
        folder = self.path(prediction)
        folder.mkdir(parents=True)
        (folder / "photo.jpg").write_bytes(photo)
        self.save(prediction)
        self._index(prediction)

    def save(self, prediction: Prediction) -> None:
        """Replace the record on disk in one step."""
        folder = self.path(prediction)
        if not folder.is_dir():
            return
        descriptor, temporary = tempfile.mkstemp(dir=folder)
        with open(descriptor, "w", encoding="utf-8") as stream:
            json.dump(asdict(prediction), stream)
        os.replace(temporary, folder / "prediction.json")

    def drop_photo(self, prediction: Prediction) -> None:
        """Forget the photo: a final prediction needs it no more."""
        (self.path(prediction) / "photo.jpg").unlink(missing_ok=True)

    def remove(self, prediction: Prediction) -> None:
        """Forget a prediction altogether."""
        self._by_id.pop(prediction.id, None)
        self._by_reference.pop(prediction.reference, None)
        self._by_token.pop(prediction.token, None)
        shutil.rmtree(self.path(prediction), ignore_errors=True)

    def get(self, prediction_id: str) -> Prediction | None:
        return self._by_id.get(prediction_id)

    def by_reference(self, reference: str) -> Prediction | None:
        return self._by_id.get(self._by_reference.get(reference, ""))

    def by_token(self, token: str) -> Prediction | None:
        return self._by_id.get(self._by_token.get(token, ""))

    def path(self, prediction: Prediction) -> Path:
        return self.folder / prediction.id

    def __iter__(self) -> Iterator[Prediction]:
        return iter(list(self._by_id.values()))

    def expired(self, *, now: float) -> list[Prediction]:
        """Return the final predictions whose time is over."""
        return [each for each in self if each.expires_at is not None and each.expires_at <= now]

    def _index(self, prediction: Prediction) -> None:
        self._by_id[prediction.id] = prediction
        self._by_token[prediction.token] = prediction.id
        if prediction.reference:
            self._by_reference[prediction.reference] = prediction.id


def new_prediction(values: dict[str, Any], *, now: float) -> Prediction:
    """Return a fresh prediction for checked request values."""
    return Prediction(
        id=f"film_{secrets.token_hex(12)}",
        reference=values["reference"],
        look=values["look"],
        hero_name=values["hero_name"],
        seed=values["seed"],
        webhook=values["webhook"],
        created_at=now,
    )
