"""What a file says about itself, before any decoder sees it."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.films import boxes
from jobs.films.outcomes import BadFilm
from tests.jobs.films import reels

FILM = reels.film()


@pytest.fixture(scope="module")
def inspect(tmp_path_factory):
    path = tmp_path_factory.mktemp("films") / "film.mp4"

    def look(data):
        path.write_bytes(data)
        return boxes.inspect(path)

    return look


def test_an_index_may_come_first_or_last(inspect):
    assert inspect(FILM) is False
    assert inspect(reels.index_first()) is True
    assert inspect(reels.in_fragments()) is True


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0" * 7,
        b"\0" * 100,
        b"<!DOCTYPE html><html><body>Not found</body></html>",
        b'{"error": "expired"}',
        b"GIF89a" + bytes(100),
        b"\x1aE\xdf\xa3" + bytes(100),
        b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1/\n",
        b"RIFF\0\0\0\0AVI " + bytes(100),
        FILM[4:],
        b"\n" + FILM,
        reels.box(b"wide", b"") + FILM,
    ],
)
def test_what_does_not_begin_like_an_mp4_is_none(inspect, data):
    with pytest.raises(BadFilm, match="not an MP4 file"):
        inspect(data)


@pytest.mark.parametrize("make", [reels.film, reels.index_first])
def test_a_film_that_is_cut_off_anywhere_is_refused(inspect, make):
    data = make()
    for end in [*range(0, len(data) - 1, 97), len(data) - 1]:
        with pytest.raises(BadFilm):
            inspect(data[:end])


def test_a_film_in_fragments_that_ends_within_one_is_refused(inspect):
    data = reels.in_fragments(seconds=2.0, coding={"x264-params": "keyint=4"})
    names = [name for name, _, _ in reels.boxes(data)]
    assert names.count(b"mdat") > 1
    last = max(end for name, _, end in reels.boxes(data) if name == b"mdat")
    inspect(data[:last])
    with pytest.raises(BadFilm, match="cut off"):
        inspect(data[: last - 1])


def test_a_film_without_pictures_or_index_is_refused(inspect):
    head = reels.box(b"ftyp", b"isom\0\0\0\0isom")
    for rest in (b"", reels.box(b"moov", b""), reels.box(b"mdat", b""), reels.box(b"free", bytes(1000))):
        with pytest.raises(BadFilm, match="without a film"):
            inspect(head + rest)


@pytest.mark.parametrize("tail", [b"\0", b"\0" * 100, b"rubbish" * 9, struct.pack(">I4s", 10**6, b"free"), b"\r\n"])
def test_what_follows_a_whole_film_does_not_matter(inspect, tail):
    inspect(FILM + tail)


def test_lengths_may_be_written_in_every_way_there_is(inspect):
    head = reels.box(b"ftyp", b"isom\0\0\0\0isom") + reels.box(b"moov", b"")
    assert inspect(head + struct.pack(">I4sQ", 1, b"mdat", 20) + b"1234")
    assert inspect(head + struct.pack(">I4s", 0, b"mdat") + b"1234")
    for length in (17, 2**63, 2**64 - 1):
        with pytest.raises(BadFilm):
            inspect(head + struct.pack(">I4sQ", 1, b"mdat", length))


def test_a_file_of_nothing_but_boxes_is_not_followed_for_ever(inspect):
    with pytest.raises(BadFilm):
        inspect(reels.box(b"ftyp", b"isom") + reels.box(b"free", b"") * 100_000 + FILM)


@given(st.binary(max_size=200) | st.binary(max_size=200).map((FILM[:48]).__add__))
def test_bytes_of_any_kind_are_a_film_or_none(inspect, data):
    try:
        inspect(data)
    except BadFilm:
        return
