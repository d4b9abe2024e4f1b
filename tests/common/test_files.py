"""Files are replaced or created in one step, and are their owner's alone."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from common.files import create_file, replace_file


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("is_durable", [True, False])
def test_a_file_is_replaced_and_closed_to_others(tmp_path, is_durable):
    path = tmp_path / "secret"
    path.write_text("old")
    path.chmod(0o644)
    replace_file(path, "neu ß", is_durable=is_durable)
    assert (path.read_text(encoding="utf-8"), mode_of(path)) == ("neu ß", 0o600)
    replace_file(path, b"\x00\xff", is_durable=is_durable)
    assert path.read_bytes() == b"\x00\xff"
    assert os.listdir(tmp_path) == ["secret"]


def test_a_failure_leaves_the_old_file_and_nothing_beside_it(tmp_path, monkeypatch):
    path = tmp_path / "kept"
    path.write_text("old")
    monkeypatch.setattr(os, "fsync", lambda descriptor: (_ for _ in ()).throw(OSError("no space")))
    with pytest.raises(OSError, match="no space"):
        replace_file(path, "new")
    assert (path.read_text(), os.listdir(tmp_path)) == ("old", ["kept"])


def test_a_folder_that_is_gone_is_said(tmp_path):
    with pytest.raises(FileNotFoundError):
        replace_file(tmp_path / "gone" / "file", "new")


def test_of_many_who_create_a_file_one_wins_and_it_stays(tmp_path):
    path = tmp_path / "made"
    with ThreadPoolExecutor(8) as pool:
        has_won = list(pool.map(lambda number: create_file(path, str(number)), range(8)))
    assert has_won.count(True) == 1
    assert path.read_text() == str(has_won.index(True))
    assert (mode_of(path), os.listdir(tmp_path)) == (0o600, ["made"])
