"""Which films people could watch, decided by opening them."""

import io

import pytest
from PIL import Image

from jobs.films import probe
from jobs.films.outcomes import MOST_PIXELS, POSTER_EDGE, BadFilm
from jobs.photos.headers import is_bare_jpeg
from tests.jobs.films import reels


@pytest.fixture
def probed(tmp_path):
    def run(data, *, with_poster=True):
        path = tmp_path / "film.mp4"
        path.write_bytes(data)
        return probe.probe(str(path), with_poster=with_poster)

    return run


def opened(jpeg):
    assert is_bare_jpeg(jpeg)
    picture = Image.open(io.BytesIO(jpeg))
    picture.load()
    return picture


@pytest.mark.parametrize("make", [reels.film, reels.index_first, reels.in_fragments])
def test_a_film_is_measured_and_gives_a_poster(probed, make):
    facts = probed(make(seconds=2.0, sound="aac"))
    assert (facts.width, facts.height, facts.codec) == (64, 48, "h264")
    assert facts.seconds == pytest.approx(2.0, abs=0.15)
    picture = opened(facts.poster)
    assert picture.size == (64, 48)
    assert picture.getpixel((5, 5))[0] > 240
    assert picture.getpixel((60, 40))[0] < 160


def test_a_poster_is_made_only_when_it_is_wanted(probed):
    assert probed(reels.film(), with_poster=False).poster == b""


def test_a_poster_comes_from_late_in_the_film(probed):
    """Pictures get brighter from one to the next, and each can be decoded by itself."""
    early = opened(probed(reels.film(seconds=1.0)).poster).getpixel((60, 40))[0]
    late = opened(probed(reels.film(seconds=1.5, coding={"x264-params": "keyint=1"})).poster).getpixel((60, 40))[0]
    assert early < 20
    assert late > 70


def test_a_film_on_its_side_has_an_upright_poster(probed):
    facts = probed(reels.turned(reels.film(size=(64, 48))))
    assert (facts.width, facts.height) == (48, 64), "as it is shown"
    picture = opened(facts.poster)
    assert picture.size == (48, 64)
    assert picture.getpixel((40, 5))[0] > 240  # what was the upper left is at the right
    assert picture.getpixel((5, 5))[0] < 160


def test_a_poster_is_no_larger_than_a_page_needs(probed):
    picture = opened(probed(reels.film(size=(2000, 64), seconds=0.5)).poster)
    assert picture.size == (POSTER_EDGE, 41)


BAD = {
    "HEVC": (lambda: reels.film(codec="libx265", coding={"x265-params": "log-level=none"}), "codec"),
    "VP9": (lambda: reels.film(codec="libvpx-vp9"), "codec"),
    "AV1": (lambda: reels.film(codec="libsvtav1", size=(64, 64)), "codec"),
    "MPEG-4": (lambda: reels.film(codec="mpeg4"), "codec"),
    "MJPEG": (lambda: reels.film(codec="mjpeg", pixels="yuvj420p"), "codec"),
    "4:4:4": (lambda: reels.film(pixels="yuv444p"), "pixel format"),
    "10 bits": (lambda: reels.film(pixels="yuv420p10le"), "pixel format"),
    "sound alone": (reels.sound_alone, "0 streams"),
    "two films in one": (lambda: reels.film(pictures=2), "2 streams"),
    "too short": (lambda: reels.film(seconds=0.25), "0.2 s long"),
    "too long": (lambda: reels.film(seconds=61, rate=1), "61.0 s long"),
    "too wide": (lambda: reels.film(size=(4098, 16)), "4098×16"),
    "too large": (lambda: reels.film(size=(4000, 2400), rate=2), "4000×2400"),
    "Matroska": (lambda: reels.film(container="matroska"), "FFmpeg|EOF|Invalid|Error"),
    "MPEG-TS": (lambda: reels.film(container="mpegts"), "FFmpeg|EOF|Invalid|Error"),
    "nothing": (lambda: b"", "FFmpeg|EOF|Invalid|Error"),
    "HTML": (lambda: b"<!DOCTYPE html><video src=http://127.0.0.1/>" * 50, "FFmpeg|EOF|Invalid|Error"),
    "a playlist": (
        lambda: b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n",
        "FFmpeg|EOF|Invalid|Error",
    ),
    "a list of files": (lambda: b"ffconcat version 1.0\nfile /etc/passwd\n", "FFmpeg|EOF|Invalid|Error"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_film_that_not_everybody_could_watch_is_bad(probed, name):
    make, reason = BAD[name]
    with pytest.raises(BadFilm, match=reason):
        probed(make())


def test_the_largest_film_is_one_that_fits_the_childs_memory():
    assert MOST_PIXELS * 1.5 * 17 < 300 * 2**20


@pytest.mark.parametrize("share", [0.3, 0.5, 0.7, 0.97])
def test_a_film_of_which_a_part_is_missing_is_bad(probed, share):
    """Cut off, and patched up so that no box says so: the index still promises all of it."""
    data = reels.index_first(seconds=8.0)
    assert probed(data).seconds == pytest.approx(8.0, abs=0.15)
    start, end = reels.inside(data, b"mdat")
    kept = round((end - start) * share)
    cut = data[: start - 8] + reels.box(b"mdat", data[start : start + kept])
    with pytest.raises(BadFilm):
        probed(cut)


TABLE = [b"moov", b"trak", b"mdia", b"minf", b"stbl"]


def test_a_film_whose_index_points_out_of_the_file_is_bad(probed):
    with pytest.raises(BadFilm):
        probed(reels.patched(reels.film(), [*TABLE, b"stco"], 8, (10**9).to_bytes(4, "big")))


def test_a_film_whose_pictures_are_nothing_is_bad(probed):
    data = reels.film()
    start, end = reels.inside(data, b"mdat")
    with pytest.raises(BadFilm):
        probed(data[:start] + bytes(end - start) + data[end:])


def test_a_film_whose_pictures_are_rubbish_is_bad(probed):
    data = bytearray(reels.film())
    start, end = reels.inside(bytes(data), b"mdat")
    data[start + 8 : end] = b"\xa5" * (end - start - 8)
    with pytest.raises(BadFilm):
        probed(bytes(data))


@pytest.mark.parametrize("share", [0.1, 0.5, 0.8])
def test_a_film_whose_first_picture_is_damaged_is_bad(probed, share):
    data = reels.film(size=(320, 240), noisy=True)
    assert probed(data).width == 320
    start, end = reels.first_picture(data)
    damaged = start + round((end - start) * share)
    with pytest.raises(BadFilm):
        probed(data[:damaged] + bytes(end - damaged) + data[end:])


def test_a_film_that_is_kept_in_another_file_is_bad(probed, tmp_path):
    """An index may name another file to read the pictures from (ISO/IEC 14496-12, 8.7.2); it is not followed."""
    data = reels.film()
    other = tmp_path / "other.mp4"
    other.write_bytes(data)
    reference = (*TABLE[:-1], b"dinf", b"dref")
    start, _ = reels.inside(data, *reference)
    name = str(other).encode() + b"\0"
    entry = reels.box(b"url ", b"\0\0\0\0" + name)
    with_reference = data[: start + 8] + entry + data[start + 8 + 12 :]
    grown = len(entry) - 12
    for depth in range(1, len(reference) + 1):
        at = reels.inside(data, *reference[:depth])[0] - 8
        length = int.from_bytes(data[at : at + 4], "big") + grown
        with_reference = with_reference[:at] + length.to_bytes(4, "big") + with_reference[at + 4 :]
    offset, end = reels.inside(with_reference, b"mdat")
    emptied = with_reference[:offset] + bytes(end - offset) + with_reference[end:]
    with pytest.raises(BadFilm):
        probed(emptied)


def test_a_link_is_not_followed(probed, tmp_path):
    (tmp_path / "real.mp4").write_bytes(reels.film())
    (tmp_path / "link.mp4").symlink_to(tmp_path / "real.mp4")
    with pytest.raises(OSError, match="symbolic links"):
        probe.probe(str(tmp_path / "link.mp4"), with_poster=False)
