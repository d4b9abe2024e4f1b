"""A photo is taken whatever its part of the form says in its header."""

import pytest

from jobs import storage
from jobs.models import Job
from tests import factories
from tests.jobs.orders import URL, is_problem

pytestmark = pytest.mark.django_db


def multipart(*parts):
    """Return a form of parts, each the lines of its header and its content."""
    return b"".join(b"--b\r\n" + head + b"\r\n\r\n" + content + b"\r\n" for head, content in parts) + b"--b--\r\n"


def field(name, value):
    return b'Content-Disposition: form-data; name="%s"' % name, value


FILE_NAMES = {
    "Latin-1": 'filename="Gr\xfc\xdfe aus K\xf6ln.jpg"'.encode("latin-1"),
    "Shift JIS": 'filename="\u81ea\u64ae\u308a.jpg"'.encode("shift_jis"),
    "UTF-8": 'filename="Zo\u00eb.jpg"'.encode(),
    "no encoding, long": b"filename=\xff\xfe\x80" + b"\xe9" * 700,
    "encoded": b"filename*=UTF-8''%ff%fe.jpg",
    "encoded in pieces": b"filename*0*=UTF-8''%ff; filename*1=.jpg",
    "unknown encoding": b"filename*=KOI9''%e9.jpg; filename=me.jpg",
    "a path": b'filename="C:\\fakepath\\me.jpg"',
    "a dot": b'filename="."',
    "two dots, bare": b"filename=..",
    "a root": b'filename="/"',
    "a folder": b'filename="photos/"',
    "a folder of Windows": b'filename="C:\\a\\"',
    "a folder of Windows before another word": b'filename="C:\\a\\"; size=3',
    "nothing": b'filename=""',
    "nothing, bare": b"filename=",
    "a delete": b'filename="\x7f"',
    "control characters": b'filename="\x00\x01\x1b\t"',
    "a line end": b'filename="a\nb\r.jpg"',
    "a space that breaks no line": b'filename="\xc2\xa0"',
    "a mark of direction": 'filename="\u202e"'.encode(),
    "a dot as HTML writes it": b'filename="&period;"',
    "dots as HTML writes them twice": b'filename="&amp;period;&#46;"',
    "quotes as they are": b'filename="my "best" one; 2.jpg"',
    "a quote without end": b'filename="me.jpg',
    "2,000 bytes": b'filename="' + b"long " * 400 + b'.jpg"',
    "300 letters of three bytes": 'filename="{}.jpg"'.format("\u81ea" * 300).encode(),
    "15,000 bytes": b'filename="' + b"x" * 15_000 + b'"',
    "many other words": b"".join(b"word%d=%d; " % (n, n) for n in range(400)) + b"filename=me.jpg",
    "in a line of its own": b'\r\n\tfilename="me.jpg"',
    "another header line, long": b'filename="me.jpg"\r\nX-Trace: ' + b"x" * 3000,
}


@pytest.mark.parametrize("size", [0, 200_000], ids=["small", "longer than a piece of Django's"])
@pytest.mark.parametrize("name", FILE_NAMES)
def test_whatever_the_file_is_called_its_photo_is_taken(name, size, api):
    photo = factories.tiny_photo() + b"--" * (size // 2)
    head = b'Content-Disposition: form-data; name="selfie"; ' + FILE_NAMES[name] + b"\r\nContent-Type: image/jpeg"
    body = multipart(
        (head, photo),
        field(b"look", b"neon-noir"),
        field(b"consent", b"true"),
        field(b"hero_name", "Zoë".encode()),
    )
    answer = api.generic("POST", URL, body, content_type="multipart/form-data; boundary=b")
    assert answer.status_code == 202, answer.content
    assert answer.json()["hero_name"] == "Zoë"
    assert storage.read(Job.objects.get().raw_key) == photo


@pytest.mark.parametrize("size", [20_000, 200_000])
def test_a_header_without_end_is_refused_by_its_name(size, api):
    head = b'Content-Disposition: form-data; name="selfie"; filename="' + b"x" * size + b'"'
    body = multipart((head, factories.tiny_photo()), field(b"look", b"neon-noir"), field(b"consent", b"true"))
    answer = api.generic("POST", URL, body, content_type="multipart/form-data; boundary=b")
    is_problem(answer, 413, "part_head_too_long")
    assert "16384" in answer.json()["detail"]
    assert not Job.objects.exists()


@pytest.mark.parametrize(
    "head",
    [
        b"X-Nothing: said of it",
        b'Content-Disposition: form-data; filename="other.jpg"',
        b"Content-Disposition: form-data",
        b"Content-Disposition",
    ],
)
def test_what_belongs_to_no_field_costs_nobody_the_photo_behind_it(head, api):
    body = multipart(
        (head, b"\r\n--" * 50_000),
        (b'Content-Disposition: form-data; name="selfie"; filename="a.jpg"', factories.tiny_photo()),
        field(b"look", b"neon-noir"),
        field(b"consent", b"true"),
    )
    answer = api.generic("POST", URL, body, content_type="multipart/form-data; boundary=b")
    assert answer.status_code == 202, answer.content


def test_a_form_in_which_no_file_was_chosen_has_no_photo(api):
    chosen = b'Content-Disposition: form-data; name="selfie"; filename=""\r\nContent-Type: application/octet-stream'
    body = multipart((chosen, b""), field(b"look", b"neon-noir"), field(b"consent", b"true"))
    answer = api.generic("POST", URL, body, content_type="multipart/form-data; boundary=b")
    is_problem(answer, 422, "photo_missing")
    assert not Job.objects.exists()


def test_the_pages_form_takes_a_file_name_in_no_encoding_too(api):
    body = multipart(
        (b'Content-Disposition: form-data; name="selfie"; filename="K\xf6ln.jpg"', factories.tiny_photo()),
        field(b"look", b"neon-noir"),
        field(b"consent", b"true"),
    )
    assert api.generic("POST", "/", body, content_type="multipart/form-data; boundary=b").status_code == 302
    assert Job.objects.count() == 1


@pytest.mark.parametrize("size", [0, 1000, 300_000])
def test_a_photo_part_without_a_name_gets_a_true_sentence(size, api):
    photo = factories.tiny_photo() + b"\0" * size
    body = multipart(
        (b'Content-Disposition: form-data; name="selfie"\r\nContent-Type: image/jpeg', photo),
        field(b"look", b"neon-noir"),
        field(b"consent", b"true"),
    )
    answer = api.generic("POST", URL, body, content_type="multipart/form-data; boundary=b")
    assert "file name" in answer.json()["next_step"]
    is_problem(answer, *((413, "too_big") if size > 256 * 1024 else (422, "photo_without_name")))
    assert not Job.objects.exists()
