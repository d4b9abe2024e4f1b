"""How processes show that they work, and from which host. Without Django, because the supervisor reads it too."""

from __future__ import annotations

import hashlib
import re
import socket
from pathlib import Path


def beat_path(var_dir: Path, name: str) -> Path:
    """Return the file whose modification time is the last heartbeat of the process of that name on this machine."""
    return var_dir / "run" / f"{name}.beat"


def host_id(var_dir: Path) -> str:
    """Return the name of this host, at most 27 of [a-z0-9-]: stable, and another for each VAR_DIR on a machine."""
    hostname = socket.gethostname()
    digest = hashlib.sha256(f"{hostname}\0{var_dir}".encode()).hexdigest()[:6]
    return f"{re.sub('[^a-z0-9]+', '-', hostname.lower())[:20].strip('-') or 'host'}-{digest}"
