"""The studio's tools for a terminal."""

from __future__ import annotations

import re
import sys

import cv2
import numpy as np
import pytest

from providers.studio.film import render
from providers.studio.tools import bench, bench_processes, gallery


def run(monkeypatch, main, *arguments: object) -> int | None:
    monkeypatch.setattr(sys, "argv", ["studio", *map(str, arguments)])
    return main()


@pytest.fixture
def selfie(tmp_path, astronaut):
    path = tmp_path / "selfie.jpg"
    path.write_bytes(astronaut)
    return path


@pytest.mark.slow
def test_render_writes_the_film_and_its_poster(monkeypatch, tmp_path, selfie, capsys):
    assert run(monkeypatch, render.main, selfie, "-o", tmp_path / "hero.mp4", "--name", "Nova") == 0
    assert (tmp_path / "hero.mp4").stat().st_size > 1_000_000
    assert (tmp_path / "hero.jpg").stat().st_size > 50_000
    assert "720x1280" in capsys.readouterr().err


def test_render_says_when_there_is_no_face_in_the_photo(monkeypatch, tmp_path, capsys):
    cv2.imwrite(str(tmp_path / "wall.png"), np.full((300, 300, 3), 120, np.uint8))
    assert run(monkeypatch, render.main, tmp_path / "wall.png", "-o", tmp_path / "hero.mp4") == 1
    assert "face" in capsys.readouterr().err
    assert not (tmp_path / "hero.mp4").exists()


@pytest.mark.parametrize("data", [None, b"no picture"])
def test_render_says_when_the_photo_cannot_be_read(monkeypatch, tmp_path, capsys, data):
    if data is not None:
        (tmp_path / "selfie.jpg").write_bytes(data)
    assert run(monkeypatch, render.main, tmp_path / "selfie.jpg", "-o", tmp_path / "hero.mp4") == 1
    assert "selfie.jpg" in capsys.readouterr().err


@pytest.mark.slow
def test_gallery_draws_a_row_for_every_photo(monkeypatch, tmp_path, selfie, capsys):
    cv2.imwrite(str(tmp_path / "wall.png"), np.full((300, 300, 3), 120, np.uint8))
    sheet = tmp_path / "sheet.webp"
    assert run(monkeypatch, gallery.main, tmp_path, "-o", sheet, "--width", 90, "--at", 0.3, 5.2) == 0
    assert cv2.imread(str(sheet)).shape == (2 * 160, 2 * 90, 3)
    assert "wall.png: NoFace" in capsys.readouterr().err


def test_gallery_of_an_empty_folder_says_so(monkeypatch, tmp_path, capsys):
    (tmp_path / "somebody-alpha.png").write_bytes(b"")
    assert run(monkeypatch, gallery.main, tmp_path, "-o", tmp_path / "sheet.png") == 1
    assert "No photos" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.thorough
def test_bench_says_what_stages_films_and_whole_processes_cost(monkeypatch, selfie, capsys):
    monkeypatch.setattr(bench_processes, "MEMORY_FILMS", 1)
    run(monkeypatch, bench.main, selfie, "--look", "netrunner", "--rounds", 1, "--cancels", 2)
    shown = capsys.readouterr().out
    for row in ("matte", "relight", "suit", "poster", "hero shot", "title shot", "film / floor", "fresh process"):
        assert row in shown
    assert re.search(r"megapixels: [2-9]\d\d MB", shown)
    assert re.search(r"[12] cancels over HTTP", shown)
