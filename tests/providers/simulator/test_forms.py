"""The simulator takes an upload however its form is written, as the vendors do."""

from types import SimpleNamespace

import pytest

from providers.simulator.uploads import read_form, safe_name

NAMES = {
    "Latin-1": 'filename="Gr\xfc\xdfe.jpg"'.encode("latin-1"),
    "Shift JIS": 'filename="自撮り.jpg"'.encode("shift_jis"),
    "UTF-8": 'filename="自撮り.jpg"'.encode(),
    "encoded": b"filename*=UTF-8''%ff%fe.jpg",
    "unknown encoding": b"filename*=KOI9''%e9.jpg",
    "a path": b'filename="C:\\\\fakepath\\\\me.jpg"',
    "a folder of Windows": b'filename="C:\\a\\"',
    "control characters": b'filename="\x01\x7f"',
    "2,000 bytes": b'filename="' + b"x" * 2000 + b'"',
    "dots": b'filename=".."',
    "a quote": b'filename="a\\"b.jpg"',
    "empty": b"filename=",
    "none": b"",
}


@pytest.mark.parametrize("kind", ['multipart/form-data; boundary="b"', "Multipart/Form-Data;boundary=b; charset=utf-8"])
@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_read_whatever_it_is_called(name: str, kind: str) -> None:
    head = b'Content-Disposition: form-data; name="content"; ' + NAMES[name] + b"\r\nContent-Type: image/jpeg"
    body = b"--b\r\n" + head + b"\r\n\r\n\xff\xd8 photo\r\n--b--\r\n"
    upload = read_form(SimpleNamespace(headers={"content-type": kind}, body=body))["content"]  # type: ignore[arg-type]
    assert (upload.content, upload.content_type) == (b"\xff\xd8 photo", "image/jpeg")
    assert safe_name(upload.name).isascii()


@pytest.mark.parametrize("kind", ["", "multipart/form-data", "multipart/form-data; boundary*=KOI9''%e9", "image/jpeg"])
def test_what_is_no_form_has_no_fields(kind: str) -> None:
    assert read_form(SimpleNamespace(headers={"content-type": kind}, body=b"--b\r\n")) == {}  # type: ignore[arg-type]
