"""What real phones and programs send becomes the photo that they show, and what is cut off is refused."""

import io
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from jobs.photos import colours, jpeg_scans
from jobs.photos.outcomes import BadPhoto
from jobs.photos.sandbox import Sandbox
from jobs.photos.upload_checks import inspect
from tests.jobs.photos import containers, phones, pictures
from tests.jobs.photos.test_cleaning import cleaned, code_of

MOST_ERROR = 2  # of 255, on average


def error(image: Image.Image, expected: Image.Image) -> float:
    assert image.size == expected.size
    return float(np.abs(np.asarray(image, int) - np.asarray(expected, int)).mean())


@pytest.fixture(autouse=True)
def full_allowance(monkeypatch):
    monkeypatch.setattr(jpeg_scans, "_allowance", jpeg_scans._Allowance())


@pytest.mark.parametrize("name", phones.ENDINGS)
def test_a_file_ends_where_its_pictures_end(name):
    data = phones.ENDINGS[name]()
    assert inspect(data).width == phones.SIZE[0]
    assert error(cleaned(data), phones.control()) < MOST_ERROR


@pytest.mark.parametrize("name", containers.CONTAINERS)
def test_a_file_is_read_however_it_is_put_together_and_turned_once(name):
    data = containers.CONTAINERS[name]()
    assert inspect(data).width == phones.SIZE[0]
    assert error(cleaned(data), phones.control()) < MOST_ERROR


@pytest.mark.parametrize("name", containers.GRAYS)
def test_a_gray_photo_stays_gray_whatever_its_profile_is_of(name):
    assert error(cleaned(containers.GRAYS[name]()), phones.control().convert("L").convert("RGB")) < MOST_ERROR


@pytest.mark.parametrize("missing", [1, 2, 30, 2000])
@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"restart_marker_blocks": 5}, {"subsampling": 1}], ids=str
)
def test_a_jpeg_that_ends_a_byte_too_early_is_refused_at_the_door_and_behind_it(options, missing, monkeypatch):
    cut = pictures.jpeg(quality=90, **options)[: -2 - missing]
    with pytest.raises(BadPhoto, match="ends early"):
        inspect(cut)
    if missing > 2:  # libjpeg shows a photo without its last bits as it shows one with them
        assert code_of(cut) == "photo_unreadable"
    monkeypatch.setattr(jpeg_scans, "MOST_STEPS", 0)
    assert inspect(cut).cost, "too long to be walked at the door: it is told when it is decoded"


def test_a_jpeg_that_is_cut_within_a_header_is_refused_wherever_that_is():
    whole = pictures.encoded(pictures.person((160, 120)), "JPEG", progressive=True)
    places = [at + step for at in range(len(whole) - 1) if whole[at : at + 2] == b"\xff\xda" for step in range(2, 15)]
    for place in places:
        with pytest.raises(BadPhoto):
            inspect(whole[:place])


def test_a_process_walks_only_so_many_photos_in_a_while(monkeypatch):
    cut = pictures.jpeg()[:-500]
    monkeypatch.setattr(jpeg_scans, "_STEPS_SAVED", 3 * len(cut) + 10_000)
    monkeypatch.setattr(jpeg_scans, "_allowance", jpeg_scans._Allowance())
    clock = SimpleNamespace(monotonic=lambda: 0.0)
    monkeypatch.setattr(jpeg_scans, "time", clock)
    jpeg_scans._allowance._since = 0.0

    def is_refused():
        try:
            inspect(cut)
        except BadPhoto:
            return True
        return False

    assert [is_refused() for _ in range(5)][0::4] == [True, False], "the others are told apart by their decoder"
    clock.monotonic = lambda: 60.0
    assert is_refused()


def test_a_jpeg_without_an_end_costs_what_it_takes_to_look_at_it():
    big = pictures.encoded(Image.new("L", (4000, 3000)), "JPEG")
    assert inspect(big[:-2]).cost > inspect(big).cost


@pytest.mark.parametrize("share", [0.3, 0.9])
@pytest.mark.parametrize("name", ["HEIC, XMP behind it", "PNG, a long text"])
def test_what_is_cut_off_stays_refused(name, share):
    data = phones.ENDINGS[name]()[:-1000]
    with pytest.raises(BadPhoto):
        inspect(data[: int(len(data) * share)])


def test_a_png_that_is_cut_between_two_chunks_of_pixels_is_refused_when_it_is_inflated():
    whole = pictures.encoded(phones.control(), "PNG")
    start = whole.index(b"IDAT")
    length = int.from_bytes(whole[start - 4 : start], "big")
    first_half = whole[start + 4 : start + 4 + length // 2]
    assert code_of(whole[: start - 4] + pictures.png_chunk(b"IDAT", first_half)) == "photo_unreadable"


@pytest.mark.parametrize("name", phones.COLOURS)
def test_colours_are_where_the_file_says_they_are(name):
    assert error(cleaned(phones.COLOURS[name]()), phones.control()) < MOST_ERROR


@pytest.mark.parametrize("transfer", [phones.PQ, phones.HLG])
def test_light_brighter_than_white_is_brought_in_and_the_rest_stays_as_it_is(transfer):
    bright = phones.as_numbers(phones.control(), "BT.2020", transfer, brighter=3)
    shown = np.asarray(cleaned(phones.heic_of(bright, "BT.2020", transfer)), int)
    assert (shown >= 254).all(2).mean() < 0.02, "highlights keep their shapes"
    dark = phones.light(phones.control()).max(2) * 3 < 0.5
    expected = phones.as_numbers(phones.control(), "BT.709", phones.SRGB, brighter=3) / 257
    assert np.abs(shown - expected)[dark].mean() < 3
    assert shown.mean() > np.asarray(phones.control()).mean()


@pytest.mark.parametrize(
    ("codes", "expected"),
    [((2, 2), colours.SRGB), ((1, 1), colours.SRGB), ((99, 200), colours.SRGB), ((0, 0), colours.SRGB)],
)
def test_what_names_no_colours_is_srgb(codes, expected):
    assert colours.of_codes(*codes) == expected


@pytest.mark.parametrize("places", [[0.0] * 8, [0.3] * 8, [4e4] * 8, [0.31, 0.33, 0.6, 0, 0.3, 0.6, 0.1, 0.1]])
def test_impossible_primaries_are_not_used(places):
    assert colours.of_gamma(1.0, places) == colours.Encoding(colours.BT709, 1.0)
    assert colours.of_gamma(0, places) == colours.SRGB


def test_forty_eight_megapixels_are_taken_in_the_memory_there_is_and_shown_in_their_colours():
    """In the sandbox itself, which has a gigabyte and eight seconds of CPU."""
    big = pictures.person((600, 800)).resize((6000, 8000), Image.Resampling.NEAREST)
    expected = pictures.person((600, 800)).resize((1152, 1536), Image.Resampling.BOX)
    with Sandbox() as sandbox:
        photo = sandbox.clean(pictures.encoded(big, "JPEG", quality=60), allow_no_face=True)
        assert error(Image.open(io.BytesIO(photo.jpeg)), expected) < 2 * MOST_ERROR


def test_a_heic_whose_photo_only_brightens_another_is_refused_at_the_door():
    data = containers.grid(pictures.person((256, 256)), 2, 2).replace(b"grid", b"tmap", 1)
    with pytest.raises(BadPhoto):
        inspect(data)


@pytest.mark.slow
def test_a_heic_of_46_megapixels_is_taken_too_in_the_tiles_that_phones_write():
    tile = pictures.person((128, 128)).resize((512, 512), Image.Resampling.BICUBIC)
    data = containers.grid(tile, 16, 11)
    facts = inspect(data)
    assert (facts.width, facts.height) == (8192, 5632)
    assert facts.cost > 20, "it counts as many ordinary photos"
    with Sandbox() as sandbox:
        photo = sandbox.clean(data, allow_no_face=True)
    shown = Image.open(io.BytesIO(photo.jpeg))
    expected = Image.new("RGB", (16 * 32, 11 * 32))
    for number in range(16 * 11):
        expected.paste(tile.resize((32, 32), Image.Resampling.BOX), (32 * (number % 16), 32 * (number // 16)))
    assert error(shown.resize(expected.size, Image.Resampling.BOX), expected) < 2 * MOST_ERROR


def test_more_than_fifty_megapixels_of_heic_are_too_many():
    with pytest.raises(BadPhoto, match="too_many_pixels"):
        inspect(containers.grid(pictures.person((512, 512)), 17, 12))
