"""The work on one photo: decode it, find the face in it, rebuild it from raw pixels. Runs in the sandbox's child."""

from collections.abc import Sequence

import cv2
import numpy as np
import pillow_heif
from PIL import Image

from providers.faces.vision import is_whole

from .choosing import choose, cut_out, turned, with_face_at
from .decoding import decode, encode
from .outcomes import BadPhoto, CleanPhoto, Point
from .upright import SURE, Face, FindFaces, IsFace, find_upright

FORMATS = ("JPEG", "PNG", "WEBP", "HEIF")  # a JPEG with a second picture, as phones write it, opens as MPO
LEAST_FACE_WIDTH = 64  # pixels of the clean photo: the film enlarges a face to about 325
LEAST_PRESENCE = 0.5  # of 1: real faces reach 0.99, other things 0.2
DARK_FACE = 20  # of 255: a face whose lighter parts stay below is a silhouette
BLACK = 24  # of 255: a photo whose brightest hundredth stays below shows nothing

# A preview inside the file is not the photo, and more threads would only cost memory under the sandbox's limit.
pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False, decode_threads=1)


def clean(
    data: bytes,
    *,
    long_edge: int = 1536,
    pixels: int = 51_000_000,
    find_faces: FindFaces | None = None,
    is_face: IsFace | None = None,
    allow_no_face: bool = False,
    at: Point | None = None,
) -> CleanPhoto:
    """Return the clean photo of a picture with a usable face in it (or, where allowed, with none), or raise BadPhoto.

    `find_faces` takes BGR pixels and returns faces, best first; `is_face` checks one of them again. Both default to the
    studio's. A photo whose file does not say which way up it is is turned upright. `at` is a point on the face that the
    film is to be about, in fractions of the picture as it came: of several people that one is cut out.
    """
    picture = decode(data, long_edge=long_edge, pixels=pixels, formats=FORMATS)
    if min(picture.size) < LEAST_FACE_WIDTH:
        # A strip has no room for a face, and the detector would search it in a thousand tiny squares.
        raise BadPhoto("photo_too_small", f"{picture.width}×{picture.height}")
    brightness = _brightness(picture)
    rgb = np.asarray(picture)
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    turn, seen = find_upright(bgr, find_faces or studio_detector(), is_face or studio_check())
    if turn:
        picture = Image.fromarray(np.ascontiguousarray(np.rot90(rgb, turn)))
        bgr = np.ascontiguousarray(np.rot90(bgr, turn))
    best: Face | None = None
    if at is not None:
        picture, bgr, seen = _one_of(picture, seen, bgr, turned(at, turn), find_faces or studio_detector())
    try:
        best = _best_face(seen, bgr, is_face or studio_check())
    except BadPhoto as bad:
        if bad.code != "no_face" or not allow_no_face:
            raise
    return CleanPhoto(
        jpeg=encode(picture),
        width=picture.width,
        height=picture.height,
        faces=len(seen),
        face=_as_fractions(best, picture.size) if best else None,
        brightness=brightness,
    )


def _one_of(
    picture: Image.Image, seen: Sequence[Face], bgr: np.ndarray, at: Point, find_faces: FindFaces
) -> tuple[Image.Image, np.ndarray, Sequence[Face]]:
    """Return the part of a picture that is about the face at this point, and the faces in it; else all of it."""
    height, width = bgr.shape[:2]
    seen = with_face_at(bgr, seen, at, find_faces)
    if len(seen) < 2:
        return picture, bgr, seen
    left, top, right, bottom = map(int, cut_out(bgr, choose(seen, at, (width, height)), seen, find_faces))
    bgr = np.ascontiguousarray(bgr[top:bottom, left:right])
    return Image.fromarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)), bgr, find_faces(bgr)


def _best_face(seen: Sequence[Face], bgr: np.ndarray, is_face: IsFace) -> Face:
    """Return the face that the film will be about; raise BadPhoto when there is none, or it cannot be shown."""
    if not seen:
        raise BadPhoto("no_face")
    large = [face for face in seen if face.width >= LEAST_FACE_WIDTH]
    if not large:
        raise BadPhoto("face_too_small", f"{max(face.width for face in seen):.0f} px")
    best = large[0]
    if best.score < SURE and not is_face(bgr, best):
        raise BadPhoto("no_face", f"score {best.score:.2f}")
    height, width = bgr.shape[:2]
    if not is_whole(best, width, height):  # type: ignore[arg-type]  # vision's own face, behind a protocol
        raise BadPhoto("face_cut_off")
    if _face_light(bgr, best) < DARK_FACE:
        raise BadPhoto("face_too_dark")
    return best


def _face_light(bgr: np.ndarray, face: Face) -> float:
    """Return how light the lighter parts of a face are, 0 to 255."""
    left, top = max(0, int(face.x)), max(0, int(face.y))
    pixels = bgr[top : int(face.y + face.height), left : int(face.x + face.width)][::4, ::4]
    return float(np.percentile(pixels.mean(2), 90)) if pixels.size else 255.0


def studio_detector() -> FindFaces:
    """Return the face finder that the studio's film uses too, so that both agree on what a face is."""
    from providers.faces.vision import find_faces

    return find_faces


def studio_check() -> IsFace:
    """Return the check of a found face: whether the studio's face mesh fits it."""
    from providers.faces.vision import find_mesh

    # The face is vision's own, behind a protocol that lets tests do without it.
    return lambda bgr, face: find_mesh(bgr, face).presence > LEAST_PRESENCE  # type: ignore[arg-type]  # see above


def _brightness(picture: Image.Image) -> float:
    """Return the mean light from 0 to 1; raise BadPhoto for a picture in which nothing can be seen."""
    counts = picture.resize((128, 128), Image.Resampling.NEAREST).convert("L").histogram()
    total = sum(counts)
    if sum(counts[BLACK:]) < total / 100:
        raise BadPhoto("photo_too_dark")
    return round(sum(value * count for value, count in enumerate(counts)) / total / 255, 3)


def _as_fractions(face: Face, size: tuple[int, int]) -> tuple[float, float, float, float]:
    """Return the face's box as fractions of the picture, cut off at its edges."""
    width, height = size
    left, right = (min(max(float(value) / width, 0.0), 1.0) for value in (face.x, face.x + face.width))
    top, bottom = (min(max(float(value) / height, 0.0), 1.0) for value in (face.y, face.y + face.height))
    return round(left, 4), round(top, 4), round(right - left, 4), round(bottom - top, 4)
