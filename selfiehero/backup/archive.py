"""The file of a backup: a tar of the database and of what has to fit before it may be restored.

| member | content |
| --- | --- |
| `manifest.json` | format, when it was made, database, migrations by app, fingerprints of the keys |
| `database` | SQLite's file, or a dump of `pg_dump --format=custom` |

Photos and films are left out: they are gone within hours or days, and a backup outlives an erasure. So are keys:
whoever has a backup should not have what its secrets are encrypted with; the fingerprints say which ones it needs.
"""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

FORMAT = 1
_MANIFEST, _DATABASE = "manifest.json", "database"


class BadBackup(Exception):
    """The file is no backup of ours, or one that cannot be restored here. The text says why."""


@dataclass(frozen=True)
class Manifest:
    made_at: datetime
    vendor: str  # of the database: sqlite or postgresql
    migrations: Mapping[str, list[str]]  # applied ones, by app
    fingerprints: Mapping[str, list[str]]  # of SECRET_KEY and FIELD_KEYS

    def to_json(self) -> str:
        return json.dumps({"format": FORMAT, **asdict(self), "made_at": self.made_at.isoformat()}, indent=1)

    @classmethod
    def from_json(cls, text: str) -> Manifest:
        """Return the manifest; raise BadBackup for one that this release does not read."""
        try:
            values = json.loads(text)
            if values.pop("format") != FORMAT:
                raise BadBackup("This backup has a format of another release: restore it with that one.")
            return cls(**{**values, "made_at": datetime.fromisoformat(values["made_at"])})
        except (ValueError, KeyError, TypeError) as error:
            raise BadBackup("This file is no backup: its manifest cannot be read.") from error


def write(path: Path, manifest: Manifest, database: Path) -> None:
    """Write the backup, readable by its owner only; the file has its name once it is whole and on the disk.

    Raise OSError, and leave a file of that name as it was, when that fails.
    """
    partial = path.with_name(f".{path.name}.part")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with open(descriptor, "wb") as stream:
            with tarfile.open(fileobj=stream, mode="w") as archive:
                content = manifest.to_json().encode()
                member = tarfile.TarInfo(_MANIFEST)
                member.size, member.mtime, member.mode = len(content), int(manifest.made_at.timestamp()), 0o600
                archive.addfile(member, io.BytesIO(content))
                archive.add(database, _DATABASE)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def read_manifest(path: Path) -> Manifest:
    """Return what a backup says of itself. Raise BadBackup, or OSError when the file cannot be read."""
    try:
        with tarfile.open(path) as archive:
            found = archive.extractfile(_MANIFEST)
            return Manifest.from_json(found.read().decode() if found else "")
    except (tarfile.TarError, KeyError, EOFError, UnicodeDecodeError) as error:
        raise BadBackup("This file is no backup of Selfie Hero, or it is cut off.") from error


def extract_database(path: Path, folder: Path) -> Path:
    """Write the backup's database into a folder and return its path. Raise BadBackup when the file is cut off."""
    target = folder / _DATABASE
    try:
        with tarfile.open(path) as archive:
            member = archive.getmember(_DATABASE)
            source = archive.extractfile(member)
            if source is None:
                raise BadBackup("This backup has no database in it.")
            with target.open("wb") as stream:
                while chunk := source.read(2**20):
                    stream.write(chunk)
    except (tarfile.TarError, KeyError, EOFError) as error:
        raise BadBackup("This file is no backup of Selfie Hero, or it is cut off.") from error
    if target.stat().st_size != member.size:
        raise BadBackup("This backup is cut off: its database is shorter than it says.")
    return target
