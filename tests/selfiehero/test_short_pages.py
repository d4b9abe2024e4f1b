"""Pages go out compressed; what must not be is left as it is."""

import gzip

import pytest
from django.test import Client

from tests import factories

pytestmark = pytest.mark.django_db
ASKING = {"Accept-Encoding": "gzip"}


def test_a_page_is_compressed_for_whoever_asks(db):
    factories.make_look()
    plain, short = Client().get("/privacy/"), Client().get("/privacy/", headers=ASKING)
    assert "Content-Encoding" not in plain
    assert short["Content-Encoding"] == "gzip"
    assert len(short.content) < len(plain.content) / 2
    assert b"</html>" in gzip.decompress(short.content)
    assert "Accept-Encoding" in short["Vary"]


@pytest.mark.parametrize("address", ["/api/v1/schema/?format=json", "/status.json"])
def test_an_answer_for_programs_is_not(address, db):
    assert "Content-Encoding" not in Client().get(address, headers=ASKING)
