"""The digital source type as XMP, in a JPEG or an MP4. Written before the file is signed, so that it is signed too."""

from __future__ import annotations

import re
import struct
from typing import IO

_JPEG_HEAD = b"http://ns.adobe.com/xap/1.0/\0"
# ISO 16684-3: where XMP lies in files of MP4's family.
_MP4_BOX = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
_APP0, _SOI = b"\xff\xe0", b"\xff\xd8"


def packet(source: str) -> bytes:
    """Return the XMP packet that names a digital source type."""
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
        f'Iptc4xmpExt:DigitalSourceType="{source}"/></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    ).encode()


def into_jpeg(data: bytes, source: str) -> bytes:
    """Return a JPEG with the packet, behind its JFIF segment if there is one. ValueError for what is no JPEG."""
    if not data.startswith(_SOI):
        raise ValueError("not a JPEG")
    body = _JPEG_HEAD + packet(source)
    segment = b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body
    at = 2
    if data[2:4] == _APP0:
        at = 4 + struct.unpack_from(">H", data, 4)[0]
    return data[:at] + segment + data[at:]


def into_film(film: IO[bytes], source: str) -> None:
    """Add the packet to the end of an MP4 that is open for writing; no offset in it changes."""
    body = _MP4_BOX + packet(source)
    film.seek(0, 2)
    film.write(struct.pack(">I4s", len(body) + 8, b"uuid") + body)


def source_in(data: bytes) -> str:
    """Return the digital source type that a file names in plain XMP, '' without one. Anybody can write one."""
    found = re.search(rb'DigitalSourceType="(http[^"<>]{1,200})"', data)
    return found[1].decode("ascii", "replace") if found else ""
