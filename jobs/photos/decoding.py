"""Decodes a picture's bytes to pixels that are safe to keep: upright, sRGB, in a fresh image.

It runs in a child process only, because decoders are written in C and the bytes are not trusted. The result has nothing
of the file but its pixels: no EXIF, XMP, colour profile or comment, no trailing bytes.
"""

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms

from common.png import without_checksum

from . import colours, headers, heic_boxes, png_chunks, webp_chunks
from .outcomes import BadPhoto

MID_GREY = (128, 128, 128)
JPEG_QUALITY = 90

UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
ORIENTATION_TAG = 0x0112
# Larger pictures would not fit into the sandbox's memory twice with sixteen bits, and are opened with eight.
MOST_DEEP_PIXELS = 25_000_000
_SAME_COLOUR = 2  # of 255: what profiles of sRGB differ by among themselves
# What is put where a JPEG without an end stops; zeros are what libjpeg would take by itself.
_CONTINUATIONS = (b"", b"\x55" * 4096, b"\xaa" * 4096)


def decode(data: bytes, *, long_edge: int, pixels: int, formats: Sequence[str]) -> Image.Image:
    """Return upright sRGB pixels in a fresh image, the long edge no longer than asked; raise BadPhoto otherwise."""
    try:
        with _strict_pillow(pixels):
            return _decode(data, long_edge, formats)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BadPhoto("photo_too_many_pixels") from error
    except MemoryError:
        raise
    except BadPhoto:
        raise
    except Exception as error:  # decoders raise many types; all of them mean the same to the owner
        raise BadPhoto("photo_unreadable", f"{type(error).__name__}: {error}"[:200]) from error


def _decode(data: bytes, long_edge: int, formats: Sequence[str]) -> Image.Image:
    png = png_chunks.take_apart(data) if data.startswith(headers.PNG_SIGNATURE) else None
    if headers.is_webp(data):
        data = webp_chunks.readable(data)
    elif data[4:8] == b"ftyp":
        data = heic_boxes.readable(data)
    image: Image.Image = Image.open(io.BytesIO(png.data if png else data), formats=tuple(formats))
    if image.format in ("PNG", "WEBP") and getattr(image, "is_animated", False):
        raise BadPhoto("photo_animated")
    if image.format in ("JPEG", "MPO"):
        image = _load_jpeg(image, data, long_edge)
    encoding = png.encoding if png else colours.of_nclx(image.info.get("nclx_profile"))
    profile = png.profile if png else image.info.get("icc_profile")
    if profile:
        encoding = colours.SRGB
    deep = None
    if not encoding.is_srgb and image.width * image.height <= MOST_DEEP_PIXELS:
        deep = _deep_pixels(image, png, data, encoding)
    if deep is None:
        image = _loaded(image, png)
    # After load(): a PNG may carry its EXIF behind the pixels, and HEIC decoding may change the size.
    orientation = _orientation(image)
    if deep is not None:
        image = _deep_to_srgb(deep, long_edge, encoding)
        profile, encoding = None, colours.SRGB
    image = _plain_mode(image)
    target = _fit(image.size, long_edge)
    if image.size != target:
        # Whole steps by averaging, the rest by Hamming: half of Lanczos' time, and 45 dB from its result.
        image = image.resize(target, Image.Resampling.HAMMING, reducing_gap=1.0)
    alpha = image.getchannel("A") if image.mode in ("LA", "RGBA") else None
    if alpha is not None:
        image = image.convert(image.mode[:-1])
    image = _to_srgb(image, profile)
    if not encoding.is_srgb:
        image = Image.fromarray(colours.to_srgb(np.asarray(image), encoding))
    fresh = Image.new("RGB", image.size, MID_GREY)
    fresh.paste(image, mask=alpha)
    if orientation in UPRIGHT:
        fresh = fresh.transpose(UPRIGHT[orientation])
    fresh.info.clear()
    return fresh


def _loaded(image: Image.Image, apart: png_chunks.Png | None) -> Image.Image:
    """Return the picture with its pixels. Those of a PNG may all be there although their checksum is wrong."""
    try:
        image.load()
    except OSError:
        mended = without_checksum(apart.data) if apart else None
        if mended is None:
            raise
        image = Image.open(io.BytesIO(mended), formats=("PNG",))
        image.load()
    return image


def _load_jpeg(image: Image.Image, data: bytes, long_edge: int) -> Image.Image:
    """Return a JPEG's pixels, no larger than needed. Raise BadPhoto for one without an end of which pixels are missing.

    libjpeg makes pixels up for data that is missing, without a word. So a JPEG without its end is continued with
    several kinds of data: when all give the same pixels, none of them was needed.
    """
    image.draft(None, _fit(image.size, long_edge))
    if headers.has_jpeg_end(data):
        return image
    seen: Image.Image | None = None
    for continuation in _CONTINUATIONS:
        ended = data.rstrip(b"\xff") + continuation + b"\xff\xd9"
        image = Image.open(io.BytesIO(ended), formats=("JPEG", "MPO"))
        image.draft(None, _fit(image.size, long_edge))
        image.load()
        if seen is not None and not np.array_equal(np.asarray(seen), np.asarray(image)):
            raise BadPhoto("photo_unreadable", "the file ends early")
        seen = image
    return image


def _deep_pixels(
    image: Image.Image, png: png_chunks.Png | None, data: bytes, encoding: colours.Encoding
) -> np.ndarray | None:
    """Return RGB pixels of sixteen bits where eight would show steps, None where they would not."""
    import cv2  # the child of films decodes posters, and has neither
    import pillow_heif

    if image.format == "HEIF" and encoding.has_highlights:
        picture = pillow_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=False)
        pixels = np.asarray(picture)
        return pixels if pixels.dtype == np.uint16 and picture.mode.startswith("RGB;") else None
    if png is not None and png.is_deep and not encoding.is_srgb and image.mode == "RGB":
        bgr = cv2.imdecode(np.frombuffer(png.data, np.uint8), cv2.IMREAD_UNCHANGED)
        if bgr is not None and bgr.dtype == np.uint16 and bgr.ndim == 3 and bgr.shape[2] == 3:
            return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
    return None


def _deep_to_srgb(pixels: np.ndarray, long_edge: int, encoding: colours.Encoding) -> Image.Image:
    import cv2

    target = _fit((pixels.shape[1], pixels.shape[0]), long_edge)
    if target != (pixels.shape[1], pixels.shape[0]):
        pixels = cv2.resize(pixels, target, interpolation=cv2.INTER_AREA)
    return Image.fromarray(colours.to_srgb(pixels, encoding))


@contextmanager
def _strict_pillow(pixels: int) -> Iterator[None]:
    """Make a picture of more pixels an error, and ignore other warnings (broken EXIF, mostly)."""
    before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, pixels
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


def _fit(size: tuple[int, int], long_edge: int) -> tuple[int, int]:
    """Return the size scaled down to the long edge, never up."""
    scale = min(1.0, long_edge / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _orientation(image: Image.Image) -> int:
    """Return the orientation by EXIF; a broken block means upright. XMP is not asked, nor do browsers ask it."""
    try:
        exif = Image.Exif()
        exif.load(image.info.get("exif", b""))
        return exif.get(ORIENTATION_TAG, 1)
    except Exception:  # noqa: BLE001  a parser of foreign bytes; its failure only costs the rotation
        return 1


def _plain_mode(image: Image.Image) -> Image.Image:
    """Return the image as L, LA, RGB, RGBA or CMYK with eight bits a channel."""
    if image.mode.startswith(("I", "F")):
        return _eight_bits(image)
    has_transparency = "transparency" in image.info
    match image.mode:
        case "P" | "PA":
            return image.convert("RGBA" if has_transparency or image.mode == "PA" else "RGB")
        case "1":
            return image.convert("L")
        case "L" | "RGB" if has_transparency:
            return image.convert("RGBA")
        case "L" | "LA" | "RGB" | "RGBA" | "CMYK":
            return image
        case _:
            return image.convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """Return a grayscale of 16 bits as one of eight; Pillow's own conversion clips instead of scaling."""
    values = np.asarray(image)
    if image.mode == "F" or values.max(initial=0) < 256:
        return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))
    return Image.fromarray((np.clip(values, 0, 65535).astype(np.uint16) >> 8).astype(np.uint8))


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Return the image as RGB in sRGB; without a usable profile its numbers are taken as they are."""
    if profile:
        try:
            transform = _transform(profile, image.mode)
            if transform is not None:
                return ImageCms.applyTransform(image, transform) or image  # None is for a change in place
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            pass  # a broken profile, or one for another kind of picture
    return image if image.mode == "RGB" else image.convert("RGB")


@lru_cache(maxsize=8)  # phones write a handful of profiles, and building a transform costs more than using it
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Return the way from a profile to sRGB; None where it changes next to nothing, whatever the profile is called."""
    transform = ImageCms.buildTransform(ImageCms.ImageCmsProfile(io.BytesIO(profile)), _srgb(), mode, "RGB")
    if mode == "RGB":
        steps = np.linspace(0, 255, 9).astype(np.uint8)
        colours_of_all_kinds = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
        seen = ImageCms.applyTransform(Image.fromarray(colours_of_all_kinds), transform)
        change = np.abs(np.asarray(seen).astype(np.int16) - colours_of_all_kinds)
        if change.max() <= _SAME_COLOUR:
            return None
    return transform


@lru_cache(maxsize=1)
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


def encode(picture: Image.Image) -> bytes:
    """Return a bare JPEG of a fresh image."""
    output = io.BytesIO()
    picture.save(output, "JPEG", quality=JPEG_QUALITY)
    return output.getvalue()
