"""The index of a film, moved before its pictures: the same film afterwards, beginning sooner."""

import io
import os
import struct

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.films import boxes, index
from jobs.films.outcomes import BadFilm
from tests.jobs.films import reels

FILM = reels.film(seconds=2.0, sound="aac")


def moved(data: bytes) -> tuple[bool, bytes]:
    file = io.BytesIO(data)
    did = index.move_to_front(file)
    return did, file.getvalue()


def order(data: bytes) -> list[bytes]:
    return [name for name, _, _ in reels.boxes(data)]


def packets(data: bytes) -> list[tuple[int, int, bytes]]:
    """Every packet of every stream: what a player gets."""
    with av.open(io.BytesIO(data)) as container:
        return [(packet.stream.index, packet.dts, bytes(packet)) for packet in container.demux() if packet.size]


def pictures(data: bytes) -> list[bytes]:
    with av.open(io.BytesIO(data)) as container:
        return [frame.to_ndarray().tobytes() for frame in container.decode(video=0)]


@pytest.mark.slow
@pytest.mark.parametrize(
    "choices",
    [{}, {"sound": "aac"}, {"seconds": 4.0, "rate": 24}, {"noisy": True, "size": (640, 480), "rate": 12}],
    ids=["small", "sound", "long", "larger than a chunk"],
)
def test_the_index_comes_first_and_the_film_is_the_same(choices, monkeypatch):
    monkeypatch.setattr(index, "_CHUNK", 10_000)
    film = reels.film(**choices)
    assert order(film).index(b"mdat") < order(film).index(b"moov")
    did, after = moved(film)
    assert did
    assert order(after)[:2] == [b"ftyp", b"moov"]
    assert len(after) == len(film)
    assert packets(after) == packets(film)
    assert pictures(after) == pictures(film)


def test_a_file_on_disk_is_changed_in_place(tmp_path):
    path = tmp_path / "film.mp4"
    path.write_bytes(FILM)
    with path.open("r+b") as film:
        assert index.move_to_front(film)
    assert boxes.inspect(path) is True
    assert packets(path.read_bytes()) == packets(FILM)


def test_places_of_eight_bytes_are_put_right_too():
    long = co64(FILM)
    assert packets(long) == packets(FILM), "the film of the test itself"
    did, after = moved(long)
    assert did
    assert order(after)[:2] == [b"ftyp", b"moov"]
    assert packets(after) == packets(FILM)


@pytest.mark.parametrize("make", [reels.index_first, reels.in_fragments])
def test_what_begins_at_once_is_left_alone(make):
    film = make()
    assert moved(film) == (False, film)


def test_a_second_time_changes_nothing():
    after = moved(FILM)[1]
    assert moved(after) == (False, after)


def test_what_follows_the_film_stays():
    tail = reels.box(b"free", b"kept") + b"\0\1rubbish"
    did, after = moved(FILM + tail)
    assert did
    assert after.endswith(tail)
    assert packets(after) == packets(FILM)


@pytest.mark.parametrize("what", ["cmov", "saio", "table too long", "no table", "a place beyond four bytes", "deep"])
def test_an_index_that_is_not_understood_stays_where_it_is(what):
    start, end = reels.inside(FILM, b"moov")
    content, table = bytearray(FILM[start:end]), FILM.index(b"stco")
    if what in ("cmov", "saio"):
        content[table - start : table - start + 4] = what.encode()
    elif what == "table too long":
        struct.pack_into(">I", content, table - start + 8, 2**31)
    elif what == "no table":
        content = bytearray(bytes(content).replace(b"stco", b"free"))
    elif what == "a place beyond four bytes":
        film = bytearray(FILM)
        head = next(last for name, _, last in reels.boxes(FILM) if name == b"ftyp")
        huge = bytes(film[:head]) + struct.pack(">I4sQ", 1, b"free", 2**32) + b""
        # No file of four gigabytes: only its places are worked out.
        struct.pack_into(">I", content, table - start + 12, 2**32 - 2)
        with pytest.raises(index._CannotMove):
            index._adjust_offsets(bytearray(reels.box(b"moov", bytes(content))), len(huge), 2**33, len(content))
        return
    else:
        inner = bytes(content)
        for _ in range(20):
            inner = reels.box(b"trak", inner)
        content = bytearray(inner)
    film = FILM[: start - 8] + reels.box(b"moov", bytes(content))
    assert moved(film) == (False, film)


def test_an_index_of_millions_of_boxes_is_not_walked_for_ever():
    film = FILM[: reels.inside(FILM, b"moov")[0] - 8] + reels.box(b"moov", reels.box(b"free", b"") * 100_000)
    assert moved(film) == (False, film)


def test_no_mp4_is_said(tmp_path):
    for data in (FILM[: len(FILM) // 2], b"GIF89a" + bytes(100), FILM[:-1]):
        with pytest.raises(BadFilm):
            moved(data)
    assert moved(b"") == (False, b"")


@given(st.data())
def test_a_film_with_any_damage_keeps_its_length(data):
    spoiled = bytearray(FILM)
    start, end = reels.inside(FILM, b"moov")
    for _ in range(data.draw(st.integers(1, 6))):
        spoiled[data.draw(st.integers(start, end - 1))] = data.draw(st.integers(0, 255))
    file = io.BytesIO(bytes(spoiled))
    did = index.move_to_front(file)
    assert file.seek(0, os.SEEK_END) == len(FILM)
    assert did or file.getvalue() == bytes(spoiled)


def co64(film: bytes) -> bytes:
    """Return a film whose tables of places have eight bytes for each."""

    def widened(start: int, end: int, name: bytes) -> bytes:
        if name == b"stco":
            count, *places = struct.unpack(f">I{(end - start - 16) // 4}I", film[start + 12 : end])
            return reels.box(b"co64", bytes(4) + struct.pack(f">I{count}Q", count, *places))
        if name in (b"moov", b"trak", b"mdia", b"minf", b"stbl"):
            inner = reels.boxes(film, start + 8, end)
            return reels.box(name, b"".join(widened(first, last, kind) for kind, first, last in inner))
        return film[start:end]

    return b"".join(widened(start, end, name) for name, start, end in reels.boxes(film))
