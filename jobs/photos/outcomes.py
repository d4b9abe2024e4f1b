"""The outcomes for a photo: a clean photo, or a refusal that its owner can act on.

This is the one table of photo codes: an upload is refused with their HTTP status, the prepare lane fails a job with
them.
"""

from dataclasses import dataclass


def noop(text: str) -> str:
    """Mark a sentence for the catalogues; it is translated where it is shown. The sandbox's child has no Django."""
    return text


Point = tuple[float, float]  # fractions of a picture, from its left and its top


def read_point(text: str) -> Point | None:
    """Return the point, or the middle of the box, that a text of two or four fractions names; None for any other.

    "x,y" is a point, "x,y,width,height" a box, in fractions of the picture.
    """
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        return None
    if len(numbers) not in (2, 4) or not all(0 <= number <= 1 for number in numbers):
        return None
    x, y, *sides = numbers
    return (min(1.0, x + sides[0] / 2), min(1.0, y + sides[1] / 2)) if sides else (x, y)


@dataclass(frozen=True, slots=True)
class CleanPhoto:
    """A photo that is safe to keep and to show: upright sRGB pixels in a bare JPEG, and where the face is.

    `face` is (x, y, width, height) of the best face as fractions of the picture, `faces` how many were seen,
    `brightness` the mean light of the picture from 0 to 1.
    """

    jpeg: bytes
    width: int
    height: int
    faces: int
    face: tuple[float, float, float, float] | None
    brightness: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """Why a photo was refused, as an HTTP status, a sentence, and what to do next."""

    status: int
    message: str
    next_step: str


OUTCOMES: dict[str, Outcome] = {
    "photo_empty": Outcome(422, noop("The photo arrived empty."), noop("Choose the photo again and resend it.")),
    "photo_too_big": Outcome(413, noop("The photo is larger than 12 MB."), noop("Send a smaller copy of it.")),
    "photo_type": Outcome(
        415,
        noop("This file is not a photo we can read."),
        noop("Send a photo as JPEG, PNG, WebP or HEIC, as phones take them."),
    ),
    "photo_too_many_pixels": Outcome(
        422,
        noop("The photo has more than 50 megapixels, or 40 as PNG or WebP."),
        noop("Send a smaller copy, or set the camera to a normal size."),
    ),
    "photo_too_many_scans": Outcome(
        422,
        noop("The photo is stored in a way we do not open."),
        noop("Save it again as an ordinary JPEG and send that."),
    ),
    "photo_animated": Outcome(
        422, noop("This picture moves, and a selfie has to hold still."), noop("Send a single still photo.")
    ),
    "photo_too_small": Outcome(
        422, noop("The photo is too small to make a film of it."), noop("Send the original instead of a thumbnail.")
    ),
    "photo_unreadable": Outcome(
        422, noop("The photo is damaged or incomplete."), noop("Send it once more, or choose another photo.")
    ),
    "photo_too_dark": Outcome(
        422, noop("The photo is almost black."), noop("Take it again with some light on your face.")
    ),
    "no_face": Outcome(
        422,
        noop("We could not find a face in this photo."),
        noop("Use a photo where one face looks at the camera, in good light."),
    ),
    "face_too_small": Outcome(
        422, noop("The face in this photo is too small."), noop("Come closer, or crop the photo around one face.")
    ),
    "face_cut_off": Outcome(
        422,
        noop("Part of the face is outside of this photo."),
        noop("Use a photo that shows both eyes, nose and mouth, best with the whole head."),
    ),
    "face_too_dark": Outcome(
        422,
        noop("The face in this photo lies in the dark."),
        noop("Turn towards the light, so that it falls on your face and not into the camera."),
    ),
}


class BadPhoto(Exception):
    """A photo that is refused, with a code of OUTCOMES.

    `detail` is for logs only; it is technical and holds nothing from the picture.
    """

    def __init__(self, code: str, detail: str = "") -> None:
        outcome = OUTCOMES[code]
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code
        self.detail = detail
        self.status = outcome.status
        self.message = outcome.message
        self.next_step = outcome.next_step
