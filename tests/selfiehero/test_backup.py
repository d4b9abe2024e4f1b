"""A backup comes back, without what was erased after it; one that does not fit says why and changes nothing."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cryptography.fernet import Fernet
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.utils import timezone

from jobs import erasure_list, services, storage
from jobs.models import Job
from providers import keys
from providers.models import ProviderConfig
from providers.secrets import ciphertext_of
from selfiehero.backup import archive, databases
from selfiehero.environment import PROJECT_DIR
from tests import factories
from tests.support.postgres import PROGRAMS

OTHER = "restored"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    if connection.vendor == "postgresql":
        monkeypatch.setenv("PATH", f"{PROGRAMS / 'bin'}:{os.environ['PATH']}")
    (tmp_path / "kept").mkdir()
    return tmp_path / "kept" / "monday.backup"


@pytest.fixture
def new_host(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a host with the same keys and the same storage, and an empty database."""
    folder = tmp_path / "host"
    (folder / "media").mkdir(parents=True)
    env = {
        "ENV_FILE": "",
        "DJANGO_SETTINGS_MODULE": "selfiehero.settings",
        "VAR_DIR": str(folder),
        "SECRET_KEY": settings.SECRET_KEY,
        "FIELD_KEYS": ",".join(settings.FIELD_KEYS),
    }
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {OTHER}")
        values = connection.settings_dict
        env["DATABASE_URL"] = (
            f"postgres://{values['USER']}:{values['PASSWORD']}@{values['HOST']}:{values['PORT']}/{OTHER}"
        )
    yield env
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE {OTHER} WITH (FORCE)")


def restore(env: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    shutil.copytree(settings.MEDIA_ROOT, Path(env["VAR_DIR"], "media"), dirs_exist_ok=True)
    return subprocess.run(
        [sys.executable, "manage.py", "restore", *arguments],
        env={**{name: value for name, value in os.environ.items() if name != "DATABASE_URL"}, **env},
        cwd=PROJECT_DIR,
        capture_output=True,
        text=True,
        timeout=120,
    )


def asked(env: dict[str, str], question: str) -> list[tuple[Any, ...]]:
    """Return the rows of a query to the new host's database."""
    address = env.get("DATABASE_URL")
    opened = psycopg.connect(address) if address else sqlite3.connect(Path(env["VAR_DIR"], "db.sqlite3"))
    with contextlib.closing(opened) as database:
        return database.execute(question).fetchall()


def rewritten(file: Path, **values: object) -> Path:
    """Return a copy of a backup with another manifest."""
    manifest, changed = archive.read_manifest(file), file.with_name("changed.backup")
    folder = file.parent / "part"
    folder.mkdir(exist_ok=True)
    archive.write(changed, archive.Manifest(**{**manifest.__dict__, **values}), archive.extract_database(file, folder))
    return changed


@pytest.mark.slow
@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_a_backup_comes_back_without_what_was_erased_after_it(file, new_host):
    keys.require_known_keys()
    factories.make_provider(api_key="sk-of-the-backup")
    stays, erased, erased_by_hour = (factories.make_job(hero_name=name) for name in ("NOVA", "KAIRO", "ZERO"))
    Job.objects.filter(id=erased_by_hour.id).update(erase_at=timezone.now() + timedelta(seconds=1))
    call_command("backup", file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert os.listdir(file.parent) == [file.name], "nothing half written stays beside it"
    services.erase_job(erased.id, now=timezone.now())
    factories.make_job(hero_name="LATER")
    ended = restore(new_host, str(file))
    assert ended.returncode == 0, ended.stderr
    assert "Erased again: 1." in ended.stdout
    found = {
        str(row[0]).replace("-", ""): row[1:]
        for row in asked(new_host, "SELECT id, hero_name, erased_at FROM jobs_job")
    }
    names = {job_id: (name, bool(erased_at)) for job_id, (name, erased_at) in found.items()}
    assert names == {stays.id.hex: ("NOVA", False), erased.id.hex: ("", True), erased_by_hour.id.hex: ("ZERO", False)}
    assert asked(new_host, "SELECT count(*) FROM jobs_jobevent WHERE kind = 'erased'") == [(1,)]
    (stored,) = ProviderConfig.objects.annotate(stored=ciphertext_of("api_key")).values_list("stored", flat=True)
    assert asked(new_host, "SELECT api_key FROM providers_providerconfig") == [(stored,)]
    again = restore(new_host, str(file))
    assert again.returncode == 1
    assert "not empty" in again.stderr
    factories.make_provider(slug="newer")
    call_command("backup", file)
    replaced = restore(new_host, str(file), "--replace")
    assert replaced.returncode == 0, replaced.stderr
    assert asked(new_host, "SELECT count(*) FROM providers_providerconfig WHERE slug = 'newer'") == [(1,)]
    if connection.vendor == "sqlite":
        assert Path(new_host["VAR_DIR"], "db.sqlite3.before-restore").is_file()
        assert "before-restore" in replaced.stdout


@pytest.mark.django_db
def test_a_backup_that_does_not_fit_says_why_and_changes_nothing(file, monkeypatch, settings):
    keys.require_known_keys()
    call_command("backup", file)
    rows = Job.objects.count()
    other = "sqlite" if connection.vendor == "postgresql" else "postgresql"
    migrations = {**archive.read_manifest(file).migrations, "jobs": ["9999_of_tomorrow"]}
    for changed, reason in (({"vendor": other}, "backup of"), ({"migrations": migrations}, "newer release")):
        with pytest.raises(CommandError, match=reason):
            call_command("restore", rewritten(file, **changed), "--replace")
    with monkeypatch.context() as patch:
        patch.setattr(databases, "others_connected", lambda: 3)
        with pytest.raises(CommandError, match="3 other connections"):
            call_command("restore", file, "--replace")
    with pytest.raises(CommandError, match="not empty"):
        call_command("restore", file)
    settings.FIELD_KEYS = [Fernet.generate_key().decode()]
    with pytest.raises(CommandError, match="another FIELD_KEYS"):
        call_command("restore", file, "--replace")
    assert Job.objects.count() == rows


def test_a_file_that_is_no_backup_is_told_in_a_sentence(file):
    (plain := file.with_name("photo.jpg")).write_bytes(b"\xff\xd8\xff" * 100)
    with tarfile.open(other := file.with_name("other.tar"), "w") as stranger:
        stranger.add(plain, "photo.jpg")
    for path in (plain, other, file.parent, file):
        with pytest.raises(CommandError):
            call_command("restore", path)


@pytest.mark.django_db
def test_a_backup_that_is_cut_off_is_not_restored(file):
    call_command("backup", file)
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    with pytest.raises(CommandError, match="cut off"):
        call_command("restore", file, "--replace")


@pytest.mark.django_db
def test_a_failed_backup_leaves_the_former_one(file, monkeypatch):
    call_command("backup", file)
    before = file.read_bytes()
    monkeypatch.setattr(databases, "dump", lambda path: path.write_bytes(b"half a database"))
    with pytest.raises(CommandError, match="No backup was written"):
        call_command("backup", file)
    assert file.read_bytes() == before
    assert os.listdir(file.parent) == [file.name]
    with pytest.raises(CommandError, match="no folder"):
        call_command("backup", file.parent / "missing" / "file")


@pytest.mark.django_db
def test_the_list_of_erasures_names_ids_alone_and_ends_after_its_time():
    now = timezone.now()
    job = factories.make_job(hero_name="NOVA")
    services.erase_job(job.id, now=now)
    services.erase_job(job.id, now=now)
    ((key, _),) = storage.listed("erased/")
    assert json.loads(storage.read(key))["jobs"] == [str(job.id)]
    assert b"NOVA" not in storage.read(key)
    assert list(erasure_list.since(now)) == [job.id]
    assert list(erasure_list.since(now + timedelta(days=2))) == []
    assert erasure_list.forget(now=now) == 0
    assert erasure_list.forget(now=now + erasure_list.KEPT + timedelta(days=2)) == 1


@pytest.mark.django_db
def test_an_erasure_does_not_wait_for_its_note(monkeypatch, caplog):
    job = factories.make_job()
    monkeypatch.setattr(storage, "save", lambda *_: (_ for _ in ()).throw(OSError("full")))
    services.erase_job(job.id, now=timezone.now())
    job.refresh_from_db()
    assert job.erased_at is not None
    assert f"erasure_not_listed jobs=['{job.id}']" in caplog.text
