import io
import warnings
from dataclasses import dataclass

import numpy as np
import pytest
from PIL import Image, ImageCms

from jobs.photos import cleaning
from jobs.photos.headers import is_bare_jpeg
from jobs.photos.outcomes import BadPhoto
from tests.jobs.photos import pictures


@dataclass
class Face:
    x: float
    y: float
    width: float
    height: float
    score: float = 0.9
    keypoints: tuple = ()


def one_face(bgr):
    height, width = bgr.shape[:2]
    return [Face(width * 0.25, height * 0.25, max(64, width * 0.5), height * 0.5)]


def clean(data: bytes, find_faces=one_face, **options):
    return cleaning.clean(data, find_faces=find_faces, is_face=lambda bgr, face: True, **options)


def cleaned(data: bytes, **options) -> Image.Image:
    photo = clean(data, **options)
    assert is_bare_jpeg(photo.jpeg)
    image = Image.open(io.BytesIO(photo.jpeg))
    image.load()
    assert (image.mode, image.size) == ("RGB", (photo.width, photo.height))
    return image


def code_of(data: bytes, find_faces=one_face, **options) -> str:
    with pytest.raises(BadPhoto) as caught:
        clean(data, find_faces, **options)
    return caught.value.code


def assert_near(colour, expected, tolerance=6):
    assert np.abs(np.array(colour[:3], int) - np.array(expected[:3], int)).max() <= tolerance, (colour, expected)


@pytest.mark.parametrize("name", pictures.ORDINARY)
def test_every_ordinary_photo_becomes_a_bare_jpeg(name):
    assert max(cleaned(pictures.ordinary()[name]).size) <= 1536


@pytest.mark.parametrize(
    ("size", "expected"), [((4032, 3024), (1536, 1152)), ((600, 2000), (461, 1536)), ((500, 300), (500, 300))]
)
@pytest.mark.parametrize("options", [{"image_format": "JPEG"}, {"image_format": "PNG", "compress_level": 1}])
def test_the_long_edge_is_brought_to_1536_and_never_enlarged(size, expected, options):
    assert cleaned(pictures.encoded(pictures.quarters(size), **options)).size == expected


TURNED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.mark.parametrize("orientation", TURNED)
@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "HEIF"])
def test_a_photo_comes_out_upright(orientation, image_format):
    upright = pictures.quarters((320, 240))
    stored = upright if TURNED[orientation] is None else upright.transpose(TURNED[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    if image_format == "HEIF":
        # pillow-heif turns EXIF into the format's own rotation, as phones write it.
        data = pictures.encoded(stored, image_format, exif=exif.tobytes(), quality=90)
    else:
        data = pictures.encoded(stored, image_format, exif=exif.tobytes())
    result = cleaned(data)
    assert result.size == upright.size
    for colour, expected in zip(
        pictures.colours_of_quarters(result), pictures.colours_of_quarters(upright), strict=True
    ):
        assert_near(colour, expected, 20)


@pytest.mark.parametrize("exif", [b"Exif\0\0MM\0*", b"Exif\0\0" + b"\xff" * 40, b"Exif\0\0II*\0\x08\0\0\0\xff\xff"])
def test_broken_exif_is_ignored(exif):
    assert cleaned(pictures.jpeg(exif=exif)).size == (320, 240)


def test_nothing_but_pixels_survives():
    exif = Image.Exif()
    exif[0x013B] = "planted artist"
    exif[0x8825] = {1: "N", 2: (52.0, 31.0, 12.0), 29: "planted date"}
    planted = {
        "exif": exif.tobytes(),
        "icc_profile": pictures.p3_profile(),
        "comment": b"<script>planted comment</script>",
        "xmp": b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>planted</x:xmpmeta>",
    }
    jpeg = pictures.jpeg(**planted) + b"<html>planted after the end</html>"
    text = pictures.png_chunk(b"tEXt", b"Comment\0planted text")
    png = pictures.encoded(pictures.person((320, 240)), "PNG", exif=planted["exif"], icc_profile=planted["icc_profile"])
    png = png[:33] + text + png[33:]
    webp = pictures.encoded(
        pictures.person((320, 240)), "WEBP", **{key: planted[key] for key in ("exif", "icc_profile", "xmp")}
    )
    heic = pictures.heic(exif=planted["exif"], icc_profile=planted["icc_profile"], xmp=planted["xmp"])
    for data in (jpeg, png, webp, heic):
        assert b"planted" in data
        result = clean(data).jpeg
        for trace in (b"planted", b"Exif", b"MM\0*", b"II*\0", b"ICC_PROFILE", b"adobe", b"xmp", b"<"):
            if len(trace) > 1:
                assert trace not in result
        assert is_bare_jpeg(result)


def test_display_p3_becomes_srgb():
    colours = [(200, 120, 110), (120, 170, 110), (90, 110, 180), (215, 180, 160)]
    image = Image.new("RGB", (320, 320))
    for at, colour in enumerate(colours):
        image.paste(colour, (at % 2 * 160, at // 2 * 160, at % 2 * 160 + 160, at // 2 * 160 + 160))
    profile = pictures.p3_profile()
    for data in (
        pictures.encoded(image, "JPEG", quality=97, icc_profile=profile),
        pictures.encoded(image, "PNG", icc_profile=profile),
        pictures.encoded(image.convert("RGBA"), "PNG", icc_profile=profile),
    ):
        result = pictures.colours_of_quarters(cleaned(data))
        errors = np.array(
            [np.array(got) - pictures.p3_as_srgb(colour) for got, colour in zip(result, colours, strict=True)]
        )
        assert np.abs(errors).mean() <= 3
        assert np.abs(np.array(result, int) - np.array(colours)).mean() > 3  # else the profile changed nothing


@pytest.mark.parametrize("profile", [b"no profile", pictures.p3_profile()[:200], b"\0" * 500])
def test_a_broken_profile_is_ignored(profile):
    image = Image.new("RGB", (100, 100), (200, 120, 110))
    assert_near(cleaned(pictures.encoded(image, "JPEG", icc_profile=profile)).getpixel((50, 50)), (200, 120, 110))


def test_an_srgb_profile_changes_nothing():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = Image.new("RGB", (100, 100), (200, 120, 110))
    assert_near(cleaned(pictures.encoded(image, "PNG", icc_profile=profile)).getpixel((50, 50)), (200, 120, 110), 3)


def test_cmyk_keeps_its_colours():
    image = pictures.quarters()
    result = cleaned(pictures.encoded(image.convert("CMYK"), "JPEG", quality=95))
    for colour, expected in zip(pictures.colours_of_quarters(result), pictures.colours_of_quarters(image), strict=True):
        assert_near(colour, expected, 12)


@pytest.mark.parametrize(
    ("colour", "expected"),
    [
        ((32768,), (128, 128, 128)),
        ((60000,), (234, 234, 234)),
        ((51200, 25600, 12800), (200, 100, 50)),
        ((51200, 25600, 12800, 65535), (200, 100, 50)),
        ((51200, 25600, 12800, 0), (128, 128, 128)),
        ((51200, 65535), (200, 200, 200)),
    ],
)
def test_sixteen_bits_are_scaled_and_not_clipped(colour, expected):
    assert_near(cleaned(pictures.png_of_16_bits((100, 100), colour)).getpixel((50, 50)), expected)


def test_a_transparent_colour_of_sixteen_bits_does_no_harm():
    chunk = pictures.png_chunk(b"tRNS", b"\xc8\0\x64\0\x32\0")
    assert cleaned(pictures.png_of_16_bits((100, 100), (51200, 25600, 12800), chunk)).size == (100, 100)


def test_grayscale_and_black_and_white_become_rgb():
    gray = Image.new("L", (100, 100), 77)
    assert_near(cleaned(pictures.encoded(gray, "JPEG")).getpixel((50, 50)), (77, 77, 77))
    assert_near(cleaned(pictures.encoded(Image.new("1", (100, 100), 1), "PNG")).getpixel((50, 50)), (255, 255, 255))


def test_transparency_lies_on_mid_grey():
    image = Image.new("RGBA", (200, 100), (200, 30, 30, 255))
    image.paste((9, 250, 9, 0), (100, 0, 200, 100))
    for data in (
        pictures.encoded(image, "PNG"),
        pictures.encoded(image, "WEBP", lossless=True),
        pictures.encoded(image.quantize(8), "PNG"),
    ):
        result = cleaned(data)
        assert_near(result.getpixel((50, 50)), (200, 30, 30))
        assert_near(result.getpixel((150, 50)), (128, 128, 128))


def test_a_transparent_palette_entry_lies_on_mid_grey():
    image = Image.new("P", (100, 100), 1)
    image.putpalette([0, 0, 0, 200, 30, 30])
    image.paste(0, (0, 0, 50, 100))
    result = cleaned(pictures.encoded(image, "PNG", transparency=0))
    assert_near(result.getpixel((25, 50)), (128, 128, 128))
    assert_near(result.getpixel((75, 50)), (200, 30, 30))


def test_a_damaged_photo_is_unreadable():
    for data in pictures.ordinary().values():
        assert code_of(data[: len(data) // 2]) == "photo_unreadable"
    assert code_of(b"") == code_of(b"<svg/>") == code_of(pictures.animated("GIF")) == "photo_unreadable"


def test_what_moves_or_is_too_large_is_refused_even_behind_the_door():
    assert code_of(pictures.animated("WEBP")) == code_of(pictures.animated("PNG")) == "photo_animated"
    for data in (pictures.jpeg(), pictures.encoded(pictures.person(), "PNG"), pictures.heic()):
        assert code_of(data, pixels=70_000) == code_of(data, pixels=10_000) == "photo_too_many_pixels"
    before = Image.MAX_IMAGE_PIXELS
    clean(pictures.jpeg())
    assert before == Image.MAX_IMAGE_PIXELS


def test_warnings_of_decoders_do_not_reach_anyone():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clean(pictures.jpeg(exif=b"Exif\0\0" + b"\xff" * 40))


def test_a_strip_that_shrinks_to_nothing_is_too_small():
    assert code_of(pictures.encoded(pictures.quarters((4000, 100)), "JPEG")) == "photo_too_small"


def test_a_picture_without_a_face_is_refused():
    assert code_of(pictures.jpeg(), lambda bgr: []) == "no_face"


def test_a_face_that_is_too_small_is_refused_unless_another_is_large_enough():
    small, large = Face(10, 10, 50, 50), Face(100, 50, 120, 120, score=0.6)
    assert code_of(pictures.jpeg(), lambda bgr: [small]) == "face_too_small"
    photo = clean(pictures.jpeg(), lambda bgr: [small, large])
    assert (photo.faces, photo.face) == (2, (0.3125, 0.2083, 0.375, 0.5))


def test_a_face_over_the_edge_is_cut_off_at_it():
    assert clean(pictures.jpeg(), lambda bgr: [Face(-40, 200, 100, 100)]).face == (0.0, 0.8333, 0.1875, 0.1667)


def test_only_a_black_picture_is_too_dark():
    assert code_of(pictures.encoded(Image.new("RGB", (300, 300), (9, 9, 9)), "JPEG")) == "photo_too_dark"
    dim = pictures.person().point(lambda value: value // 5)
    assert 0 < clean(pictures.encoded(dim, "JPEG")).brightness < 0.15
    assert clean(pictures.encoded(Image.new("RGB", (300, 300), (255, 255, 255)), "JPEG")).brightness == 1


def test_the_detector_is_handed_bgr():
    seen = []

    def look(bgr):
        seen.append(bgr[50, 50].tolist())
        return one_face(bgr)

    clean(pictures.encoded(Image.new("RGB", (100, 100), (200, 30, 10)), "PNG"), look)
    assert_near(seen[0], (10, 30, 200))


def test_the_studios_detector_sees_the_astronaut_and_no_one_else():
    pytest.importorskip("providers.faces.vision")
    photo = cleaning.clean(pictures.ASTRONAUT.read_bytes())
    assert photo.faces == 1
    x, y, width, height = photo.face
    assert 0.3 < x + width / 2 < 0.55 and 0.1 < y + height / 2 < 0.4 and 0.1 < width < 0.35
    slope = np.linspace(20, 230, 600).astype(np.uint8)
    for empty in (np.tile(slope, (600, 1)), np.random.default_rng(1).integers(0, 255, (600, 600), np.uint8)):
        with pytest.raises(BadPhoto) as caught:
            cleaning.clean(pictures.encoded(Image.fromarray(empty), "JPEG"))
        assert caught.value.code == "no_face"
