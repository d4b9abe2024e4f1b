r"""Finds the film in what a model returned, and whether the vendor flagged it.

Models answer in many shapes; each of these is a public one.

| output | from |
| --- | --- |
| `"https://…"`, `["https://…", …]` | Replicate, WaveSpeed |
| `{"video": "https://…"}`, `[{"url": "https://…"}]`, `{"video_url": …}` | Replicate |
| `{"video": {"url": …, "content_type": "video/mp4"}}` | fal |
| `{"videos": [{"url": …}]}`, `{"video_url": …}`, `{"output": …}` | fal |
| `" https://…\n"`, `'["https://…"]'`, `'{"url": "https://…"}'`: white space, JSON in a text | any |

A model may return a picture, a sound or a second film beside its film. The declared type and the ending (the address's
or the file name's) decide, then the name that it stands under; an address of which nothing is known counts as a film's,
because the film is probed anyway. A flag counts at any depth, beside the film or around it. What a vendor echoes of the
request (`input`) is neither a film nor a flag.
"""

from __future__ import annotations

import mimetypes
import re
from collections import deque
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from common import plain_json

from . import payloads

_FILM_ENDINGS = frozenset({".mp4", ".webm", ".mov", ".m4v", ".mkv", ".avi"})
# Those that Python's own table of endings does not know.
_OTHER_ENDINGS = frozenset(
    {".jfif", ".webp", ".avif", ".heic", ".heif", ".exr", ".psd", ".m4a", ".aac", ".ogg", ".flac", ".opus"}
    | {".srt", ".vtt", ".ass", ".log", ".yaml", ".yml", ".zip", ".tgz", ".7z", ".rar", ".npy", ".npz", ".pkl"}
    | {".glb", ".gltf", ".obj", ".ply", ".pt", ".pth", ".ckpt", ".onnx", ".safetensors", ".parquet"}
)
# Without the machine's files, so that every machine chooses the same film.
_TABLE = mimetypes.MimeTypes()
_FILM_NAMES = ("video", "film", "movie", "output", "result", "generated", "final")
_OTHER_NAMES = (
    *("image", "photo", "poster", "cover", "snapshot", "thumb", "preview", "frame", "mask"),
    *("audio", "sound", "caption", "log", "webhook", "callback"),
)
# May be a film, but is rather what the film was made from.
_SOURCE_NAMES = ("reference", "input", "source", "original", "control", "driving", "depth")
_ECHOED = frozenset({"arguments", "parameters", "params", "request"})
_TYPES = ("contenttype", "mimetype", "mediatype", "filetype", "mime", "type")
_FILE_NAMES = ("filename", "name")
_FLAG = re.compile(r"(is|has|contains)?nsfw(content|concept)?s?(detected|flagged|flags?|found)?")
# What may stand in a flag's object: the answer itself, or one for each thing that was looked at.
_FLAG_PARTS = re.compile(r"detected|flagged|value|prompt|(image|video|output|frame|result)s?|\d+")
# More than an answer of a mebibyte can hold, which is read to its end.
_MOST_VALUES = 600_000
_MOST_TIMES_WRITTEN = 4
_JSON_BEGINS = ('"', "[", "{")
FLAGGED = "flagged as NSFW"


class _Value(NamedTuple):
    """One value of an answer: the names that lead to it, squeezed, and what the object around it declares of it."""

    value: Any
    names: tuple[str, ...] = ()
    type: str = ""
    file_name: str = ""


class _TooLong(ValueError):
    """There are more values than are read."""


def film_in(output: Any) -> str:
    """Return the address of the film in a model's output, '' when there is none, or more to read than is read."""
    best, best_rank = "", 0
    try:
        for found in _values(output):
            if (address := payloads.address(found.value)) and (rank := _rank(address, found)) > best_rank:
                best, best_rank = address, rank
    except _TooLong:
        return ""
    return best


def is_flagged(data: Any) -> bool:
    """Tell whether a vendor's answer says that what was made, or asked for, must not be shown to everybody."""
    try:
        return any(_is_flag(found.names) and _says_yes(found.value) for found in _values(data))
    except _TooLong:
        return False  # `film_in` finds no film in it either.


def _values(data: Any) -> Iterator[_Value]:
    """Yield the texts and the flags of an answer, the outer ones first, without what is echoed in it.

    Of numbers and truth values, those in a list that is no flag's are left out: there may be a hundred thousand.
    """
    waiting = deque([_Value(data)])
    seen = 0
    while waiting:
        found = waiting.popleft()
        seen += 1
        if seen > _MOST_VALUES:
            raise _TooLong
        value = _opened(found.value)
        if isinstance(value, list):
            if seen + len(waiting) + len(value) > _MOST_VALUES:
                raise _TooLong
            if not _is_flag(found.names):
                value = [one for one in value if isinstance(one, str | list | dict)]
            waiting.extend(_Value(one, *found[1:]) for one in value)
        elif isinstance(value, dict):
            inner = {_squeezed(name): one for name, one in value.items()}
            # A bare word ("image") is said of this object's own addresses, a MIME type of those below it, too.
            kind = _first_text(inner, _TYPES) or (found.type if "/" in found.type else "")
            file_name = _first_text(inner, _FILE_NAMES)
            for name, one in value.items():
                own = _squeezed(name)
                if own not in _ECHOED and not own.startswith("input"):
                    waiting.append(_Value(one, (*found.names[-5:], own), kind, file_name))
        else:
            yield found._replace(value=value)


def _squeezed(name: str) -> str:
    """Return a name as it is compared: `fileName`, `file_name` and `File-Name` are one."""
    return "".join(filter(str.isalnum, name)).lower()


def _first_text(values: dict[str, Any], names: tuple[str, ...]) -> str:
    return next((text.strip().lower() for name in names if (text := payloads.text(values.get(name)))), "")


def _opened(value: Any) -> Any:
    """Return the JSON value that a text is, however often it was written as a text; anything else as it is."""
    for _ in range(_MOST_TIMES_WRITTEN):
        if not (isinstance(value, str) and value.lstrip()[:1] in _JSON_BEGINS):
            break
        try:
            value = plain_json.loads_repaired(value)
        except ValueError:
            break
    return value


def _rank(address: str, found: _Value) -> int:
    """Return how surely an address leads to the film, 0 for surely not.

    A film by type or ending is 6 under a film's name, 5 under a name that says nothing and 3 under another's; an
    address of which neither is known is 4, 2 and, where it may be a film that was sent, 1.
    """
    is_film = _is_film(address, found)
    if is_film is False:
        return 0
    for name in reversed(found.names):
        if any(word in name for word in _OTHER_NAMES):
            return 3 if is_film else 0
        if any(word in name for word in _SOURCE_NAMES):
            return 3 if is_film else 1
        if any(word in name for word in _FILM_NAMES):
            return 6 if is_film else 4
    return 5 if is_film else 2


def _is_film(address: str, found: _Value) -> bool | None:
    """Tell whether an address is a film's by its declared type or an ending, None when neither says."""
    kind, _, form = found.type.partition("/")
    if found.type == "application/mp4":  # RFC 4337: what is neither only picture nor only sound
        return True
    if form and kind in ("video", "image", "audio", "text", "model", "font"):
        return kind == "video"
    try:
        parts = urlsplit(address)
        asked = [value for _, value in parse_qsl(parts.query)]
    except ValueError:
        return False
    # A signed address may say in its query what the file is called or is to be sent as.
    named = [value.rpartition("filename=")[2].strip(' "') for value in asked]
    if "video/mp4" in asked:
        return True
    for file_name in (parts.path, found.file_name, *named):
        if (known := _is_films_ending(PurePosixPath(file_name).suffix.lower())) is not None:
            return known
    return kind == "video" if kind in ("video", "image", "audio", "text") else None


def _is_films_ending(ending: str) -> bool | None:
    if ending in _FILM_ENDINGS or ending in _OTHER_ENDINGS:
        return ending in _FILM_ENDINGS
    kind, packed = _TABLE.guess_type(f"file{ending}")
    if packed or kind in (None, "application/octet-stream"):
        return False if packed else None
    return kind.startswith("video/")


def _is_flag(names: tuple[str, ...]) -> bool:
    return any(_FLAG.fullmatch(name) for name in names[-1:]) or (
        len(names) > 1 and bool(_FLAG.fullmatch(names[-2]) and _FLAG_PARTS.fullmatch(names[-1]))
    )


def _says_yes(value: Any) -> bool:
    """Tell whether a value is true: JSON's, the number 1, or a text that says either."""
    if isinstance(value, str):
        return value.strip().lower() in ("true", "yes", "1")
    return isinstance(value, int | float) and value == 1
