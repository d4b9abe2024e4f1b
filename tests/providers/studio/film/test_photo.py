from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from providers.studio.errors import UnreadablePhoto
from providers.studio.film.person.photo import MAX_SIDE, read_photo
from tests.jobs.photos import phones
from tests.jobs.photos.containers import xmp
from tests.jobs.photos.pictures import png_chunk


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def halves(mode: str = "RGB", size: tuple[int, int] = (120, 80)) -> Image.Image:
    """Red on the left, blue on the right."""
    image = Image.new("RGB", size, (220, 20, 20))
    image.paste((20, 20, 220), (size[0] // 2, 0, *size))
    return image.convert(mode)


@pytest.mark.parametrize(
    ("kind", "mode"),
    [("JPEG", "RGB"), ("JPEG", "CMYK"), ("PNG", "RGB"), ("PNG", "P"), ("WEBP", "RGB"), ("BMP", "RGB")],
)
def test_usual_kinds_are_read_in_colour(kind, mode):
    photo = read_photo(encoded(halves(mode), kind))
    assert photo.alpha is None
    assert photo.pixels.shape == (80, 120, 3)
    blue, green, red = photo.pixels[40, 20].tolist()
    assert red > 150
    assert blue < 90
    assert green < 90


@pytest.mark.parametrize(("kind", "mode"), [("JPEG", "L"), ("PNG", "L"), ("PNG", "1"), ("PNG", "I;16")])
def test_gray_photos_are_read(kind, mode):
    image = Image.new("L", (60, 40), 200)
    image = Image.fromarray(np.full((40, 60), 200 * 257, np.uint16)) if mode == "I;16" else image.convert(mode)
    photo = read_photo(encoded(image, kind))
    assert photo.pixels.shape == (40, 60, 3)
    assert photo.pixels.mean() > 190


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_rotated_photo_comes_out_upright(kind):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held so that its left side was up
    photo = read_photo(encoded(halves(), kind, exif=exif))
    assert photo.pixels.shape == (120, 80, 3)
    assert photo.pixels[10, 40, 2] > 150
    assert photo.pixels[110, 40, 0] > 150


@pytest.mark.parametrize(("kind", "mode"), [("JPEG", "RGB"), ("JPEG", "CMYK"), ("WEBP", "RGB"), ("WEBP", "RGBA")])
def test_a_photo_is_not_turned_by_xmp(kind, mode):
    image = halves(mode)
    if mode == "RGBA":
        image.putpixel((0, 0), (0, 0, 0, 0))
    photo = read_photo(encoded(image, kind, xmp=xmp(6).partition(b"\0")[2]))
    assert photo.pixels.shape == (80, 120, 3)


def test_transparency_is_kept_and_what_it_hides_is_gray():
    image = halves().convert("RGBA")
    image.paste((0, 255, 0, 0), (0, 0, 30, 80))
    photo = read_photo(encoded(image, "PNG"))
    assert photo.alpha.shape == (80, 120)
    assert photo.alpha[40, 10] == 0
    assert photo.alpha[40, 100] == 255
    assert photo.pixels[40, 10].tolist() == [128, 128, 128]


def test_an_alpha_channel_that_hides_nothing_is_dropped():
    assert read_photo(encoded(halves("RGBA"), "PNG")).alpha is None


@pytest.mark.parametrize("name", [name for name in phones.ENDINGS if not name.startswith("HEIC")])
def test_a_file_ends_where_its_pictures_end(name):
    photo = read_photo(phones.ENDINGS[name]())
    shown = np.asarray(phones.control(), int)[..., ::-1]
    assert photo.alpha is None
    assert np.abs(photo.pixels.astype(int) - shown).mean() < 2


def test_the_transparency_of_a_png_with_a_damaged_comment_is_kept():
    image = halves().convert("RGBA")
    image.paste((0, 255, 0, 0), (0, 0, 30, 80))
    data = encoded(image, "PNG")
    photo = read_photo(data[:33] + phones.broken(png_chunk(b"tEXt", b"Title\0me")) + data[33:])
    assert (photo.alpha[40, 10], photo.alpha[40, 100]) == (0, 255)


@pytest.mark.parametrize("size", [(4000, 3000), (9000, 1200)])
def test_large_photos_are_shrunk(size):
    photo = read_photo(encoded(halves(size=size), "JPEG", quality=50))
    assert max(photo.pixels.shape) == MAX_SIDE


@pytest.mark.parametrize(
    "data",
    [b"", b"not a picture", b"\xff\xd8\xff\xe0" + bytes(200), encoded(halves(), "PNG")[:60], b"<svg></svg>"],
)
def test_what_is_no_picture_is_refused(data):
    with pytest.raises(UnreadablePhoto):
        read_photo(data)


def test_a_picture_with_too_many_pixels_is_refused_before_it_is_decoded():
    with pytest.raises(UnreadablePhoto, match="pixels"):
        read_photo(encoded(Image.new("1", (12000, 6000)), "PNG"))


def test_a_picture_too_small_for_a_face_is_refused():
    with pytest.raises(UnreadablePhoto, match="small"):
        read_photo(encoded(Image.new("RGB", (1, 1)), "PNG"))
