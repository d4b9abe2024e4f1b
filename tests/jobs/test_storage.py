"""What storage promises besides keeping files: nothing of a file that could not be stored whole."""

from pathlib import Path

import pytest
from django.core.files import File
from django.core.files.base import ContentFile

from jobs import storage


class BreaksOff(ContentFile):
    """A file of which the disk takes only the first part."""

    def chunks(self, chunk_size=None):
        yield self.read()
        raise OSError(28, "No space left on device")


def test_nothing_stays_of_a_file_that_found_no_room(settings, monkeypatch):
    monkeypatch.setattr(storage, "ContentFile", BreaksOff)
    with pytest.raises(OSError, match="No space left"):
        storage.save(storage.new_key("raw", "jpg"), b"half a face")
    assert [path for path in Path(settings.MEDIA_ROOT).rglob("*") if path.is_file()] == []


def test_a_file_that_is_stored_is_read_back(settings):
    for content in (b"a photo", File(ContentFile(b"a photo"))):
        key = storage.save(storage.new_key("raw", "jpg"), content)
        assert storage.read(key) == b"a photo"
