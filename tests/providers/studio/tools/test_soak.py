"""What the soak reports of good and of bad renderers."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from PIL import Image

from providers.studio.errors import NoFace, UnreadablePhoto
from providers.studio.film.person.photo import read_photo
from providers.studio.film.person.subject import analyse
from providers.studio.tools import soak
from tests.support.studio import FAKE

PHOTOS = Path(__file__).parents[3] / "photos"


def made(folder: Path, films: int, *, canceled: float = 0.0, bad: float = 0.0) -> soak.Soak:
    photo = folder / "photo.jpg"
    photo.write_bytes(b"the fake renderer looks at none")
    run = soak.Soak(films, [photo], {"no_face": photo}, folder, "test", lambda line: None, FAKE, canceled, bad)
    asyncio.run(asyncio.wait_for(run.run(), 60))
    return run


def broken(run: soak.Soak, **limits: float) -> list[str]:
    return [text for kept, text in soak.verdicts(run, soak.Limits(**limits)) if not kept]


def test_a_good_renderer_keeps_the_laws(tmp_path):
    run = made(tmp_path, 4)
    assert run.outcomes == {"film": 4}
    assert broken(run, wall_drift=10.0) == []
    # Of the films nothing is left: the renderers' folder is empty, and the fake's own notes lie beside it.
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photo.jpg", "renderers", "renderers.memory"]
    assert list((tmp_path / "renderers").iterdir()) == []


def test_a_bad_photo_that_becomes_a_film_is_a_failure(tmp_path):
    run = made(tmp_path, 2, bad=1.0)
    assert run.failures == [f"film {number}: film instead of no_face" for number in range(2)]
    assert "2 failures" in broken(run, wall_drift=10.0)[0]


def test_a_lost_renderer_is_a_failure_and_the_rest_is_made(tmp_path, monkeypatch):
    monkeypatch.setattr(soak, "NAMES", ("CRASH-ONCE", "NOVA-7"))
    run = made(tmp_path, 2)
    assert run.failures == ["film 0: renderer lost instead of film"]
    assert run.outcomes == {"renderer lost": 1, "film": 1}


def test_canceled_films_are_expected_to_be_canceled(tmp_path, monkeypatch):
    monkeypatch.setattr(soak, "NAMES", ("SLOW",))
    monkeypatch.setattr(soak, "FILM_SECONDS", 0.2)
    run = made(tmp_path, 2, canceled=1.0)
    assert (run.outcomes, run.failures) == ({"canceled": 2}, [])


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({}, None),
        ({"peak_megabytes": 601}, "peak"),
        ({"megabytes": 540}, "grown"),
        ({"threads": 9}, "threads"),
        ({"open_files": 30}, "threads"),
        ({"wall": 3.4}, "wall"),
        ({"wall": 2.0}, None),
    ],
)
def test_every_law_can_be_broken(tmp_path, change, word):
    run = soak.Soak(200, [], {}, tmp_path, "test", lambda line: None, ended=200)
    facts = {"megabytes": 500, "peak_megabytes": 520, "open_files": 5, "threads": 3}
    wall = change.pop("wall", 3.0)
    run.facts = [soak.Facts(**facts)] * 100 + [soak.Facts(**facts | change)] * 100
    run.walls = [3.0] * 100 + [wall] * 100
    assert [word in text for text in broken(run)] == ([True] if word else [])


def test_photos_are_made_in_all_sizes(tmp_path, monkeypatch):
    monkeypatch.setattr(soak, "MEGAPIXELS", (1, 3))
    (tmp_path / "made").mkdir()
    photos, bad = soak.make_photos(PHOTOS, tmp_path / "made")
    assert len(photos) == 2 * len(list(PHOTOS.glob("*.jpg")))
    for path in photos:
        with Image.open(path) as image:
            assert image.width * image.height == pytest.approx(int(path.stem.rpartition("-")[2]) * 1e6, rel=0.01)
    with pytest.raises(UnreadablePhoto):
        read_photo(bad["unreadable_photo"].read_bytes())
    with pytest.raises(NoFace):
        analyse(read_photo(bad["no_face"].read_bytes()))
