"""Static files while a release rolls out: each host gives those of the other's release."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.staticfiles.management.commands import collectstatic
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.management import call_command
from django.http import Http404, HttpResponse
from django.test import RequestFactory
from django.urls import resolve
from django.utils import timezone

from selfiehero import releases, static_files
from tests.support.bucket import FakeBucket, bucket_in_use

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


def give(name: str) -> HttpResponse:
    """Ask as a browser does for what WhiteNoise does not know."""
    address = resolve(f"/static/{name}")
    return address.func(RequestFactory().get(f"/static/{name}"), **address.kwargs)


@pytest.fixture
def bucket(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeBucket]:
    with bucket_in_use(settings, monkeypatch) as bucket:
        yield bucket


@pytest.fixture
def release(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., str]]:
    """Be a host with this release: collect its one file into the host's folder, and return the file's hashed name."""
    settings.STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder"]

    def collect(content: str, *, host: str) -> str:
        source = tmp_path / f"source-{host}-{len(content)}"
        (source / "js").mkdir(parents=True, exist_ok=True)
        (source / "js" / "app.js").write_text(content)
        settings.STATICFILES_DIRS, settings.STATIC_ROOT = [source], tmp_path / host
        collecting, usual = static_files.StaticFilesStorage(), staticfiles_storage._wrapped
        monkeypatch.setattr(collectstatic, "staticfiles_storage", collecting)
        call_command("collectstatic", interactive=False, verbosity=0)
        assert staticfiles_storage._wrapped is usual, "pages name the files of their own release"
        releases._published.clear()
        paths = json.loads((tmp_path / host / "staticfiles.json").read_text())["paths"]
        return str(paths["js/app.js"])

    yield collect
    releases._published.clear()


def test_two_hosts_give_each_other_s_files(
    bucket: FakeBucket, release: Callable[..., str], settings: Any, tmp_path: Path
) -> None:
    old = release("export const release = 1;", host="a")
    new = release("export const release = 22;", host="b")
    for host in ("a", "b"):
        settings.STATIC_ROOT = tmp_path / host
        for name, content in ((old, b"= 1;"), (new, b"= 22;")):
            answer = give(name)
            assert (answer.status_code, content in answer.content) == (200, True)
            assert answer["Content-Type"].startswith("text/javascript")
            assert "immutable" in answer["Cache-Control"]


def test_without_a_bucket_the_last_release_s_files_stay(release: Callable[..., str]) -> None:
    old = release("export const release = 1;", host="a")
    new = release("export const release = 22;", host="a")
    assert [give(name).status_code for name in (old, new)] == [200, 200]


@pytest.mark.parametrize("name", ["js/app.js", "js/app.000000000000.js", "../secret_key", "js/../../x.000000000000.js"])
def test_nothing_else_is_given(bucket: FakeBucket, release: Callable[..., str], name: str) -> None:
    release("export const release = 1;", host="a")
    with pytest.raises(Http404):
        give("js/one.000000000000.js")
    calls = len(bucket.calls)
    with pytest.raises(Http404):
        give(name)
    assert len(bucket.calls) == calls, "a name that somebody makes up costs the bucket nothing"


def test_files_of_long_ago_are_removed_at_the_next_release(bucket: FakeBucket, release: Callable[..., str]) -> None:
    old = static_files.PREFIX + release("export const release = 1;", host="a")
    newer = static_files.PREFIX + release("export const release = 22;", host="a")
    long_ago = timezone.now() - static_files.KEPT - timedelta(days=1)
    bucket.files = {key: (content, long_ago) for key, (content, _) in bucket.files.items()}
    release("export const release = 22;", host="b")
    assert newer in bucket.files
    assert old not in bucket.files
