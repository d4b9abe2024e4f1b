"""LABEL_CERTIFICATES and LABEL_KEY are tried before anything starts, and not at the first film."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from jobs.labels import authority
from selfiehero.label_settings import parse_label_files
from selfiehero.private_files import BadEnvironment


def test_both_files_or_none_and_what_is_in_them(tmp_path: Path) -> None:
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    assert parse_label_files({}) is None
    for env in ({"LABEL_KEY": str(key)}, {"LABEL_CERTIFICATES": str(chain), "LABEL_KEY": str(key)}):
        with pytest.raises(BadEnvironment, match="a PEM file that is there"):
            parse_label_files(env)
    for path in (chain, key):
        path.write_text("no PEM at all")
    both = {"LABEL_CERTIFICATES": str(chain), "LABEL_KEY": str(key)}
    with pytest.raises(BadEnvironment, match="cannot be used"):
        parse_label_files(both)
    made = authority.own_signer((Fernet.generate_key().decode(),), now=datetime.now(UTC))
    chain.write_bytes(made.chain)
    key.write_bytes(made.key)
    assert parse_label_files(both) == (chain, key)
