"""Orders as a browser or a program sends them, and the problems that they are answered with."""

import io

from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image

from tests import factories

URL = "/api/v1/jobs/"


def selfie(content=None, name="me.jpg", content_type="image/jpeg"):
    return SimpleUploadedFile(name, factories.tiny_photo() if content is None else content, content_type)


def order(photo=None, **values):
    fields = {"selfie": selfie(photo), "look": "neon-noir", "consent": "true"} | values
    return {name: value for name, value in fields.items() if value is not None}


def picture(format_name, **options):
    buffer = io.BytesIO()
    Image.new("RGB", (80, 80), "teal").save(buffer, format_name, **options)
    return buffer.getvalue()


def animated_gif():
    buffer = io.BytesIO()
    frames = [Image.new("RGB", (80, 80), color) for color in ("red", "teal", "gold")]
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    return buffer.getvalue()


def is_problem(answer, status, code):
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    body = answer.json()
    assert (body["code"], body["status"]) == (code, status)
    assert body["title"]
    assert body["type"]
    assert body["detail"].endswith(".")
    return body
