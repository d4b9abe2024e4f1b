"""The link and the QR code that open one job on a phone."""

import re
import uuid

import numpy
import pytest
import zxingcpp
from django.test import Client

from jobs import services
from jobs.models import Job
from tests import factories
from tests.jobs.orders import order

pytestmark = pytest.mark.django_db


@pytest.fixture
def job(api):
    return Job.objects.get(id=api.post("/api/v1/jobs/", order()).json()["id"])


def read_code(svg: str) -> str:
    """Return what a phone's camera reads. OpenCV's detector misses 2 of 100 codes, whichever text is in them."""
    (found,) = zxingcpp.read_barcodes(drawn(svg), formats=zxingcpp.BarcodeFormat.QRCode)
    return found.text


def drawn(svg: str) -> numpy.ndarray:
    """Return the code as a picture, 8 pixels a module: segno draws rows as horizontal strokes of one path."""
    side = int(re.search(r'viewBox="0 0 (\d+) \1"', svg)[1])
    grid = numpy.full((side, side), 255, numpy.uint8)
    x, y = 0.0, 0.0
    for kind, numbers in re.findall(r"([Mmh])([-\d. ]+)", re.search(r' d="([^"]+)"', svg)[1]):
        values = [float(number) for number in numbers.split()]
        if kind == "h":
            grid[int(y), int(x) : int(x + values[0])] = 0
            x += values[0]
        elif kind == "M":
            x, y = values
        else:
            x, y = x + values[0], y + values[1]
    return numpy.kron(grid, numpy.ones((8, 8), numpy.uint8))


def test_the_code_opens_the_job_on_a_phone_without_the_cookie(api, job):
    answer = api.get(f"/jobs/{job.id}/qr.svg")
    assert (answer.status_code, answer["Content-Type"]) == (200, "image/svg+xml")
    assert "no-store" in answer["Cache-Control"]
    assert "style" not in answer.content.decode()
    link = read_code(answer.content.decode())
    assert link == api.get(f"/jobs/{job.id}/link/").json()["link"]
    assert link.startswith("http://testserver/t/")
    phone = Client()
    assert phone.get(f"/jobs/{job.id}/").status_code == 404
    assert phone.get(link, follow=True).redirect_chain == [(f"/jobs/{job.id}/", 302)]
    assert phone.get(f"/jobs/{job.id}/").status_code == 200


def test_the_link_names_the_public_address_where_there_is_one(api, job, settings):
    settings.PUBLIC_URL = "https://hero.example/"
    assert api.get(f"/jobs/{job.id}/link/").json()["link"].startswith("https://hero.example/t/")


@pytest.mark.parametrize("count", [10, pytest.param(300, marks=pytest.mark.thorough)])
def test_the_code_of_every_job_can_be_read(api, job, count):
    for _ in range(count):
        job = factories.make_job(owner=job.owner)
        code = api.get(f"/jobs/{job.id}/qr.svg").content.decode()
        assert read_code(code) == api.get(f"/jobs/{job.id}/link/").json()["link"], job.id


@pytest.mark.parametrize("kind", ["qr.svg", "link/"])
def test_only_the_owner_gets_it_and_only_while_there_is_something(kind, api, job):
    assert Client().get(f"/jobs/{job.id}/{kind}").status_code == 404
    assert api.get(f"/jobs/{uuid.uuid4()}/{kind}").status_code == 404
    assert api.post(f"/jobs/{job.id}/{kind}").status_code == 405
    services.erase_job(job.id, now=factories.timezone.now())
    assert api.get(f"/jobs/{job.id}/{kind}").status_code == 404
