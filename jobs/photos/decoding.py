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
    image: Image.Image = Image.open(io.BytesIO(data), formats=tuple(formats))
    if image.format in ("PNG", "WEBP") and getattr(image, "is_animated", False):
        raise BadPhoto("photo_animated")
    target = _fit(image.size, long_edge)
    if image.format in ("JPEG", "MPO"):
        image.draft(None, target)
    image.load()
    # After load(): a PNG may carry its EXIF behind the pixels, and HEIC decoding may change the size.
    orientation, profile = _orientation(image), image.info.get("icc_profile")
    image = _plain_mode(image)
    target = _fit(image.size, long_edge)
    if image.size != target:
        # Whole steps by averaging, the rest by Hamming: half of Lanczos' time, and 45 dB from its result.
        image = image.resize(target, Image.Resampling.HAMMING, reducing_gap=1.0)
    alpha = image.getchannel("A") if image.mode in ("LA", "RGBA") else None
    if alpha is not None:
        image = image.convert(image.mode[:-1])
    image = _to_srgb(image, profile)
    fresh = Image.new("RGB", image.size, MID_GREY)
    fresh.paste(image, mask=alpha)
    if orientation in UPRIGHT:
        fresh = fresh.transpose(UPRIGHT[orientation])
    fresh.info.clear()
    return fresh


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
    """Return the EXIF (or XMP) orientation; a broken EXIF block means upright."""
    try:
        return image.getexif().get(ORIENTATION_TAG, 1)
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
    """Return the way from a profile to sRGB; None where the picture is sRGB already."""
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    if mode == "RGB" and (source.profile.profile_description or "").startswith("sRGB"):
        return None
    return ImageCms.buildTransform(source, _srgb(), mode, "RGB")


@lru_cache(maxsize=1)
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


def encode(picture: Image.Image) -> bytes:
    """Return a bare JPEG of a fresh image."""
    output = io.BytesIO()
    picture.save(output, "JPEG", quality=JPEG_QUALITY)
    return output.getvalue()
