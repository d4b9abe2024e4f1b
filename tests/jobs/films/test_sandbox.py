"""Films and posters that do their worst: each ends in a word, and the next one is served as if nothing had been."""

import contextlib
import io
import os
import random
import signal
import subprocess
import sys
import threading
import zlib

import pytest
from PIL import Image

from confinement.confine import offered
from jobs.films.outcomes import POSTER_EDGE, BadFilm, BadPoster
from jobs.films.sandbox import POSTER_LIMITS, FilmSandbox, SandboxUnavailable
from jobs.photos.headers import is_bare_jpeg
from jobs.sandbox.process import PROJECT_ROOT
from tests.confinement import intruder
from tests.confinement.intruder import held
from tests.jobs.films import reels
from tests.jobs.photos import pictures

pytestmark = pytest.mark.slow

ODD = "tests.jobs.films.odd_child"
FILM = reels.film()


@pytest.fixture(scope="module")
def sandbox():
    with FilmSandbox(module=ODD, cpu_seconds=1) as sandbox:
        yield sandbox


@pytest.fixture
def keep(tmp_path):
    def write(data, name="film.mp4"):
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return write


@pytest.fixture
def ordered(keep):
    """Return a film that tells the odd child what to do."""
    return lambda order: keep(FILM + reels.box(b"free", f"ODD {order}".encode()), "ordered.mp4")


def is_served(sandbox, keep):
    return sandbox.probe(keep(FILM)).width == 64


def test_a_film_comes_back_as_facts_and_a_poster(sandbox, keep):
    facts = sandbox.probe(keep(FILM))
    assert (facts.width, facts.height, facts.codec) == (64, 48, "h264")
    assert facts.seconds == pytest.approx(1.0, abs=0.15)
    assert is_bare_jpeg(facts.poster)
    assert sandbox.probe(keep(FILM), with_poster=False).poster == b""


def test_one_child_serves_many_films_and_posters(sandbox, keep):
    sandbox.probe(keep(FILM))
    pid = sandbox.child_pid
    for _ in range(3):
        sandbox.probe(keep(reels.in_fragments()))
        sandbox.poster(pictures.jpeg())
        with pytest.raises(BadFilm):
            sandbox.probe(keep(reels.film(codec="mpeg4")))
    assert sandbox.child_pid == pid


@pytest.mark.parametrize(
    "order",
    [
        "abort",
        "crash",
        "leave",
        "rubbish",
        "no-facts",
        "no-poster",
        "odd-poster",
        "endless-film",
        "huge-film",
        "odd-codec",
        "wrong-kind",
        "not-an-object",
    ],
)
def test_a_film_that_ruins_the_child_is_bad_and_the_next_one_is_fine(sandbox, ordered, keep, order):
    with pytest.raises(BadFilm):
        sandbox.probe(ordered(order), wall_seconds=5)
    assert is_served(sandbox, keep)


@pytest.mark.parametrize(("order", "told"), [("hang", "no answer within 0.3 s"), ("killed", "was ended with -9")])
def test_silence_and_kills_are_tried_again_and_then_a_delay_of_ours(sandbox, ordered, keep, order, told):
    with pytest.raises(SandboxUnavailable, match=f"{told}.* of 3 tries"):
        sandbox.probe(ordered(order), wall_seconds=0.3)
    assert is_served(sandbox, keep)


def test_a_film_is_fine_although_its_child_stands_still_for_longer_than_it_may_take(sandbox, keep):
    sandbox.start()
    frozen = sandbox.child_pid
    os.kill(frozen, signal.SIGSTOP)
    assert sandbox.probe(keep(FILM), wall_seconds=1.0).width == 64
    assert sandbox.child_pid != frozen


def test_a_film_that_burns_cpu_is_ended_by_the_kernel(sandbox, ordered, keep):
    with pytest.raises(BadFilm, match=f"ended with {-signal.SIGXCPU}"):
        sandbox.probe(ordered("burn"))
    assert is_served(sandbox, keep)


def test_a_film_that_takes_all_memory_is_bad_and_the_next_one_gets_a_new_child(sandbox, ordered, keep):
    sandbox.start()
    pid = sandbox.child_pid
    with pytest.raises(BadFilm, match="out of memory"):
        sandbox.probe(ordered("memory"))
    assert is_served(sandbox, keep)
    assert sandbox.child_pid != pid


def test_a_film_that_needs_more_memory_than_there_is_is_bad(keep):
    with FilmSandbox(memory_bytes=24 * 2**20) as small:
        assert is_served(small, keep)
        with pytest.raises(BadFilm):
            small.probe(keep(reels.film(size=(3840, 2160), rate=2)))
        assert is_served(small, keep)


def test_the_largest_film_that_is_allowed_is_opened(sandbox, keep):
    assert sandbox.probe(keep(reels.film(size=(4096, 2304), rate=2, coding={"preset": "ultrafast"}))).width == 4096


def test_the_child_has_no_secrets_no_django_and_few_rights(monkeypatch, ordered):
    monkeypatch.setenv("SECRET_KEY", "planted")
    with FilmSandbox(module=ODD) as sandbox, pytest.raises(BadFilm, match=r"\[0, 0, 32\] \[\] False"):
        sandbox.probe(ordered("tell"))


def test_a_child_killed_between_films_is_replaced_unnoticed(sandbox, keep):
    sandbox.start()
    os.kill(sandbox.child_pid, signal.SIGKILL)
    assert is_served(sandbox, keep)


def test_no_film_and_no_poster_makes_the_child_load_or_open_anything(sandbox, ordered, keep):
    """A confined process can do neither, so whatever is loaded on first use has to be loaded before."""
    sandbox.close()
    with pytest.raises(BadFilm, match="watching"):
        sandbox.probe(ordered("watch"))
    pid = sandbox.child_pid
    for data in (FILM, reels.in_fragments(sound="aac"), reels.index_first(), FILM[: len(FILM) // 2]):
        try:
            sandbox.probe(keep(data))
        except BadFilm as bad:
            assert "PermissionError" not in str(bad)
    for data in [*pictures.ordinary().values(), pictures.jpeg()[:300]]:
        with contextlib.suppress(BadPoster):
            sandbox.poster(data)
    assert sandbox.child_pid == pid
    with pytest.raises(BadFilm, match=r"seen: \[\]"):
        sandbox.probe(ordered("seen"))


@pytest.mark.parametrize("attempts", [list(intruder.FILES), list(intruder.CALLS | intruder.CLOSED), ["fork"]], ids=str)
def test_the_child_that_opens_films_can_open_no_file_and_start_no_process(attempts, ordered, tmp_path):
    (tmp_path / "product").mkdir()
    refused, ends = held(offered())
    tried = [name for name in attempts if name in refused | ends]
    told = f"ended with {-signal.SIGSYS}" if ends & set(tried) else r"successes: \[\]"
    with (
        contextlib.closing(intruder.Target(tmp_path / "product")) as target,
        FilmSandbox(module=ODD) as sandbox,
        pytest.raises(BadFilm, match=told),
    ):
        sandbox.probe(ordered(f"intrude {';'.join(tried)}::{target.told}"))


def test_a_film_is_read_from_its_start_although_a_child_died_in_the_middle_of_it(sandbox, ordered):
    assert sandbox.probe(ordered("die-midway")).width == 64


def test_a_film_cannot_make_the_child_write(sandbox, ordered, keep, tmp_path):
    with pytest.raises(BadFilm, match="Operation not permitted"):
        sandbox.probe(ordered(f"write {tmp_path / 'written'}"))
    assert not (tmp_path / "written").exists()
    assert is_served(sandbox, keep)


def test_a_child_that_others_wore_out_is_not_the_films_fault(sandbox, ordered):
    with pytest.raises(BadFilm, match="the second child"):
        sandbox.probe(ordered("leak-once"))


def hang(sandbox, path):
    with pytest.raises(SandboxUnavailable, match="no answer"):
        sandbox.probe(path, wall_seconds=1)


def test_a_child_that_cannot_be_had_is_no_films_fault(keep, ordered):
    with pytest.raises(SandboxUnavailable):
        FilmSandbox(module="tests.jobs.films.no_such_child").probe(keep(FILM))
    with FilmSandbox(module=ODD) as sandbox:
        busy = threading.Thread(target=hang, args=(sandbox, ordered("hang")))
        busy.start()
        while not sandbox._lock.locked():
            pass
        with pytest.raises(SandboxUnavailable, match="busy"):
            sandbox.probe(keep(FILM), queue_seconds=0.05)
        busy.join()


def test_the_workers_side_loads_no_decoder_and_no_django():
    script = """
import sys
import jobs.films.sandbox
print([name for name in ("django", "PIL", "av", "numpy", "cv2") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout == "[]\n", done.stderr


def test_three_hundred_damaged_films_harm_no_one(sandbox, keep):
    chance = random.Random(7)
    originals = [FILM, reels.index_first(), reels.in_fragments(sound="aac")]
    good = bad = 0
    for number in range(300):
        data = bytearray(originals[number % 3])
        index = data.find(b"moov")
        for _ in range(chance.randint(1, 8)):
            start, end = chance.choice([(0, len(data)), (index, min(index + 900, len(data)))])
            data[chance.randrange(start, end)] = chance.randrange(256)
        try:
            sandbox.probe(keep(bytes(data)), wall_seconds=5)
            good += 1
        except BadFilm:
            bad += 1
    assert good > 20
    assert bad > 50
    assert is_served(sandbox, keep)


# --- Posters -----------------------------------------------------------------------------------------


def png_bomb(width, height):
    """Return a small PNG that says it is huge, and would be."""

    def chunk(name, content):
        body = name + content
        return len(content).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")

    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x01\0\0\0\0"
    row = zlib.compress(bytes(width // 8 + 1) * height, 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", row) + chunk(b"IEND", b"")


def test_a_poster_comes_back_as_a_bare_jpeg_of_a_pages_size(sandbox):
    large = pictures.encoded(pictures.quarters((2600, 1300)), "WEBP")
    for data in (pictures.jpeg(), large, pictures.encoded(pictures.quarters((300, 200)), "PNG")):
        poster = sandbox.poster(data)
        assert is_bare_jpeg(poster)
        assert max(Image.open(io.BytesIO(poster)).size) <= POSTER_EDGE


HOSTILE_POSTERS = {
    "nothing": lambda: b"",
    "HTML": lambda: b"<!DOCTYPE html><html></html>",
    "SVG": lambda: b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
    "PostScript": lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n",
    "GIF": lambda: pictures.encoded(pictures.quarters((64, 64)), "GIF"),
    "TIFF": lambda: pictures.encoded(pictures.quarters((64, 64)), "TIFF"),
    "HEIC, which no browser shows": pictures.heic,
    "a film": lambda: FILM,
    "a bomb": lambda: png_bomb(20_000, 20_000),
    "the largest bomb": lambda: png_bomb(2**31 - 1, 1),
    "a picture of nothing": lambda: png_bomb(64, 0),
    "cut off": lambda: pictures.jpeg()[:500],
    "too many bytes": lambda: pictures.jpeg() + bytes(POSTER_LIMITS.bytes),
}


@pytest.mark.parametrize("name", HOSTILE_POSTERS)
def test_a_hostile_poster_is_bad_and_the_next_one_is_fine(sandbox, name):
    with pytest.raises(BadPoster):
        sandbox.poster(HOSTILE_POSTERS[name]())
    assert sandbox.poster(pictures.jpeg())


def test_two_hundred_damaged_posters_harm_no_one(sandbox):
    chance = random.Random(7)
    originals = [pictures.jpeg(), pictures.encoded(pictures.quarters((90, 60)), "PNG")]
    outcomes = set()
    for number in range(200):
        data = bytearray(originals[number % 2])
        for _ in range(chance.randint(1, 9)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        try:
            outcomes.add(is_bare_jpeg(sandbox.poster(bytes(data))))
        except BadPoster:
            outcomes.add(BadPoster)
    assert outcomes == {True, BadPoster}
