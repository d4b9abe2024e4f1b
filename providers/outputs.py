r"""Finds the film in what a model returned, and whether the vendor flagged it.

Models answer in many shapes; each of these is a public one.

| output | from |
| --- | --- |
| `"https://…"`, `["https://…", …]` | Replicate, WaveSpeed |
| `{"video": "https://…"}`, `[{"url": "https://…"}]`, `{"video_url": …}` | Replicate |
| `{"video": {"url": …, "content_type": "video/mp4"}}` | fal |
| `{"videos": [{"url": …}]}`, `{"video_url": …}`, `{"output": …}` | fal |
| `" https://…\n"`, `'["https://…"]'`, `'{"url": "https://…"}'`: white space, JSON in a text | any |

A model may return a picture or a sound beside its film. The declared type decides, then the address's ending, then the
name that it stands under; an address of which nothing is known counts as a film's, because the film is probed anyway.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from common import plain_json

from . import payloads

_FILM_ENDINGS = frozenset({".mp4", ".webm", ".mov", ".m4v", ".mkv", ".avi"})
_OTHER_ENDINGS = frozenset(
    {".png", ".jpg", ".jpeg", ".webp", ".gif", ".avif", ".bmp", ".svg", ".heic", ".tif", ".tiff"}
    | {".mp3", ".wav", ".m4a", ".aac", ".ogg", ".flac", ".json", ".txt", ".srt", ".vtt", ".zip", ".html", ".glb", ".pt"}
)
_OTHER_NAMES = ("image", "photo", "poster", "thumb", "preview", "frame", "mask", "audio", "sound", "caption", "log")
_FILM_NAMES = ("video", "film", "movie")
_TYPES = ("content_type", "mime_type", "mimetype", "type")
_FLAGS = ("has_nsfw_contents", "has_nsfw_concepts", "nsfw_content_detected", "has_nsfw_content", "nsfw")
_MOST_VALUES = 1000
_MOST_TIMES_WRITTEN = 4
_JSON_BEGINS = ('"', "[", "{")
FLAGGED = "flagged as NSFW"


def film_in(output: Any) -> str:
    """Return the address of the film in a model's output, '' when there is none."""
    best, best_rank = "", 0
    waiting: list[tuple[Any, str, str]] = [(output, "", "")]
    for _ in range(_MOST_VALUES):
        if not waiting:
            break
        written, name, declared = waiting.pop(0)
        value = _opened(written)
        if isinstance(value, list):
            waiting.extend((one, name, declared) for one in value[:_MOST_VALUES])
        elif isinstance(value, dict):
            kind = next((text for key in _TYPES if (text := payloads.text(value.get(key)))), declared)
            waiting.extend((one, f"{name} {key}".lower(), kind) for key, one in list(value.items())[:_MOST_VALUES])
        elif (address := payloads.address(value)) and (rank := _rank(address, name, declared.lower())) > best_rank:
            best, best_rank = address, rank
    return best


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


def _rank(address: str, name: str, declared: str) -> int:
    """Return how surely an address leads to a film: 4 declared, 3 by its ending, 2 by its name, 1 maybe, 0 not."""
    if "/" in declared:
        kind = declared.partition("/")[0]
        if kind in ("video", "image", "audio", "text"):
            return 4 if kind == "video" else 0
    try:
        ending = PurePosixPath(urlsplit(address).path).suffix.lower()
    except ValueError:
        return 0
    if ending in _FILM_ENDINGS or ending in _OTHER_ENDINGS:
        return 3 if ending in _FILM_ENDINGS else 0
    own = name.rpartition(" ")[2]
    if any(word in own for word in _OTHER_NAMES):
        return 0
    return 2 if any(word in name for word in _FILM_NAMES) else 1


def is_flagged(data: Any) -> bool:
    """Tell whether a vendor's answer says that what was made, or asked for, must not be shown to everybody."""
    data = _opened(data)
    if isinstance(data, list):
        return any(is_flagged(one) for one in map(_opened, data[:_MOST_VALUES]) if isinstance(one, dict))
    if not isinstance(data, dict):
        return False
    found = (data.get(name) for name in _FLAGS)
    return any(value is True or (isinstance(value, list) and any(one is True for one in value)) for value in found)
