import contextlib
import io
import json
import struct
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.photos.headers import is_bare_jpeg
from jobs.photos.outcomes import OUTCOMES, BadPhoto
from jobs.photos.upload_checks import Limits, inspect
from tests.jobs.photos import containers, pictures


@pytest.mark.parametrize(
    ("make", "least", "most"),
    [
        (lambda: pictures.jpeg(), 1, 1),
        (lambda: pictures.heic_header((8000, 5000)), 18, 20),
        (lambda: pictures.png((8000, 5000), 8, 2, b""), 16, 18),
        (lambda: pictures.png((8000, 5000), 16, 2, b""), 24, 27),
        (lambda: pictures.encoded(pictures.Image.new("L", (8000, 5000)), "WEBP", lossless=True, method=0), 12, 13),
        (lambda: pictures.encoded(pictures.Image.new("L", (8000, 5000)), "JPEG"), 3, 4),
        (lambda: pictures.encoded(pictures.Image.new("RGB", (8000, 5000)), "JPEG", progressive=True), 4, 9),
        (lambda: pictures.encoded(pictures.Image.new("L", (1152, 1536)), "JPEG"), 1, 1),
    ],
    ids=["small", "HEIC", "PNG", "16-bit PNG", "WebP", "JPEG", "progressive JPEG", "as the page sends it"],
)
def test_what_a_photo_will_cost_is_told_by_its_header_and_not_by_its_bytes(make, least, most):
    assert least <= inspect(make()).cost <= most


def code_of(data, **limits) -> str:
    with pytest.raises(BadPhoto) as caught:
        inspect(data, limits=Limits(**limits))
    return caught.value.code


@pytest.mark.parametrize("name", pictures.ORDINARY)
def test_an_ordinary_photo_passes_and_says_its_size(name):
    data = pictures.ordinary()[name]
    with pictures.Image.open(io.BytesIO(data)) as image:
        size = image.size
    facts = inspect(data)
    assert facts.format == name.split(",")[0]
    assert (facts.width, facts.height, facts.bytes) == (*size, len(data))


def test_bytes_memory_and_files_are_read_alike_and_a_file_is_left_at_its_start():
    data = pictures.jpeg()
    upload = io.BytesIO(data)
    upload.seek(7)
    assert inspect(data) == inspect(bytearray(data)) == inspect(memoryview(data)) == inspect(upload)
    assert upload.tell() == 0


@pytest.mark.parametrize(
    "data",
    [
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"<?xml version='1.0'?><svg/>",
        b"%PDF-1.7 and so on",
        b"hello, world",
        b"\0" * 1000,
        b"BM" + bytes(100),
        b"\xff\xd8",
        b"RIFF\x24\0\0\0WAVEfmt ",
        pictures.encoded(pictures.frames(1)[0], "GIF"),
        pictures.encoded(pictures.frames(1)[0], "TIFF"),
        pictures.box(b"ftyp", b"avif", bytes(4), b"mif1", b"avif"),
        pictures.heic().replace(b"hvc1", b"av01"),
        pictures.heic().replace(b"hvc1", b"jpeg"),
        pictures.box(b"ftyp", b"isom", bytes(4), b"mp42"),
    ],
)
def test_what_is_not_a_photo_by_content_is_refused_by_type(data):
    assert code_of(data) == "photo_type"


def test_an_empty_photo_is_refused():
    assert code_of(b"") == code_of(io.BytesIO()) == code_of(memoryview(b"")) == "photo_empty"


def test_thirteen_megabytes_are_too_big_and_twelve_are_not():
    photo = pictures.jpeg()
    assert code_of(photo + bytes(13 * 10**6 - len(photo))) == "photo_too_big"
    assert code_of(io.BytesIO(photo + bytes(12 * 2**20 + 1 - len(photo)))) == "photo_too_big"
    assert inspect(photo + bytes(12 * 2**20 - len(photo))).format == "jpeg"


@pytest.mark.parametrize(
    "data",
    [
        pictures.with_jpeg_size(pictures.jpeg(), 7142, 7142),
        pictures.png((6404, 6404), 8, 2, b""),
        pictures.png((2**31, 2**31), 8, 2, b""),
        pictures.heic_header((7142, 7142)),
        b"RIFF\x2a\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + (6403).to_bytes(3, "little") * 2 + bytes(20),
        b"RIFF\x19\0\0\0WEBPVP8L\x0d\0\0\0\x2f" + (6403 | 6403 << 14).to_bytes(4, "little") + bytes(8),
        b"RIFF\x19\0\0\0WEBPVP8 \x0d\0\0\0\0\0\0\x9d\x01\x2a" + (6404).to_bytes(2, "little") * 2 + bytes(3),
    ],
)
def test_more_pixels_than_cameras_have_are_too_many(data):
    """Fifty megapixels of a camera's JPEG or HEIC, forty of what programs write."""
    assert code_of(data) == "photo_too_many_pixels"


def test_what_cameras_have_is_not_too_many():
    assert inspect(pictures.heic_header((8064, 6048))).width == 8064
    assert inspect(pictures.with_jpeg_size(pictures.jpeg(), 8160, 6120)).width == 8160
    assert inspect(pictures.with_jpeg_size(pictures.jpeg(), 8192, 6144)).width == 8192
    assert inspect(pictures.heic_header((8160, 6144))).width == 8160
    assert inspect(pictures.png((8000, 5000), 8, 2, b"")).width == 8000


@pytest.mark.parametrize(
    "data",
    [
        pictures.with_jpeg_size(pictures.jpeg(), 0, 100),
        pictures.with_jpeg_size(pictures.jpeg(), 100, 0),
        pictures.png((0, 100), 8, 2, b""),
        pictures.heic_header((0, 100)),
        pictures.heic_header((100, 100))[:-1],
        pictures.box(b"ftyp", b"heic", bytes(4), b"mif1"),
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff\xe0\0\1",
        b"\xff\xd8\xff\xe1\0\2" * 100_000,
        b"\xff\xd8\xff" + b"\xff\xd8" * 100_000,
        b"RIFF\x04\0\0\0WEBP",
        containers.riff(containers.canvas(2)),
        containers.riff(containers.canvas(0), pictures.ordinary()["webp"][12:]),
        containers.riff(containers.canvas(2), containers.frame()[:-9]),
        pictures.jpeg()[:2] + pictures.jpeg(),
        pictures.heic().replace(b"pitm\0\0\0\0\0\1", b"pitm\0\0\0\0\0\7"),
        pictures.heic().replace(b"pict", b"meta"),
    ],
)
def test_nonsense_in_the_header_is_unreadable(data):
    assert code_of(data) == "photo_unreadable"


@pytest.mark.parametrize(("name", "place"), [(b"IHDR", 7), (b"IHDR", 17), (b"PLTE", 4)])
def test_a_png_whose_size_or_palette_is_damaged_is_unreadable(name, place):
    data = bytearray(pictures.ordinary()["png, palette"])
    data[data.index(name) + place] ^= 1
    assert code_of(bytes(data)) == "photo_unreadable"


def test_a_heic_that_lists_two_million_places_is_refused_quickly():
    places = pictures.box(b"iloc", struct.pack(">IBBH", 2 << 24, 0, 0, 0) + b"\xff" * 4, bytes(11 * 2**20))
    photo = pictures.heic()
    length = int.from_bytes(photo[28:32], "big")
    assert photo[32:36] == b"meta"
    began = time.process_time()
    assert code_of(photo[:28] + pictures.box(b"meta", photo[36 : 28 + length], places)) == "photo_unreadable"
    assert time.process_time() - began < 1, "a tenth of a second on an idle machine"


@pytest.mark.parametrize("name", ["jpeg", "jpeg, progressive", "png", "webp", "heic"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_truncated_photo_is_unreadable(name, share):
    data = pictures.ordinary()[name]
    assert code_of(data[: int(len(data) * share)]) == "photo_unreadable"


@pytest.mark.parametrize("edge", [1, 63])
def test_a_thumbnail_is_too_small(edge):
    assert code_of(pictures.jpeg((640, edge))) == "photo_too_small"
    assert code_of(pictures.encoded(pictures.person((edge, 640)), "PNG")) == "photo_too_small"


def test_a_jpeg_of_twenty_thousand_scans_is_refused_quickly():
    data = pictures.many_scans(20_000)
    assert len(data) < Limits().bytes
    began = time.process_time()
    assert code_of(data) == "photo_too_many_scans"
    assert time.process_time() - began < 1, "a tenth of a second on an idle machine"


def test_scans_are_counted_up_to_the_limit_and_only_where_a_decoder_meets_them():
    own = pictures.jpeg(progressive=True).count(b"\xff\xda")
    assert inspect(pictures.many_scans(65 - own)).format == "jpeg"
    assert code_of(pictures.many_scans(66 - own)) == "photo_too_many_scans"
    assert inspect(pictures.jpeg(comment=b"\xff\xda" * 5000)).format == "jpeg"


@pytest.mark.parametrize(
    "data",
    [
        pictures.animated("GIF"),
        pictures.animated("WEBP"),
        pictures.animated("PNG"),
        containers.riff(containers.canvas(2), containers.chunk(b"ANIM", bytes(6)), containers.frame() * 2),
        containers.with_brands(b"msf1", b"msf1", b"hevc", b"heic") + pictures.box(b"moov", bytes(32)),
        pictures.heic_header((320, 240), brand=b"hevc"),
        pictures.heic_header((320, 240), brand=b"msf1"),
        pictures.box(b"ftyp", b"heic", bytes(4), b"mif1", b"hevc") + pictures.box(b"moov", bytes(32)),
    ],
)
def test_a_picture_that_moves_is_refused(data):
    assert code_of(data) == "photo_animated"


def test_a_large_photo_is_checked_in_a_few_milliseconds():
    noise = pictures.np.random.default_rng(1).integers(0, 255, (2600, 3600, 3), "uint8")
    data = pictures.encoded(pictures.Image.fromarray(noise), "JPEG", quality=93)
    assert len(data) > 8 * 2**20
    times = []
    for _ in range(5):
        began = time.process_time()
        inspect(data)
        times.append(time.process_time() - began)
    assert min(times) < 0.050, "5 ms on an idle machine; to decode it takes 200"


def test_every_refusal_has_a_status_a_sentence_and_a_next_step_that_fit_on_a_phone():
    assert {"no_face", "face_too_small", "photo_too_dark"} < set(OUTCOMES)
    for code in OUTCOMES:
        bad = BadPhoto(code, "detail")
        assert bad.status == {"photo_type": 415, "photo_too_big": 413}.get(code, 422)
        for text in (bad.message, bad.next_step):
            assert text.endswith(".") and 10 < len(text) < 90 and "detail" not in text
        assert json.dumps([bad.code, bad.message, bad.next_step])


def test_a_bare_jpeg_is_told_from_one_that_carries_something():
    assert is_bare_jpeg(pictures.jpeg())
    assert not is_bare_jpeg(b"")
    assert not is_bare_jpeg(pictures.jpeg()[:-2])
    assert not is_bare_jpeg(pictures.jpeg() + b"<html>")
    assert not is_bare_jpeg(pictures.jpeg(comment=b"hello"))
    assert not is_bare_jpeg(pictures.jpeg(exif=b"Exif\0\0" + bytes(20)))
    assert not is_bare_jpeg(pictures.jpeg(icc_profile=pictures.p3_profile()))


STARTS = [
    b"",
    b"\xff\xd8\xff",
    b"\x89PNG\r\n\x1a\n",
    b"RIFF\x40\0\0\0WEBP",
    pictures.heic_header((99, 99))[:32],
    b"GIF89a",
]


@given(st.sampled_from(STARTS), st.binary(max_size=400))
def test_any_bytes_raise_nothing_but_bad_photo(start, rest):
    with contextlib.suppress(BadPhoto):
        inspect(start + rest)


@given(st.sampled_from(sorted(pictures.ORDINARY)), st.data())
def test_any_change_to_a_photo_raises_nothing_but_bad_photo(name, data):
    changed = bytearray(pictures.ordinary()[name])
    for _ in range(data.draw(st.integers(1, 8))):
        # Most headers are within the first half kilobyte, so that is where most changes go.
        place = data.draw(st.one_of(st.integers(0, 511), st.integers(0, len(changed) - 1)))
        changed[min(place, len(changed) - 1)] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(changed)))
    for photo in (bytes(changed[:cut]), bytes(changed)):
        with contextlib.suppress(BadPhoto):
            inspect(photo)
