"""Photos as phones and programs really write them, with what is odd about each: every one shows the same person."""

import io
import struct
import zlib
from collections.abc import Callable
from functools import cache

import numpy as np
import pillow_heif
from PIL import Image

from tests.jobs.photos import pictures
from tests.jobs.photos.pictures import png_chunk

SIZE = (400, 400)
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/">' + b" " * 300 + b'</x:xmpmeta><?xpacket end="w"?>'
PRIMARIES = {
    "BT.709": (1, ((0.64, 0.33), (0.3, 0.6), (0.15, 0.06))),
    "P3": (12, ((0.68, 0.32), (0.265, 0.69), (0.15, 0.06))),
    "Adobe RGB": (2, ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06))),
    "BT.2020": (9, ((0.708, 0.292), (0.17, 0.797), (0.131, 0.046))),
}
PQ, HLG, LINEAR, SRGB, GAMMA_22 = 16, 18, 8, 13, 4


def to_xyz(name: str) -> np.ndarray:
    columns = np.array([[x / y, 1, (1 - x - y) / y] for x, y in PRIMARIES[name][1]]).T
    white = np.array([0.3127 / 0.329, 1, (1 - 0.3127 - 0.329) / 0.329])
    return columns * np.linalg.solve(columns, white)


def light(picture: Image.Image) -> np.ndarray:
    value = np.asarray(picture) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def as_numbers(picture: Image.Image, primaries: str, transfer: int, *, brighter: float = 1.0) -> np.ndarray:
    """Return the picture in 16 bits as another encoding writes it; white is 203 cd/m²."""
    shown = light(picture) * brighter @ (np.linalg.inv(to_xyz(primaries)) @ to_xyz("BT.709")).T
    shown = np.maximum(shown, 0)
    if transfer == PQ:
        power = (shown * 203 / 10_000) ** (1305 / 8192)
        value = ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** (2523 / 32)
    elif transfer == HLG:
        luminance = np.maximum(shown @ [0.2627, 0.678, 0.0593], 1e-9) * 203 / 1000
        scene = shown * 203 / 1000 * (luminance ** (1 / 1.2 - 1))[..., None]
        bright = 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
        value = np.where(scene <= 1 / 12, np.sqrt(3 * scene), bright)
    elif transfer in (LINEAR, GAMMA_22):
        value = shown ** (1.0 if transfer == LINEAR else 1 / 2.2)
    else:
        value = np.where(shown <= 0.0031308, 12.92 * shown, 1.055 * np.maximum(shown, 1e-9) ** (1 / 2.4) - 0.055)
    return np.round(np.clip(value, 0, 1) * 65535).astype(np.uint16)


def heic_of(numbers: np.ndarray, primaries: str, transfer: int) -> bytes:
    height, width = numbers.shape[:2]
    output = io.BytesIO()
    pillow_heif.options.SAVE_HDR_TO_12_BIT = False
    pillow_heif.encode(
        "RGB;16",
        (width, height),
        numbers.tobytes(),
        output,
        quality=92,
        chroma="444",
        color_primaries=PRIMARIES[primaries][0],
        transfer_characteristics=transfer,
        matrix_coefficients=9 if primaries == "BT.2020" else 1,
        full_range_flag=1,
    )
    return output.getvalue()


def png_of(numbers: np.ndarray, *extra: bytes, bits: int = 8) -> bytes:
    height, width = numbers.shape[:2]
    values = numbers if bits == 16 else (numbers / 257).round().astype(np.uint8)
    rows = b"".join(b"\0" + row.astype(">u2" if bits == 16 else np.uint8).tobytes() for row in values)
    return pictures.png((width, height), bits, 2, rows, *extra)


def chrm(primaries: str) -> bytes:
    places = ((0.3127, 0.329), *PRIMARIES[primaries][1])
    return png_chunk(
        b"cHRM", b"".join(struct.pack(">I", round(value * 100_000)) for place in places for value in place)
    )


def gama(exponent: float) -> bytes:
    return png_chunk(b"gAMA", struct.pack(">I", round(exponent * 100_000)))


def cicp(primaries: str, transfer: int) -> bytes:
    return png_chunk(b"cICP", bytes([PRIMARIES[primaries][0], transfer, 0, 1]))


def broken(chunk: bytes) -> bytes:
    return chunk[:-4] + bytes([chunk[-4] ^ 1]) + chunk[-3:]


@cache
def control() -> Image.Image:
    """The person, softly: what a codec loses of fine detail is not what is compared."""
    return pictures.person((SIZE[0] // 3, SIZE[1] // 3)).resize(SIZE, Image.Resampling.BICUBIC)


@cache
def heic() -> bytes:
    return pictures.encoded(control(), "HEIF", quality=90)


@cache
def jpeg() -> bytes:
    return pictures.encoded(control(), "JPEG", quality=95)


@cache
def progressive() -> bytes:
    return pictures.encoded(control(), "JPEG", quality=95, progressive=True, restart_marker_blocks=7)


@cache
def png() -> bytes:
    return pictures.encoded(control(), "PNG")


def with_chunk(chunk: bytes) -> bytes:
    return png()[:33] + chunk + png()[33:]


def chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    """Names and contents of a PNG's chunks."""
    found, place = [], 8
    while place < len(data):
        length, name = struct.unpack_from(">I4s", data, place)
        found.append((name, data[place + 8 : place + 8 + length]))
        place += 12 + length
    return found


def with_pixels(*parts: bytes, behind: bytes = b"") -> bytes:
    """The PNG with these bytes for its pixels, in as many chunks."""
    idat = b"".join(png_chunk(b"IDAT", part) for part in parts)
    return png()[:33] + idat + behind + png_chunk(b"IEND", b"")


def pixels() -> bytes:
    """The PNG's pixels as zlib packed them: a checksum of four bytes is their end."""
    return b"".join(content for name, content in chunks(png()) if name == b"IDAT")


def claiming(length: int, name: bytes) -> bytes:
    """The beginning of a box that says how long it is in eight bytes."""
    return struct.pack(">I4sQ", 1, name, length) + bytes(40)


# Files that end elsewhere than their format says, with every pixel there. Each is made when it is asked for.
ENDINGS: dict[str, Callable[[], bytes]] = {
    "HEIC, XMP behind it": lambda: heic() + XMP,
    "HEIC, a scrap of a box": lambda: heic() + b"\0\0\0\5abcd",
    "HEIC, a box that claims more": lambda: heic() + b"\x7f\0\0\0mpvd" + bytes(50),
    "HEIC, a box that claims 2^62": lambda: heic() + claiming(2**62, b"abcd"),
    "HEIC, a box that claims 2^64 - 1": lambda: heic() + claiming(2**64 - 1, b"uuid"),
    "HEIC, a second index that claims 2^62": lambda: heic() + claiming(2**62, b"meta"),
    "HEIC, more pixels that claim 2^62": lambda: heic() + claiming(2**62, b"mdat"),
    "HEIC, a film that is not there": lambda: heic() + b"\0\x10\0\0moov" + bytes(40),
    "HEIC, a box without its length": lambda: heic() + b"\0\0\0\1abcd",
    "HEIC, three zeros": lambda: heic() + bytes(3),
    "JPEG, no end": lambda: jpeg()[:-2],
    "JPEG, half an end": lambda: jpeg()[:-1],
    "progressive JPEG, no end": lambda: progressive()[:-2],
    "PNG, a long text": lambda: with_chunk(png_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"A" * 1_600_000))),
    "PNG, a wrong checksum in a text": lambda: with_chunk(broken(png_chunk(b"tEXt", b"Title\0me"))),
    "PNG, a wrong checksum in a time": lambda: with_chunk(broken(png_chunk(b"tIME", bytes(7)))),
    "PNG, a wrong checksum in a gamma": lambda: with_chunk(broken(gama(1.0))),
    "PNG, a profile without end": lambda: with_chunk(png_chunk(b"iCCP", b"p\0\0" + zlib.compress(bytes(5_000_000)))),
    "PNG, a wrong checksum of all pixels": lambda: with_pixels(pixels()[:-4] + b"oops"),
    "PNG, that in a chunk of its own": lambda: with_pixels(pixels()[:-4], b"oops"),
    "PNG, that and bytes behind it": lambda: with_pixels(pixels()[:-4] + b"oops" * 90),
    "PNG, a wrong checksum of a chunk of pixels": lambda: with_pixels(pixels()).replace(
        png_chunk(b"IDAT", pixels()), broken(png_chunk(b"IDAT", pixels()))
    ),
    "PNG, pixels in many chunks, some empty": lambda: with_pixels(
        b"", *[pixels()[at : at + 999] for at in range(0, len(pixels()), 999)], b""
    ),
    "PNG, no end": lambda: png()[:-12],
    "PNG, cut in the last checksum": lambda: png()[:-14],
    "PNG, rubbish instead of an end": lambda: png()[:-12] + b"\xff" * 9,
}


def numbers(primaries: str, transfer: int) -> np.ndarray:
    return as_numbers(control(), primaries, transfer)


# Files whose numbers are not sRGB's, in the ways that they can say so.
def iccp(profile: bytes) -> bytes:
    return png_chunk(b"iCCP", b"p\0\0" + zlib.compress(profile))


COLOURS: dict[str, Callable[[], bytes]] = {
    "HEIC, P3": lambda: heic_of(numbers("P3", SRGB), "P3", SRGB),
    "HEIC, BT.2020 PQ": lambda: heic_of(numbers("BT.2020", PQ), "BT.2020", PQ),
    "HEIC, BT.2020 HLG": lambda: heic_of(numbers("BT.2020", HLG), "BT.2020", HLG),
    "PNG, cICP P3": lambda: png_of(numbers("P3", SRGB), cicp("P3", SRGB)),
    "PNG, cICP BT.2020 PQ, 16 bits": lambda: png_of(numbers("BT.2020", PQ), cicp("BT.2020", PQ), bits=16),
    "PNG, cICP above gAMA": lambda: png_of(numbers("P3", SRGB), gama(1.0), cicp("P3", SRGB)),
    "PNG, gAMA 1": lambda: png_of(numbers("BT.709", LINEAR), gama(1.0)),
    "PNG, gAMA 1, 16 bits": lambda: png_of(numbers("BT.709", LINEAR), gama(1.0), bits=16),
    "PNG, gAMA and cHRM of P3": lambda: png_of(numbers("P3", LINEAR), gama(1.0), chrm("P3"), bits=16),
    "PNG, gAMA and cHRM of Adobe RGB": lambda: png_of(numbers("Adobe RGB", GAMMA_22), gama(0.45455), chrm("Adobe RGB")),
    "PNG, gAMA and cHRM of Adobe RGB, 16 bits": lambda: png_of(
        numbers("Adobe RGB", GAMMA_22), gama(0.45455), chrm("Adobe RGB"), bits=16
    ),
    "PNG, cHRM of P3 and gAMA 2.2": lambda: png_of(numbers("P3", GAMMA_22), gama(0.45455), chrm("P3")),
    "PNG, a profile of P3 that is called sRGB": lambda: png_of(
        numbers("P3", GAMMA_22), iccp(pictures.p3_profile(b"sRGB-elle-V2-g10.icc"))
    ),
    "PNG, a cICP that says nothing beside a profile": lambda: png_of(
        numbers("P3", GAMMA_22), png_chunk(b"cICP", bytes([2, 2, 0, 1])), iccp(pictures.p3_profile())
    ),
    "PNG, sRGB above gAMA": lambda: png_of(numbers("BT.709", SRGB), png_chunk(b"sRGB", b"\0"), gama(1.0)),
    "PNG, gAMA of sRGB": lambda: png_of(numbers("BT.709", SRGB), gama(0.45455), chrm("BT.709")),
}
