"""A form that is read in one pass is the one that Django reads, and every other one is left to Django."""

from __future__ import annotations

import random
from typing import Any

import pytest
from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest
from django.http.multipartparser import MultiPartParserError
from django.test import RequestFactory

from jobs.intake import forms

MARK = "xXformXx"


def request_of(body: bytes, kind: str = f"multipart/form-data; boundary={MARK}") -> HttpRequest:
    return RequestFactory().generic("POST", "/", body, content_type=kind)


def part(head: str, content: bytes) -> bytes:
    return head.encode("utf-8", "surrogateescape") + b"\r\n\r\n" + content


def body_of(*parts: bytes, mark: str = MARK) -> bytes:
    each = b"".join(b"--" + mark.encode() + b"\r\n" + one + b"\r\n" for one in parts)
    return each + b"--" + mark.encode() + b"--\r\n"


def read(form: forms.Form) -> Any:
    fields, files = form
    assert not fields._mutable
    return dict(fields.lists()), {
        name: [(each.name, each.content_type, each.size, each.charset, each.read()) for each in some]
        for name, some in files.lists()
    }


def of_django(body: bytes, **kind: str) -> Any:
    request = request_of(body, **kind)
    try:
        return read((request.POST, request.FILES))
    except (MultiPartParserError, SuspiciousOperation) as error:
        return type(error)
    finally:
        request.close()


def of_ours(body: bytes, **kind: str) -> Any:
    request = request_of(body, **kind)
    try:
        return read(forms.read(request))
    except (MultiPartParserError, SuspiciousOperation) as error:
        return type(error)
    finally:
        request.close()


LOOK = part('Content-Disposition: form-data; name="look"', b"neon-noir")
PHOTO = part(
    'Content-Disposition: form-data; name="selfie"; filename="me.jpg"\r\nContent-Type: image/JPEG',
    b"\xff\xd8\r\n--\r\n\0",
)
USUAL = {
    "a field and a photo": body_of(LOOK, PHOTO),
    "no last line end": body_of(LOOK, PHOTO).removesuffix(b"\r\n"),
    "a name without a type": body_of(part('content-disposition: form-data; name="selfie"; filename="a"', b"x")),
    "an empty photo": body_of(part('Content-Disposition: form-data; name="selfie"; filename="a.jpg"', b"")),
    "a field twice, and empty": body_of(LOOK, LOOK, part('Content-Disposition: form-data; name="hero_name"', b"")),
    "letters of any script, and others": body_of(
        part('Content-Disposition: form-data; name="hero_name"', "ZOË ノイズ".encode() + b"\xff\r\n")
    ),
}
OTHERS = {
    "rubbish": b"--x\r\nrubbish",
    "nothing": b"",
    "only the end": f"--{MARK}--\r\n".encode(),
    "text before it": b"preamble\r\n" + body_of(LOOK),
    "text behind it": body_of(LOOK) + b"more",
    "no end": body_of(LOOK).removesuffix(f"--{MARK}--\r\n".encode()),
    "bare line ends": body_of(LOOK, PHOTO).replace(b"\r\n", b"\n"),
    "the mark within a photo": body_of(
        part('Content-Disposition: form-data; name="a"; filename="a"', f"1--{MARK}2".encode())
    ),
    "a name in Latin-1": body_of(part('Content-Disposition: form-data; name="selfie"; filename="zo\udceb.jpg"', b"x")),
    "a name with an encoding": body_of(
        part("Content-Disposition: form-data; name=\"selfie\"; filename*=utf-8''a.jpg", b"x")
    ),
    "a name that is a path": body_of(part('Content-Disposition: form-data; name="a"; filename="../a.jpg"', b"x")),
    "a name that is dots": body_of(part('Content-Disposition: form-data; name="a"; filename=".."', b"x")),
    "no name of a file": body_of(part('Content-Disposition: form-data; name="a"; filename=""', b"x")),
    "no file chosen": body_of(part('Content-Disposition: form-data; name="a"; filename=""', b""), LOOK),
    "a name that is not seen": body_of(part('Content-Disposition: form-data; name="a"; filename="\x7f"', b"x")),
    "a long head": body_of(part(f'Content-Disposition: form-data; name="a"; filename="{"x" * 2000}"', b"x"), LOOK),
    "a head that is too long": body_of(part(f'Content-Disposition: form-data; name="a"; x="{"x" * 20000}"', b"x")),
    "a name in two lines": body_of(part('Content-Disposition: form-data;\r\n name="a";\r\n\tfilename="b"', b"x")),
    "base64": body_of(
        part('Content-Disposition: form-data; name="a"\r\nContent-Transfer-Encoding: base64', b"bmVvbg==")
    ),
    "a charset": body_of(part('Content-Disposition: form-data; name="a"\r\nContent-Type: text/plain; charset=x', b"x")),
    "no head": body_of(b"\r\n\r\nx", LOOK),
    "another head": body_of(part('Content-Disposition: attachment; name="a"', b"x"), LOOK),
    "three photos": body_of(*[PHOTO] * 3),
    "too long a field": body_of(part('Content-Disposition: form-data; name="a"', b"x" * 300_000)),
    "too many fields": body_of(*[LOOK] * 1001),
}  # fmt: skip


@pytest.mark.parametrize("case", USUAL)
def test_a_usual_form_is_read_in_one_pass_as_django_reads_it(case: str) -> None:
    form = forms._usual(request_of(USUAL[case]))
    assert form is not None
    assert read(form) == of_django(USUAL[case])


@pytest.mark.parametrize("case", OTHERS)
def test_every_other_form_is_left_to_django(case: str) -> None:
    assert forms._usual(request_of(OTHERS[case])) is None
    assert of_ours(OTHERS[case]) == of_django(OTHERS[case])


@pytest.mark.parametrize(
    "kind",
    ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=x x; charset=latin-1"],
)
def test_a_form_with_an_odd_boundary_is_left_to_django(kind: str) -> None:
    assert forms._usual(request_of(body_of(LOOK), kind)) is None
    assert of_ours(body_of(LOOK), kind=kind) == of_django(body_of(LOOK), kind=kind)


def test_a_photo_that_is_kept_on_disk_is_left_to_django(settings: Any) -> None:
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 100
    assert forms._usual(request_of(body_of(PHOTO, LOOK))) is None
    assert of_ours(body_of(PHOTO, LOOK)) == of_django(body_of(PHOTO, LOOK))


def test_forms_with_a_byte_more_or_less_are_read_as_by_django() -> None:
    chance = random.Random(7)
    usual = body_of(LOOK, PHOTO, part('Content-Disposition: form-data; name="consent"', b"true"))
    for _ in range(400):
        body = bytearray(usual)
        for _ in range(chance.randint(1, 3)):
            at = chance.randrange(len(body))
            match chance.randrange(3):
                case 0:
                    del body[at]
                case 1:
                    body.insert(at, chance.choice(b'\r\n-";: x\0'))
                case _:
                    body[at] = chance.choice(b'\r\n-";: x\0')
        assert of_ours(bytes(body)) == of_django(bytes(body)), bytes(body)
