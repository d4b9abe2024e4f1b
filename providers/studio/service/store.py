"""The studio's predictions on disk, so that no accepted one is lost when the process is killed.

STUDIO_DIR/
  credentials.json       see `credentials`
  predictions/<id>/
    prediction.json      the record, replaced atomically
    photo.jpg            until the prediction is final
    film.mp4 poster.jpg  until it expires
  renderers/<any>/       what a renderer is writing; see `pool`
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from pathlib import Path

from common.files import replace_file, sync_folder

from .predictions import Prediction

logger = logging.getLogger(__name__)

RECORD, PHOTO, FILM, POSTER = "prediction.json", "photo.jpg", "film.mp4", "poster.jpg"


class Store:
    """The predictions of one studio. Only one process may use a folder at a time; `server` sees to it."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "predictions"
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)

    def folder(self, prediction: Prediction) -> Path:
        return self.root / prediction.id

    def photo(self, prediction: Prediction) -> Path:
        return self.folder(prediction) / PHOTO

    def film(self, prediction: Prediction) -> Path:
        return self.folder(prediction) / FILM

    def poster(self, prediction: Prediction) -> Path:
        return self.folder(prediction) / POSTER

    def create(self, prediction: Prediction, photo: bytes | None) -> None:
        """Store a new prediction durably: it survives a power cut. Nothing is left when this raises."""
        folder = self.folder(prediction)
        folder.mkdir(mode=0o700)
        try:
            if photo is not None:
                _write(self.photo(prediction), photo, lasting=True)
            self.save(prediction, lasting=True)
            sync_folder(self.root)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def save_photo(self, prediction: Prediction, photo: bytes) -> None:
        """Store the photo that was fetched for a prediction."""
        _write(self.photo(prediction), photo, lasting=True)

    def save(self, prediction: Prediction, *, lasting: bool = False) -> None:
        """Replace the record, unless the prediction was removed meanwhile."""
        text = json.dumps(prediction.record(), ensure_ascii=False)
        try:
            _write(self.folder(prediction) / RECORD, text.encode(), lasting=lasting)
        except FileNotFoundError:
            logger.info("record_gone prediction=%s", prediction.id)

    def take_film(self, prediction: Prediction, made: Path) -> None:
        """Move the renderer's film to where it is served."""
        os.replace(made, self.film(prediction))

    def take_poster(self, prediction: Prediction, made: Path) -> None:
        """Copy the renderer's poster to where it is served."""
        _write(self.poster(prediction), made.read_bytes())

    def end_render(self, prediction: Prediction) -> None:
        """Remove the photo when the prediction is final."""
        if prediction.is_final:
            self.photo(prediction).unlink(missing_ok=True)

    def remove(self, prediction: Prediction) -> None:
        """Remove a prediction: photo, film, poster and record."""
        # The record is removed first, so that a restart after half a removal finds no prediction.
        (self.folder(prediction) / RECORD).unlink(missing_ok=True)
        shutil.rmtree(self.folder(prediction), ignore_errors=True)

    def load(self) -> list[Prediction]:
        """Return all predictions, oldest first, and remove folders that hold none."""
        found = []
        for folder in self.root.iterdir():
            try:
                prediction = Prediction.from_record(json.loads((folder / RECORD).read_bytes()))
                if prediction.id != folder.name:
                    raise ValueError("the record belongs elsewhere")
                found.append(prediction)
            except (OSError, ValueError, TypeError):
                # A folder without a record is a prediction that was never accepted.
                logger.warning("folder_without_record prediction=%s", folder.name)
                shutil.rmtree(folder, ignore_errors=True)
        return sorted(found, key=lambda prediction: prediction.created_at)


def _write(path: Path, content: bytes, *, lasting: bool = False) -> None:
    """Replace a file atomically, and durably when `lasting`."""
    replace_file(path, content, is_durable=lasting)
    if lasting:
        sync_folder(path.parent)
