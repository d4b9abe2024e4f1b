"""Real files for the photo tests, made here so that each says what is in it."""

import io
import re
import struct
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pillow_heif
from PIL import Image

pillow_heif.register_heif_opener()

ASTRONAUT = Path(__file__).parents[2] / "photos" / "astronaut.jpg"


def encoded(image: Image.Image, image_format: str, **options) -> bytes:
    output = io.BytesIO()
    image.save(output, image_format, **options)
    return output.getvalue()


def person(size: tuple[int, int] = (512, 512)) -> Image.Image:
    with Image.open(ASTRONAUT) as image:
        return image.convert("RGB").resize(size)


def quarters(size: tuple[int, int] = (320, 240)) -> Image.Image:
    """A picture whose four quarters are red, green (right), blue (below) and yellow."""
    width, height = size
    image = Image.new("RGB", size, (220, 30, 30))
    image.paste((30, 180, 30), (width // 2, 0, width, height // 2))
    image.paste((30, 30, 220), (0, height // 2, width // 2, height))
    image.paste((220, 220, 30), (width // 2, height // 2, width, height))
    return image


def colours_of_quarters(image: Image.Image) -> list[tuple[int, ...]]:
    width, height = image.size
    places = [(width // 4, height // 4), (width * 3 // 4, height // 4)]
    places += [(x, height * 3 // 4) for x, _ in places]
    return [image.getpixel(place) for place in places]


def jpeg(size: tuple[int, int] = (320, 240), **options) -> bytes:
    return encoded(person(size), "JPEG", **options)


def frames(count: int = 3) -> list[Image.Image]:
    return [Image.new("RGB", (96, 96), (60 * number, 90, 200)) for number in range(count)]


def animated(image_format: str) -> bytes:
    first, *others = frames()
    return encoded(first, image_format, save_all=True, append_images=others, duration=100)


def many_scans(count: int, size: tuple[int, int] = (64, 64)) -> bytes:
    """A progressive JPEG whose last scan is repeated; of one colour, so that each scan is a few bytes."""
    data = encoded(Image.new("RGB", size, (90, 120, 150)), "JPEG", progressive=True)
    start = [match.start() for match in re.finditer(b"\xff\xda", data)][-1]
    return data[:start] + data[start:-2] * count + data[-2:]


def with_jpeg_size(data: bytes, width: int, height: int) -> bytes:
    place = re.search(rb"\xff[\xc0-\xc2]\x00\x11", data).start()
    return data[: place + 5] + struct.pack(">HH", height, width) + data[place + 9 :]


def png_chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(size: tuple[int, int], bit_depth: int, colour_type: int, rows: bytes, *extra: bytes) -> bytes:
    """A PNG from raw rows (each with its filter byte), for what Pillow does not write."""
    header = struct.pack(">IIBBBBB", *size, bit_depth, colour_type, 0, 0, 0)
    chunks = [png_chunk(b"IHDR", header), *extra, png_chunk(b"IDAT", zlib.compress(rows, 1)), png_chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def png_of_16_bits(size: tuple[int, int], colour: tuple[int, ...], *extra: bytes) -> bytes:
    colour_type = {1: 0, 2: 4, 3: 2, 4: 6}[len(colour)]
    row = b"\0" + struct.pack(f">{len(colour)}H", *colour) * size[0]
    return png(size, 16, colour_type, row * size[1], *extra)


# Display P3 as phones describe it, with a plain gamma of 2.2: a colour profile that changes what one sees.

P3_TO_XYZ = np.array([[0.51512, 0.29198, 0.15710], [0.24120, 0.69225, 0.06657], [-0.00105, 0.04189, 0.78407]])
SRGB_TO_XYZ = np.array([[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]])
P3_GAMMA = 563 / 256


def p3_profile(called: bytes = b"planted P3") -> bytes:
    def fixed(*values: float) -> bytes:
        return b"".join(struct.pack(">i", round(value * 65536)) for value in values)

    def xyz(*values: float) -> bytes:
        return b"XYZ \0\0\0\0" + fixed(*values)

    name = called + b"\0"
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(P3_GAMMA * 256)) + b"\0\0"
    description = b"desc\0\0\0\0" + struct.pack(">I", len(name)) + name + bytes(78)
    contents = {
        b"desc": description + bytes(-len(description) % 4),
        b"cprt": b"text\0\0\0\0none\0\0\0\0",
        b"wtpt": xyz(0.9642, 1, 0.8249),
        **{tag: xyz(*P3_TO_XYZ[:, at]) for at, tag in enumerate((b"rXYZ", b"gXYZ", b"bXYZ"))},
        **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve),
    }
    table, body = struct.pack(">I", len(contents)), b""
    start = 128 + 4 + 12 * len(contents)
    for tag, content in contents.items():
        table += tag + struct.pack(">II", start + len(body), len(content))
        body += content
    header = struct.pack(">I4sI4s4s4s", start + len(body), bytes(4), 0x02400000, b"mntr", b"RGB ", b"XYZ ")
    header += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(24) + bytes(4) + fixed(0.9642, 1, 0.8249)
    return header.ljust(128, b"\0") + table + body


def p3_as_srgb(colour: tuple[int, int, int]) -> np.ndarray:
    """What a P3 colour is in sRGB, worked out without a colour library."""
    linear = np.linalg.inv(SRGB_TO_XYZ) @ P3_TO_XYZ @ ((np.array(colour) / 255) ** P3_GAMMA)
    linear = np.clip(linear, 0, 1)
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def box(name: bytes, *contents: bytes) -> bytes:
    content = b"".join(contents)
    return struct.pack(">I4s", 8 + len(content), name) + content


def heic(size: tuple[int, int] = (320, 240), **options) -> bytes:
    return encoded(person(size), "HEIF", quality=60, **options)


def heic_header(size: tuple[int, int], brand: bytes = b"heic") -> bytes:
    """A HEIC with boxes but no picture."""
    ispe = box(b"ispe", bytes(4), struct.pack(">II", *size))
    meta = box(b"meta", bytes(4), box(b"iprp", box(b"ipco", ispe)))
    return box(b"ftyp", brand, bytes(4), b"mif1", brand) + meta + box(b"mdat", bytes(64))


# One ordinary photo in each form that phones and programs send, made when it is asked for.
ORDINARY: dict[str, Callable[[], bytes]] = {
    "jpeg": lambda: jpeg(),
    "jpeg, progressive": lambda: jpeg(progressive=True),
    "jpeg, grayscale": lambda: encoded(person((320, 240)).convert("L"), "JPEG"),
    "jpeg, with a second picture": lambda: encoded(frames(1)[0], "MPO", save_all=True, append_images=frames(2)[1:]),
    "jpeg, with a trailer": lambda: jpeg() + b"\0" * 100 + b"\xff\xda" * 100,
    "jpeg, restart markers": lambda: jpeg(restart_marker_blocks=2),
    "png": lambda: encoded(person((320, 240)), "PNG"),
    "png, palette": lambda: encoded(person((320, 240)).convert("P"), "PNG"),
    "webp": lambda: encoded(person((320, 240)), "WEBP"),
    "webp, lossless": lambda: encoded(person((120, 100)), "WEBP", lossless=True),
    "webp, alpha": lambda: encoded(person((320, 240)).convert("RGBA"), "WEBP", exif=b"Exif\0\0" + bytes(20)),
    "heic": lambda: heic(),
}


@cache
def ordinary() -> dict[str, bytes]:
    """Return all of `ORDINARY`."""
    return {name: make() for name, make in ORDINARY.items()}
