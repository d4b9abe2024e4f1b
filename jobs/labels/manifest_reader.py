"""Reads the signed label of a file. It knows no settings and no secrets: it runs in the sandbox's child."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from typing import Any

import c2pa


class Reader:
    """Reads files; what one of these authorities (PEM) vouches for under one of these names is ours.

    Nothing is fetched from anywhere.
    """

    def __init__(self, anchors: str, organisations: Sequence[str]) -> None:
        self._organisations = frozenset(organisations)
        verify = {"verify_after_sign": False, "remote_manifest_fetch": False, "ocsp_fetch": False}
        self._context = c2pa.Context(c2pa.Settings.from_dict({"trust": {"trust_anchors": anchors}, "verify": verify}))

    def read(self, data: bytes, kind: str) -> dict[str, Any]:
        """Return what the label says: `has_label`, `is_valid`, `is_ours`, `source`, `signer`.

        Valid is what was not changed since whoever it names has signed it.
        """
        nothing = {"has_label": False, "is_valid": False, "is_ours": False, "source": "", "signer": ""}
        try:
            with c2pa.Reader(kind, io.BytesIO(data), context=self._context) as reader:
                told = json.loads(reader.json())
        except c2pa.C2paError:
            return nothing
        active = told.get("manifests", {}).get(told.get("active_manifest"), {})
        actions = [
            action
            for assertion in active.get("assertions", [])
            if str(assertion.get("label", "")).startswith("c2pa.actions")
            for action in assertion.get("data", {}).get("actions", [])
        ]
        sources = [str(action["digitalSourceType"]) for action in actions if "digitalSourceType" in action]
        signer = str(active.get("signature_info", {}).get("issuer", ""))
        return {
            "has_label": True,
            "is_valid": told.get("validation_state") in ("Valid", "Trusted"),
            "is_ours": told.get("validation_state") == "Trusted" and signer in self._organisations,
            "source": (sources or [""])[0][:200],
            "signer": signer[:100],
        }
