"""A contact sheet of many photos, for judging changes to a look.

`python -m providers.studio.tools.gallery FOLDER -o sheet.png`
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np

from providers.studio.errors import NoFace, UnreadablePhoto
from providers.studio.film.canvas import FRAMES_PER_SECOND
from providers.studio.film.looks import LOOKS
from providers.studio.film.person.photo import read_photo
from providers.studio.film.render import Renderer
from providers.studio.film.shots import SECONDS

PHOTOS = {".jpg", ".jpeg", ".png", ".webp"}
MOMENTS = (0.65, 1.45, 2.9, 4.0, 5.2)  # seconds: scan, bare face, visor, close-up, title


def contact_sheet(photos: list[Path], looks: list[str], moments: list[float], width: int, seed: str) -> np.ndarray:
    """A row of frames per photo and look; a dark row where no film can be made."""
    renderer, rows = Renderer(), []
    height = width * 16 // 9
    for path in photos:
        for look in looks:
            try:
                director = renderer.direct(
                    read_photo(path.read_bytes()), look=look, hero_name=path.stem[:24], seed=f"{seed}/{path.name}"
                )
            except (NoFace, UnreadablePhoto) as error:
                sys.stderr.write(f"{path.name}: {type(error).__name__} {error}\n")
                rows.append(np.full((height, width * len(moments), 3), 20, np.uint8))
                continue
            frames = [director.frame(int(moment * FRAMES_PER_SECOND))[..., :3].copy() for moment in moments]
            small = [cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA) for frame in frames]
            rows.append(np.hstack(small))
    return np.vstack(rows)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m providers.studio.tools.gallery", description="Make a contact sheet."
    )
    parser.add_argument("folder", type=Path, help="a folder of photos, or one photo")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--look", choices=[*LOOKS, "all"], default="neon-noir")
    parser.add_argument("--at", type=float, nargs="+", default=list(MOMENTS), help=f"seconds, below {SECONDS}")
    parser.add_argument("--width", type=int, default=240, help="px of one frame")
    parser.add_argument("--seed", default="gallery")
    arguments = parser.parse_args()
    photos = [arguments.folder]
    if arguments.folder.is_dir():
        # What is called NAME-alpha.png is a matte of the photo NAME, as `measure` reads it.
        found = (path for path in arguments.folder.iterdir() if not path.stem.endswith("-alpha"))
        photos = sorted(path for path in found if path.suffix.lower() in PHOTOS)
    if not photos:
        sys.stderr.write(f"No photos in {arguments.folder}.\n")
        return 1
    looks = list(LOOKS) if arguments.look == "all" else [arguments.look]
    moments = [min(max(0.0, moment), SECONDS - 0.1) for moment in arguments.at]
    sheet = contact_sheet(photos, looks, moments, arguments.width, arguments.seed)
    cv2.imwrite(str(arguments.output), sheet)
    return 0


if __name__ == "__main__":
    sys.exit(main())
