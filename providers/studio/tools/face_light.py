"""How kind a film's light is: teeth and whites of the eyes beside the photo's, and highlights that clip in the face."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from providers.faces.vision import FACE_OVAL, LIT_CENTRE
from providers.studio.film.canvas import FRAME_HEIGHT, FRAME_WIDTH, apply
from providers.studio.film.person.skin import LUMA
from providers.studio.film.person.subject import Subject
from providers.studio.film.person.whites import EYES, TEETH, inner_lips, lid_ring, whiteness

CLIPPED = 252  # of 255
FEWEST = 25  # pixels: fewer are not judged
MOST_DULL = 0.12  # of L*: how much of their lightness beside skin whites may lose
MOST_TINTED = 9.0  # of chroma: how much more than in the photo they may have
MOST_CLIPPED_FACE = 0.005  # share of the face


@dataclass(frozen=True)
class Whites:
    """Teeth, or the whites of the eyes, in CIELAB."""

    lightness: float  # L* as a share of the skin's
    chroma: float


@dataclass(frozen=True)
class FaceLight:
    """What a film's bare face shows, and its photo; None where the photo shows no teeth or no whites."""

    teeth: tuple[Whites, Whites] | None  # in the photo, in the film
    eyes: tuple[Whites, Whites] | None
    clipped: float  # share of the face's pixels of which a channel clips


def face_light(subject: Subject, to_frame: np.ndarray, film: np.ndarray) -> FaceLight:
    """Compare a bare close-up (BGR, of the frame's size) with the photo, through a photo → frame matrix."""
    photo = cv2.warpAffine(subject.photo.pixels, to_frame, (FRAME_WIDTH, FRAME_HEIGHT))
    points = apply(to_frame, subject.mesh.points[:, :2])
    centre, oval = _filled([points[list(LIT_CENTRE)]]), _filled([points[list(FACE_OVAL)]])
    pictures = [picture.astype(np.float32) / 255 for picture in (photo, film)]
    skins = [_lab(picture[centre])[0] for picture in pictures]
    luma = float((pictures[0][centre] @ LUMA).mean())

    def both(rings: list[np.ndarray], from_light: tuple[float, float]) -> tuple[Whites, Whites] | None:
        white = _filled(rings) & (whiteness(pictures[0], luma, from_light) > 0.6)
        if white.sum() < FEWEST:
            return None
        labs = [_lab(picture[white]) for picture in pictures]
        one, other = (Whites(lab[0] / max(skin, 1.0), lab[1]) for lab, skin in zip(labs, skins, strict=True))
        return one, other

    lids = [apply(to_frame, lid_ring(eye)) for eye in subject.eyes]
    clipped = float((film[oval].max(1) >= CLIPPED).mean())
    return FaceLight(both([inner_lips(points)], TEETH.from_light), both(lids, EYES.from_light), clipped)


def _filled(rings: list[np.ndarray]) -> np.ndarray:
    mask = np.zeros((FRAME_HEIGHT, FRAME_WIDTH), np.uint8)
    for ring in rings:
        cv2.fillPoly(mask, [np.round(ring).astype(np.int32)], 1)
    return mask > 0


def _lab(pixels: np.ndarray) -> tuple[float, float]:
    """L* and chroma of the mean of BGR pixels, n x 3, 0..1."""
    mean = pixels.mean(0).astype(np.float32)[None, None]
    lightness, a, b = cv2.cvtColor(mean, cv2.COLOR_BGR2LAB)[0, 0].tolist()
    return lightness, float(np.hypot(a, b))


def unkind(light: FaceLight) -> list[str]:
    """What is wrong with the light on a face, as sentences without a subject."""
    broken = []
    for name, pair in (("teeth", light.teeth), ("whites of the eyes", light.eyes)):
        if pair is None:
            continue
        photo, film = pair
        if film.lightness < photo.lightness - MOST_DULL:
            broken.append(f"{name} lost light ({photo.lightness:.2f} to {film.lightness:.2f} of the skin's)")
        if film.chroma > photo.chroma + MOST_TINTED:
            broken.append(f"{name} took colour (chroma {photo.chroma:.0f} to {film.chroma:.0f})")
    if light.clipped > MOST_CLIPPED_FACE:
        broken.append(f"{light.clipped:.1%} of the face clips")
    return broken
