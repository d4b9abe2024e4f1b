"""The files that labels of films are signed with, read from the environment (`jobs.labels`)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from .private_files import BadEnvironment


def parse_label_files(env: Mapping[str, str]) -> tuple[Path, Path] | None:
    """Return the files with the chain and the key that sign labels, None without them.

    BadEnvironment for one alone, and for what is no chain or no key.
    """
    given = [Path(env[name]) for name in ("LABEL_CERTIFICATES", "LABEL_KEY") if env.get(name)]
    if not given:
        return None
    if len(given) < 2 or not all(path.is_file() for path in given):
        raise BadEnvironment("LABEL_CERTIFICATES and LABEL_KEY must both name a PEM file that is there.")
    from jobs.labels import authority  # X.509 costs every process that has no such files

    try:
        authority.given_signer(given[0], given[1])
    except (ValueError, OSError) as error:
        raise BadEnvironment(f"LABEL_CERTIFICATES and LABEL_KEY cannot be used: {error}") from error
    return given[0], given[1]
