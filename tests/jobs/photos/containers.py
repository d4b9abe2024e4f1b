"""Photos whose files are put together oddly, as phones and programs do: every one shows the same person, upright.

Each is a small copy of what was seen in a public bug report; `docs/cases.md` lists them by kind.
"""

import struct
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageCms

from tests.jobs.photos import phones, pictures
from tests.jobs.photos.pictures import box, encoded, png_chunk

TAG = 0x0112
MOTION = box(b"ftyp", b"mp42", bytes(4), b"isommp42") + box(b"moov", bytes(60)) + box(b"mdat", b"\xff\xd8\xff" * 400)
# What undoes each orientation: pixels stored like this are shown upright.
STORED = {2: Image.Transpose.FLIP_LEFT_RIGHT, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE}


def exif(orientation: int | str) -> bytes:
    if isinstance(orientation, str):
        entry = struct.pack("<HHI4s", TAG, 2, 2, orientation.encode().ljust(4, b"\0"))
    else:
        entry = struct.pack("<HHIHH", TAG, 3, 1, orientation, 0)
    return b"Exif\0\0II*\0" + struct.pack("<IH", 8, 1) + entry + bytes(4)


def xmp(orientation: int) -> bytes:
    return (
        b'http://ns.adobe.com/xap/1.0/\0<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/'
        b'02/22-rdf-syntax-ns#"><rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="%d"/>'
        b"</rdf:RDF></x:xmpmeta>" % orientation
    )


def segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def with_segments(jpeg: bytes, *segments: bytes) -> bytes:
    return jpeg[:2] + b"".join(segments) + jpeg[2:]


def without_segments(jpeg: bytes, *markers: int) -> bytes:
    place, kept = 2, [jpeg[:2]]
    while jpeg[place + 1] != 0xDA:
        end = place + 2 + struct.unpack_from(">H", jpeg, place + 2)[0]
        if jpeg[place + 1] not in markers:
            kept.append(jpeg[place:end])
        place = end
    return b"".join(kept) + jpeg[place:]


# --- HEIC ------------------------------------------------------------------------------------------------------------


def heic(image: Image.Image, **options) -> bytes:
    return encoded(image, "HEIF", quality=90, **options)


def exif_beside_upright_pixels(orientation: int) -> bytes:
    """EXIF speaks of a turn that the file's own properties do not have: HEIC's rule is not to turn."""
    data = bytearray(heic(phones.control(), exif=exif(1)))
    place = data.index(exif(1)[6:]) + 18
    struct.pack_into("<H", data, place, orientation)
    return bytes(data)


def meta_behind_the_pixels(data: bytes) -> bytes:
    """The same file with its boxes in Samsung's order; places in the file move by the length of `meta`."""
    boxes = boxes_in(data)
    meta = bytearray(boxes[b"meta"])
    iloc = meta.index(b"iloc") + 4
    count = struct.unpack_from(">H", meta, iloc + 6)[0]
    for item in range(count):  # id, reference, base offset, one extent of an offset and a length
        place = iloc + 8 + item * 18 + 4
        struct.pack_into(">I", meta, place, struct.unpack_from(">I", meta, place)[0] - len(meta))
    return boxes[b"ftyp"] + boxes[b"mdat"] + bytes(meta)


def boxes_in(data: bytes, start: int = 0) -> dict[bytes, bytes]:
    """The first box of each name, with its head."""
    found: dict[bytes, bytes] = {}
    while start < len(data):
        length, name = struct.unpack_from(">I4s", data, start)
        found.setdefault(name, data[start : start + length])
        start += length
    return found


def grid(tile: Image.Image, columns: int, rows: int) -> bytes:
    """A HEIC as phones write large photos, a grid of tiles; here all are the same one, which is quick to make."""
    top = boxes_in(heic(tile))
    meta = boxes_in(top[b"meta"], 12)
    said = boxes_in(boxes_in(meta[b"iprp"], 8)[b"ipco"], 8)
    pixels, count = top[b"mdat"][8:], columns * rows
    size = columns * tile.width, rows * tile.height
    whole = struct.pack(">BBBBHH", 0, 0, rows - 1, columns - 1, *size)
    ipco = box(b"ipco", *(said[name] for name in (b"hvcC", b"colr", b"ispe", b"pixi")))
    ipco = box(b"ipco", ipco[8:], box(b"ispe", bytes(4), struct.pack(">II", *size)))
    tiles = range(2, count + 2)
    of_tiles = [struct.pack(">HB4B", number, 4, 0x81, 2, 3, 4) for number in tiles]
    ipma = box(b"ipma", struct.pack(">IIHB3B", 0, count + 1, 1, 3, 5, 4, 2), *of_tiles)

    def item(number: int, kind: bytes, is_hidden: bool) -> bytes:
        return box(b"infe", struct.pack(">BBBBHH4sB", 2, 0, 0, is_hidden, number, 0, kind, 0))

    kinds = [item(1, b"grid", False), *(item(number, b"hvc1", True) for number in tiles)]
    parts = [
        box(b"hdlr", bytes(8), b"pict", bytes(13)),
        box(b"pitm", struct.pack(">IH", 0, 1)),
        box(b"iinf", struct.pack(">IH", 0, count + 1), *kinds),
        box(
            b"iref", bytes(4), box(b"dimg", struct.pack(">HH", 1, count), *(struct.pack(">H", each) for each in tiles))
        ),
        box(b"iprp", ipco, ipma),
    ]

    def meta_for(start: int) -> bytes:
        places = [(1, start, len(whole)), *((number, start + len(whole), len(pixels)) for number in tiles)]
        entries = b"".join(struct.pack(">HHHII", number, 0, 1, place, length) for number, place, length in places)
        return box(b"meta", bytes(4), *parts, box(b"iloc", struct.pack(">IBBH", 0, 0x44, 0, count + 1), entries))

    start = len(top[b"ftyp"]) + len(meta_for(0)) + 8
    return top[b"ftyp"] + meta_for(start) + box(b"mdat", whole, pixels)


def with_brands(major: bytes, *compatible: bytes) -> bytes:
    """The HEIC as if it was written for others; three compatible brands keep every byte in its place."""
    assert len(compatible) == 3 and phones.heic()[:4] == bytes([0, 0, 0, 28])
    return phones.heic()[:8] + major + bytes(4) + b"".join(compatible) + phones.heic()[28:]


def with_codes(*codes: int) -> bytes:
    """The HEIC with other numbers for its primaries, transfer and matrix."""
    data = bytearray(phones.heic())
    struct.pack_into(">3H", data, data.index(b"nclx") + 4, *codes)
    return bytes(data)


def all_in_the_index() -> bytes:
    """The pixels within `meta`, in its box `idat`, and no box of pixels: small pictures may be kept so."""
    top = boxes_in(phones.heic())
    meta, pixels = boxes_in(top[b"meta"], 12), top[b"mdat"][8:]
    meta[b"iloc"] = box(b"iloc", struct.pack(">IBBHHHHHII", 1 << 24, 0x44, 0, 1, 1, 1, 0, 1, 0, len(pixels)))
    return top[b"ftyp"] + box(b"meta", bytes(4), *meta.values(), box(b"idat", pixels))


def ten_bits() -> bytes:
    numbers = phones.as_numbers(phones.control(), "BT.709", phones.SRGB)
    return phones.heic_of(numbers, "BT.709", phones.SRGB)


# --- JPEG ------------------------------------------------------------------------------------------------------------


def cmyk(*, has_adobe_marker: bool) -> bytes:
    """Ink as Photoshop writes it, inverted. Without Adobe's marker nothing says so, and every reader takes it so."""
    data = encoded(phones.control().convert("CMYK"), "JPEG", quality=95)
    return data if has_adobe_marker else without_segments(data, 0xEE)


def gray_profile() -> bytes:
    """A profile of a gray picture with sRGB's brightness, in which ordinary cameras tell it."""
    values = np.arange(1024) / 1023
    curve = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    trc = b"curv\0\0\0\0" + struct.pack(">I", 1024) + np.round(curve * 65535).astype(">u2").tobytes()

    def xyz(*numbers: float) -> bytes:
        return b"XYZ \0\0\0\0" + b"".join(struct.pack(">i", round(number * 65536)) for number in numbers)

    name = b"gray\0"
    text = b"desc\0\0\0\0" + struct.pack(">I", len(name)) + name + bytes(78)
    contents = {b"desc": text + bytes(-len(text) % 4), b"wtpt": xyz(0.9642, 1, 0.8249), b"kTRC": trc}
    start, table, body = 128 + 4 + 12 * len(contents), struct.pack(">I", len(contents)), b""
    for tag, content in contents.items():
        table += tag + struct.pack(">II", start + len(body), len(content))
        body += content
    head = struct.pack(">I4sI4s4s4s", start + len(body), bytes(4), 0x02400000, b"mntr", b"GRAY", b"XYZ ")
    head += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + xyz(0.9642, 1, 0.8249)[8:]
    return head.ljust(128, b"\0") + table + body


def gray(profile: bytes) -> bytes:
    return encoded(phones.control().convert("L"), "JPEG", quality=95, icc_profile=profile)


def mpo(*, entries: int = 2) -> bytes:
    """Two pictures in one file, or a file whose index says that there are so many."""
    second = phones.control().resize((100, 100)).rotate(180)
    data = encoded(phones.control(), "MPO", quality=95, save_all=True, append_images=[second])
    order = ">" if b"MPF\0MM" in data else "<"
    place = data.index(struct.pack(order + "HHI", 0xB001, 4, 1)) + 8
    return data[:place] + struct.pack(order + "I", entries) + data[place + 4 :]


def ultra_hdr() -> bytes:
    """An ordinary photo with a gain map behind it, which is no picture of anybody."""
    gain = encoded(Image.new("L", (100, 100), 90), "JPEG")
    words = b'http://ns.adobe.com/xap/1.0/\0<x:xmpmeta xmlns:x="adobe:ns:meta/" hdrgm:Version="1.0"/>'
    return with_segments(encoded(phones.control(), "JPEG", quality=95), segment(0xE1, words)) + gain


def plain() -> bytes:
    return encoded(phones.control(), "JPEG", quality=95)


def told(orientation: int | str) -> bytes:
    return with_segments(plain(), segment(0xE1, exif(orientation)))


def webp() -> bytes:
    return encoded(phones.control(), "WEBP", quality=92)


def riff(*chunks: bytes, length: int | None = None) -> bytes:
    """A WebP of these chunks, and of a length that may be wrong."""
    content = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(content) if length is None else length) + content


def chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)


def canvas(flags: int) -> bytes:
    return chunk(b"VP8X", bytes([flags, 0, 0, 0]) + b"".join((edge - 1).to_bytes(3, "little") for edge in phones.SIZE))


def frame() -> bytes:
    """The picture as one frame of an animation."""
    edges = b"".join((edge - 1).to_bytes(3, "little") for edge in phones.SIZE)
    return chunk(b"ANMF", bytes(6) + edges + bytes(4) + webp()[12:])


def turned(orientation: int) -> bytes:
    return heic(phones.control().transpose(STORED[orientation]), exif=exif(orientation))


# Each is made when it is asked for.
CONTAINERS: dict[str, Callable[[], bytes]] = {
    "HEIC, a film in a box behind it": lambda: phones.heic() + box(b"mpvd", MOTION) + box(b"sefd", bytes(56)),
    "HEIC, index behind the pixels": lambda: meta_behind_the_pixels(phones.heic()),
    "HEIC, index behind the pixels and XMP behind that": lambda: meta_behind_the_pixels(phones.heic()) + phones.XMP,
    "HEIC, 10 bits": ten_bits,
    "HEIC, mif2": lambda: with_brands(b"mif2", b"mif2", b"miaf", b"heic"),
    "HEIC, mif3": lambda: with_brands(b"mif3", b"mif3", b"mif3", b"mif3"),
    "HEIC, miaf": lambda: with_brands(b"miaf", b"mif1", b"heic", b"miaf"),
    "HEIC, MiHB": lambda: with_brands(b"MiHB", b"mif1", b"miaf", b"MiHB"),
    "HEIC, a gain map's brand": lambda: with_brands(b"tmap", b"tmap", b"mif1", b"heic"),
    "HEIC, brands that nobody knows": lambda: with_brands(b"abcd", b"efgh", b"isom", b"mp42"),
    "HEIC, brands of AVIF": lambda: with_brands(b"avif", b"avif", b"mif1", b"miaf"),
    "HEIC, a film's brands, and a still photo": lambda: with_brands(b"msf1", b"msf1", b"hevc", b"mif1"),
    "HEIC, hevx, and a still photo": lambda: with_brands(b"hevx", b"heic", b"mif1", b"miaf"),
    "HEIC, colours 0, 0 and 0": lambda: with_codes(0, 0, 0),
    "HEIC, colours 0 and 0 by a matrix": lambda: with_codes(0, 0, 6),
    "HEIC, colours 3, 3 and 3": lambda: with_codes(3, 3, 3),
    "HEIC, colours 255, 255 and 255": lambda: with_codes(255, 255, 255),
    "HEIC, RGB of which half the colours are missing": lambda: with_codes(2, 2, 0),
    "HEIC, pixels in its index": all_in_the_index,
    "HEIC, turned by irot, and EXIF says 6": lambda: turned(6),
    "HEIC, mirrored by imir, and EXIF says 2": lambda: turned(2),
    "HEIC, turned and mirrored, and EXIF says 7": lambda: turned(7),
    "HEIC, upright, and EXIF says 6": lambda: exif_beside_upright_pixels(6),
    "HEIC, upright, and EXIF says 2": lambda: exif_beside_upright_pixels(2),
    "HEIC, upright, and EXIF says 9": lambda: exif_beside_upright_pixels(9),
    "JPEG, EXIF says 1 and XMP 2": lambda: with_segments(told(1), segment(0xE1, xmp(2))),
    "JPEG, EXIF says 1 and XMP 6": lambda: with_segments(told(1), segment(0xE1, xmp(6))),
    "JPEG, XMP before EXIF": lambda: with_segments(plain(), segment(0xE1, xmp(6)), segment(0xE1, exif(1))),
    "JPEG, XMP says 2 and there is no EXIF": lambda: with_segments(plain(), segment(0xE1, xmp(2))),
    "JPEG, orientation 0": lambda: told(0),
    "JPEG, orientation 9": lambda: told(9),
    "JPEG, orientation 65535": lambda: told(65535),
    "JPEG, orientation in letters": lambda: told("6"),
    "JPEG, three zeros behind its end": lambda: plain() + bytes(3),
    "JPEG, a film behind its end": lambda: plain() + MOTION,
    "JPEG, Samsung's film behind its end": lambda: plain() + b"\0\0\x30\x0a" + MOTION + b"SEFH" + bytes(20) + b"SEFT",
    "JPEG, a broken picture behind its end": lambda: plain() + plain()[:700],
    "MPO": mpo,
    "MPO without entries": lambda: mpo(entries=0),
    "MPO with more entries than bytes": lambda: mpo(entries=200_000),
    "JPEG, Ultra HDR": ultra_hdr,
    "JPEG, inverted CMYK": lambda: cmyk(has_adobe_marker=True),
    "JPEG, inverted CMYK without Adobe's marker": lambda: cmyk(has_adobe_marker=False),
    "PNG, an unknown chunk": lambda: phones.with_chunk(png_chunk(b"vpAg", bytes(9))),
    "PNG, an unknown chunk with a wrong checksum": lambda: phones.with_chunk(phones.broken(png_chunk(b"teSt", b"x"))),
    "PNG, bytes behind its end": lambda: phones.png() + b"more" * 500,
    "PNG, transparency of a wrong length": lambda: phones.with_chunk(png_chunk(b"tRNS", bytes(5))),
    "PNG, transparency of a palette that it has not": lambda: phones.with_chunk(png_chunk(b"tRNS", bytes(256))),
    "PNG, an animation of one picture": lambda: phones.with_chunk(png_chunk(b"acTL", struct.pack(">II", 1, 0))),
    "PNG, an animation with a wrong checksum": lambda: phones.with_chunk(
        phones.broken(png_chunk(b"acTL", struct.pack(">II", 3, 0)))
    ),
    "PNG, an animation behind its pixels": lambda: phones.with_pixels(
        phones.pixels(), behind=png_chunk(b"acTL", struct.pack(">II", 3, 0))
    ),
    "PNG, a profile that does not inflate": lambda: phones.with_chunk(png_chunk(b"iCCP", b"p\0\0" + b"\xff" * 40)),
    "JPEG, a profile of which a part is missing": lambda: with_segments(
        plain(), segment(0xE2, b"ICC_PROFILE\0\1\3" + srgb_profile()[:300])
    ),
    "JPEG, EXIF that goes round in a ring": lambda: with_segments(
        plain(), segment(0xE1, exif(1)[:-4] + struct.pack("<I", 8))
    ),
    "WebP, a length that is two too long": lambda: riff(webp()[12:], length=len(webp()) - 6),
    "WebP, a length that is one too short": lambda: riff(webp()[12:], length=len(webp()) - 9),
    "WebP, a length of zero": lambda: riff(webp()[12:], length=0),
    "WebP, a length without end": lambda: riff(webp()[12:], length=2**32 - 1),
    "WebP, EXIF that is cut off": lambda: riff(canvas(8), webp()[12:], chunk(b"EXIF", exif(6)[6:])[:-9]),
    "WebP, a text without the byte that makes it even": lambda: riff(webp()[12:], b"abcd\3\0\0\0xyz"),
    "WebP, an animation of one picture": lambda: riff(canvas(2), chunk(b"ANIM", bytes(6)), frame()),
    "WebP, an animation that is none": lambda: riff(canvas(2), webp()[12:]),
    "WebP, a megabyte of zeros behind its end": lambda: webp() + bytes(2**20),
    "WebP, bytes behind its end": lambda: webp() + b"more" * 500,
    "WebP, one zero behind its end": lambda: webp() + b"\0",
}


def srgb_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


# Gray photos, whose profile is of another kind or of their own.
GRAYS: dict[str, Callable[[], bytes]] = {
    "JPEG, gray with a profile of colours": lambda: gray(srgb_profile()),
    "JPEG, gray with the profile of a phone's colours": lambda: gray(pictures.p3_profile()),
    "JPEG, gray with a gray profile": lambda: gray(gray_profile()),
    "PNG, gray with a profile of colours": lambda: encoded(
        phones.control().convert("L"), "PNG", icc_profile=srgb_profile()
    ),
}
