"""Replaces the light in the photo by the light of the city.

The hero gets a height field (an inflated matte for the body, the mesh for the face), its
normals get four lights (left, right, key, a headlight that sweeps past), and the photo
is graded. Heights and lights are made at half the plate's size; only the rows in which
the photo can be seen are worked on, the armour covers the rest.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from providers.faces.vision import CHIN, FACE_OVAL, LIT_CENTRE
from providers.studio.film.canvas import (
    PLATE_HEIGHT,
    PLATE_WIDTH,
    Colour,
    bgr,
    blur,
    smoothsteps,
    to_byte,
    to_unit,
    wide_blur,
)
from providers.studio.film.looks import Look

from .cutout import Cutout
from .skin import LUMA, Grade, centre_mask, wanted_colour, wanted_luma
from .tint import tint
from .whites import whiten

HALF_WIDTH, HALF_HEIGHT = PLATE_WIDTH // 2, PLATE_HEIGHT // 2
HEADROOM = 2  # light masks reach 2 before they are cut off
BAND = 48  # rows graded at a time
SHIELD_SIZE = 0.58  # of the face: its middle, which keeps its own colour
SHIELDED = 0.96  # share of the coloured lights that the middle of the face does not get
SHIELDED_SIDES = 0.50  # and the rest of it
USUAL_GAIN = 0.85  # of the coloured lights, over the film
# What the coloured lights keep where a channel of the base has a value: all up to a fifth, a little at the top.
ROOM = np.clip(np.linspace(1.20, -0.08, 256) * 255, 0.05 * 255, 255).astype(np.uint8)
SOFTENED, SOFT_KEY, LIFTED = 0.75, 0.05, 0.06  # share and width (face heights) of the key's blur on a face; its lift
BRIGHT_CLOTH, CLOTH_KEPT = 1.15, 0.30  # luma, as a share of the face's; share that is kept of what is brighter
# Of cloth: how far a colour is from the skin's, luma as a share of the skin's, and how vivid a colour is, 0..1.
NO_SKIN, PALE_CLOTH, VIVID = (0.14, 0.22), (0.75, 1.05), (0.14, 0.26)
CHEEKS, COLLAR = 0.50, 0.30  # face heights above the chin: where a headscarf is looked for, and where collars begin
BODY_RADIUS = 0.23  # of the face's height: how thick the body is modelled


@dataclass
class Figure:
    """The hero in layers that are blended per frame. All are of the plate's size unless noted."""

    cutout: Cutout
    alpha: np.ndarray  # float32 0..1
    base: np.ndarray  # BGRA uint8: the graded photo in key light; alpha is the silhouette
    left: np.ndarray  # BGRA uint8, alpha 0: what the left light adds
    right: np.ndarray
    sweep: np.ndarray
    triangles: np.ndarray  # n x 3 mesh point numbers


@dataclass(frozen=True)
class _Normals:
    x: np.ndarray  # to the right
    y: np.ndarray  # downwards
    z: np.ndarray  # to the camera

    def facing(self, *direction: float) -> np.ndarray:
        """How much each pixel faces a light, 0..1."""
        x, y, z = np.array(direction, np.float32) / np.float32(np.linalg.norm(direction))
        return np.clip(self.x * x + self.y * y + self.z * z, 0, None)


def triangulate(points: np.ndarray) -> np.ndarray:
    """Delaunay triangles of 2-D points, as n x 3 point numbers."""
    low, high = points.min(0) - 5, points.max(0) + 5
    width, height = (high - low).astype(int) + 2
    plane = cv2.Subdiv2D((0, 0, int(width), int(height)))
    numbers = {}
    for number, (x, y) in enumerate((points - low).tolist()):
        plane.insert((x, y))
        numbers[round(x, 2), round(y, 2)] = number
    triangles = []
    for corners in np.asarray(plane.getTriangleList()).tolist():
        triangle = [numbers.get((round(corners[i], 2), round(corners[i + 1], 2))) for i in (0, 2, 4)]
        if None not in triangle:
            triangles.append(triangle)
    return np.array(triangles, int).reshape(-1, 3)


def relight(cutout: Cutout, look: Look) -> Figure:
    """Light a cut-out hero in the look's colours."""
    rows = cutout.photo_rows
    half_rows = rows // 2
    alpha = cv2.resize(cutout.alpha, (HALF_WIDTH, HALF_HEIGHT), interpolation=cv2.INTER_AREA)
    body = _body_heights(alpha, cutout.face_height)
    triangles = triangulate(cutout.points[:, :2])
    face = _face_heights(cutout, triangles, half_rows)
    inner, blend = _face_region(cutout, half_rows)
    small = cv2.resize(cutout.colours[:rows], (HALF_WIDTH, half_rows), interpolation=cv2.INTER_AREA)
    luma = to_unit(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY))
    face_luma = float(np.median(luma[inner > 0])) if inner.any() else 0.5
    tint(cutout, face_luma)
    exposed = wanted_luma(face_luma, float(np.percentile(luma[::4, ::4], 99.5)))
    normals = _normals(body[:half_rows], face, blend, luma, cutout.scale)

    fade = 1 - 0.75 * smoothsteps(0.66, 1.0, np.linspace(0, 1, HALF_HEIGHT, dtype=np.float32))
    fade = fade[:half_rows, None]
    key = np.clip(normals.facing(-0.18, -0.45, 0.86), 0, 1)
    # The photo has the nose's own shadow: another one beside it would be a wedge.
    key += (SOFTENED * blend) * (wide_blur(key, cutout.face_height * SOFT_KEY) - key)
    key += (LIFTED * blend) * (1 - key)
    key = (0.15 + 0.84 * key**1.7 * fade) * (0.82 + 0.18 * blend)
    base, albedo = _grade(cutout, look, key, exposed / max(face_luma, 0.02))

    alpha_byte = to_byte(cutout.alpha)
    lights = _light_masks(cutout, normals, alpha[:half_rows], blend, fade, _shield(cutout, half_rows))
    left, right, sweep = (
        _light_layer(mask, rim, albedo, alpha_byte, colour, gain)
        for (mask, rim), colour, gain in zip(
            lights, (look.left_light, look.right_light, (255, 255, 255)), (1.25, 1.20, 0.48), strict=True
        )
    )
    _true_skin(cutout, base, left, right, exposed)
    _calm(base[:rows], (left[:rows], right[:rows]), blend, exposed)
    _undress(cutout, base, (left, right, sweep), look)
    whiten(cutout, base, face_luma, exposed)
    _leave_room(base[:rows], (left[:rows], right[:rows]))
    return Figure(cutout, cutout.alpha.copy(), base, left, right, sweep, triangles)


def _body_heights(alpha: np.ndarray, face_height: float) -> np.ndarray:
    """The matte inflated to a round body; half-size px."""
    radius = face_height * BODY_RADIUS
    framed = cv2.copyMakeBorder(alpha, 0, 60, 60, 60, cv2.BORDER_REPLICATE)
    distance = cv2.distanceTransform((framed > 0.5).astype(np.uint8), cv2.DIST_L2, 5)[:HALF_HEIGHT, 60:-60]
    inwards = np.clip(distance / radius, 0, 1)
    return blur(radius * np.sqrt(np.clip(1 - (1 - inwards) ** 2, 0, 1)), radius * 0.09)


def _face_heights(cutout: Cutout, triangles: np.ndarray, half_rows: int) -> np.ndarray:
    """The mesh as a height field, continued smoothly beyond its border (a step there would show as an arc)."""
    corners = cutout.points[:, :2] * 0.5
    nearness = -cutout.points[:, 2] * 0.5
    nearness = nearness - nearness.min()
    heights = np.zeros((half_rows, HALF_WIDTH), np.float32)
    fixed = np.round(corners * 16).astype(np.int32)
    for triangle in triangles:
        cv2.fillConvexPoly(heights, fixed[triangle], float(nearness[triangle].mean()) + 1, cv2.LINE_8, 4)
    known = (heights > 0).astype(np.float32)
    # Normalised convolution: blur(heights) / blur(where they are known), at three widths.
    fine_known = blur(known, cutout.face_height * 0.014)
    fine = blur(heights, cutout.face_height * 0.014) / np.maximum(fine_known, 0.02)
    quarter = [cv2.resize(x, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA) for x in (heights, known)]
    near, near_known = (blur(x, cutout.face_height * 0.06 / 4) for x in quarter)
    far, far_known = (blur(x, cutout.face_height * 0.25 / 4) for x in quarter)
    near = np.where(near_known > 1e-4, near / np.maximum(near_known, 1e-4), 0)
    near_weight = np.clip(near_known * 20, 0, 1)
    coarse = near * near_weight + far / np.maximum(far_known, 1e-6) * (1 - near_weight)
    coarse = cv2.resize(coarse, (HALF_WIDTH, half_rows), interpolation=cv2.INTER_LINEAR)
    weight = np.clip(fine_known * 2 - 0.4, 0, 1)
    return weight * fine + (1 - weight) * coarse


def _face_region(cutout: Cutout, half_rows: int) -> tuple[np.ndarray, np.ndarray]:
    """The inside of the face's oval (uint8), and how much to trust the mesh there (float32 0..1)."""
    oval = np.zeros((half_rows, HALF_WIDTH), np.uint8)
    cv2.fillPoly(oval, [np.round(cutout.points[list(FACE_OVAL), :2] * 0.5).astype(np.int32)], 255)
    margin = max(3, int(cutout.face_height * 0.05))
    inner = cv2.erode(oval, np.ones((margin, margin), np.uint8))
    return inner, blur(to_unit(inner), margin * 0.8)


def _shield(cutout: Cutout, half_rows: int) -> np.ndarray:
    """1, falling towards the middle of the face to the small share of coloured light that it may get."""
    oval, lit = (cutout.points[list(ring), :2] * 0.5 for ring in (FACE_OVAL, LIT_CENTRE))
    middle = np.vstack([_grown(oval, SHIELD_SIZE), _grown(lit, 1.4)])  # a turned face's lit centre is not in its middle
    mask = np.zeros((half_rows, HALF_WIDTH), np.uint8)
    cv2.fillPoly(mask, [np.round(oval).astype(np.int32)], int(255 * SHIELDED_SIDES / SHIELDED))
    cv2.fillConvexPoly(mask, cv2.convexHull(np.round(middle).astype(np.int32)), 255)
    return 1 - SHIELDED * to_unit(wide_blur(mask, cutout.face_height * 0.06))


def _grown(ring: np.ndarray, times: float) -> np.ndarray:
    return ring.mean(0) + (ring - ring.mean(0)) * times


def _true_skin(cutout: Cutout, base: np.ndarray, left: np.ndarray, right: np.ndarray, luma: float) -> None:
    """Grade the base layer so that, with the lights on it, the lit centre has the photo's hue and the luma given."""
    low, high = cutout.points[list(LIT_CENTRE), :2].min(0), cutout.points[list(LIT_CENTRE), :2].max(0)
    x, y = np.maximum(low.astype(int), 0).tolist()
    far_x, far_y = min(PLATE_WIDTH, int(high[0]) + 2), min(cutout.photo_rows, int(high[1]) + 2)
    if far_x <= x or far_y <= y:
        return
    window = np.s_[y:far_y, x:far_x]
    mask = centre_mask(cutout.points, x, y, far_x - x, far_y - y)
    if not mask.any():
        return
    photo, from_left, from_right = (
        np.array(cv2.mean(plate[window], mask)[:3]) for plate in (cutout.colours, left, right)
    )
    wanted = wanted_colour(photo, luma)
    lights = (from_left + from_right) * USUAL_GAIN * ROOM[np.clip(wanted, 0, 255).astype(int)] / 255
    grade = Grade(base[window][mask > 0][:, :3], lights, wanted)
    shown = np.flatnonzero(base[: cutout.photo_rows, :, 3].max(0))
    grade.apply(base[: cutout.photo_rows, shown[0] : shown[-1] + 1], 0.08 * cutout.face_height)


def _calm(base: np.ndarray, lights: tuple[np.ndarray, ...], blend: np.ndarray, luma: float) -> None:
    """Dim what is much brighter than the face around it, a scarf or a collar, in the base layer and the lights."""
    size = blend.shape[1] // 2, blend.shape[0] // 2
    small = cv2.resize(base, size, interpolation=cv2.INTER_AREA)[..., :3] @ LUMA / (255 * luma)
    over = np.maximum(blur(small.astype(np.float32), 2) - BRIGHT_CLOTH, 0)
    if over.max() < 0.05:
        return
    dimmed = over * (1 - CLOTH_KEPT) / (BRIGHT_CLOTH + over)
    dimmed *= 1 - cv2.resize(blend, size, interpolation=cv2.INTER_AREA)
    kept = cv2.resize(to_byte(1 - dimmed), base.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    kept = cv2.merge([kept, kept, kept, np.full_like(kept, 255)])
    for layer in (base, *lights):
        cv2.multiply(layer, kept, layer, 1 / 255)


def _undress(cutout: Cutout, base: np.ndarray, layers: tuple[np.ndarray, ...], look: Look) -> None:
    """Make the photo's collar, tie or microphone dark cloth: in the suit's opening are only skin, hair and beard.

    A headscarf, which is cloth beside the cheeks too, stays as it is.
    """
    chin, width, height = cutout.points[CHIN, :2], cutout.face_width, cutout.face_height
    top, bottom = int(chin[1] - CHEEKS * height), cutout.photo_rows
    left, right = (int(np.clip(chin[0] + side * 0.75 * width, 0, PLATE_WIDTH)) for side in (-1, 1))
    if top < 0 or bottom - top < 8 or right - left < 8:
        return
    window = np.s_[top:bottom, left:right]
    skin = np.array(cv2.mean(cutout.colours, centre_mask(cutout.points, 0, 0, PLATE_WIDTH, PLATE_HEIGHT))[:3]) / 255
    picture, alpha = blur(cutout.colours[window], 1.5).astype(np.float32) / 255, cutout.alpha[window]
    cloth, gray = _cloth(picture, skin), picture @ LUMA
    oval = np.zeros(gray.shape, np.uint8)
    cv2.fillPoly(oval, [np.round(cutout.points[list(FACE_OVAL), :2] - (left, top)).astype(np.int32)], 255)
    reach = 2 * round(0.06 * width) + 1
    beside = (cv2.dilate(oval, np.ones((1, reach), np.uint8)) > oval) & (alpha > 0.8)
    beside[int((CHEEKS - COLLAR) * height) :] = False
    if beside.sum() > 50 and cloth[beside].mean() > 0.35:
        return
    # Beside the jaw the cloth begins at once, in the middle below a beard.
    middle, axes = (int(chin[0]) - left, int(chin[1]) - top), (int(0.24 * width), int(0.15 * height))
    cv2.ellipse(oval, middle, axes, 0, 0, 180, 255, -1)
    cloth *= 1 - np.minimum(1, 1.6 * to_unit(blur(oval, 0.018 * height)))
    cloth *= 1 - smoothsteps(0.62, 0.75, np.abs(np.arange(left, right, dtype=np.float32) - chin[0]) / width)
    rows = np.arange(bottom - top, dtype=np.float32) / height - (CHEEKS - COLLAR)
    cloth *= smoothsteps(0, 0.10, rows)[:, None]
    cloth = blur(cv2.dilate(cloth.astype(np.float32), np.ones((5, 5), np.uint8)), 2.0)
    under = base[window][..., :3].astype(np.float32)
    dark = bgr(look.suit.cloth) * ((0.35 + 0.45 * gray * alpha) * alpha)[..., None]
    dark = np.minimum(dark, np.maximum(under, 6))
    base[window][..., :3] = np.clip(under + (dark - under) * cloth[..., None], 0, 255).astype(np.uint8)
    kept = to_byte(1 - 0.75 * cloth)
    kept = cv2.merge([kept, kept, kept, np.full_like(kept, 255)])
    for layer in layers:
        cv2.multiply(layer[window], kept, layer[window], 1 / 255)


def _cloth(picture: np.ndarray, skin: np.ndarray) -> np.ndarray:
    """How much each pixel (BGR, 0..1) looks like pale or vivid cloth beside a mean colour of skin, 0..1.

    Skin has about the same shares of red and blue in any light. What is dark and gray may be hair.
    """
    share = picture / np.maximum(picture.sum(2, keepdims=True), 0.05)
    off = smoothsteps(*NO_SKIN, np.abs(share - (skin / skin.sum()).astype(np.float32)).sum(2))
    pale = smoothsteps(*PALE_CLOTH, picture @ LUMA / max(float(skin @ LUMA), 0.05))
    return off * np.maximum(pale, smoothsteps(*VIVID, picture.max(2) - picture.min(2)))


def _leave_room(base: np.ndarray, lights: tuple[np.ndarray, ...]) -> None:
    """Dim the city's lights where a channel of the base is bright already: pale hair and foreheads would burn."""
    room = cv2.LUT(base, ROOM)
    for light in lights:
        cv2.multiply(light, room, light, 1 / 255)


def _slopes(heights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    across = cv2.Sobel(heights, cv2.CV_32F, 1, 0, ksize=3, scale=1 / 8)
    return across, cv2.Sobel(heights, cv2.CV_32F, 0, 1, ksize=3, scale=1 / 8)


def _normals(body: np.ndarray, face: np.ndarray, blend: np.ndarray, luma: np.ndarray, scale: float) -> _Normals:
    body_x, body_y = _slopes(body)
    face_x, face_y = _slopes(face)
    # The photo's fine detail is read as bumps; an enlarged photo has fewer, or hair would look etched.
    bump_x, bump_y = _slopes(blur(luma, 1.0) - blur(luma, 7))
    bumps = 26 * (1 - 0.72 * blend) * float(np.clip(1.25 / scale, 0.22, 1))
    slope_x = body_x * (1 - blend) + face_x * (1.25 * blend) + _limited(bump_x * bumps)
    slope_y = body_y * (1 - blend) + face_y * (1.1 * blend) + _limited(bump_y * bumps)
    length = 1 / np.sqrt(slope_x * slope_x + slope_y * slope_y + 1)
    return _Normals(-slope_x * length, -slope_y * length, length)


def _limited(slopes: np.ndarray) -> np.ndarray:
    """Limit slopes to 0.6, because hair with high contrast would look like metal."""
    return slopes / (1 + np.abs(slopes) * (1 / 0.6))


def _light_masks(
    cutout: Cutout, normals: _Normals, alpha: np.ndarray, blend: np.ndarray, fade: np.ndarray, shield: np.ndarray
) -> list[tuple[np.ndarray, np.ndarray | None]]:
    """For the left, the right and the sweeping light: what the skin reflects, and what shines regardless of it."""
    rows = np.arange(alpha.shape[0], dtype=np.float32)
    chin = cutout.points[CHIN, 1] * 0.5
    body = smoothsteps(chin - 4, chin + cutout.face_height * 0.12, rows)[:, None]
    weight = (1 + 0.9 * (1 - blend) * body) * fade
    masks: list[tuple[np.ndarray, np.ndarray | None]] = []
    for side, direction, gain in ((1, (-0.92, -0.18, 0.10), 1.12), (-1, (0.92, -0.10, 0.06), 1.0)):
        rim = blur(_rim(alpha, side * 4, 1.5), 1.8) * 0.55 + blur(_rim(alpha, side * 13, 3.5), 4.5) * 0.5
        skin = (normals.facing(*direction) ** 1.5 * gain * shield + rim * 0.55) * weight
        masks.append((skin, rim * 0.32 * weight))
    masks.append((normals.facing(0.45, -0.2, 0.75) ** 3 * fade, None))
    return masks


def _rim(alpha: np.ndarray, right: float, down: float) -> np.ndarray:
    """The edge of the matte that looks towards the light."""
    shift = np.array([[1, 0, right], [0, 1, down]], np.float32)
    moved = cv2.warpAffine(alpha, shift, alpha.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)
    return np.clip(alpha - moved, 0, 1)


def _light_layer(
    mask: np.ndarray, rim: np.ndarray | None, albedo: np.ndarray, alpha: np.ndarray, colour: Colour, gain: float
) -> np.ndarray:
    """Paint light masks (half size) in a colour, on plate-size skin."""
    rows = albedo.shape[0]

    def enlarge(values: np.ndarray) -> np.ndarray:
        byte = np.clip(values * (255 / HEADROOM), 0, 255).astype(np.uint8)
        return cv2.resize(byte, (PLATE_WIDTH, rows), interpolation=cv2.INTER_LINEAR)

    light = cv2.multiply(enlarge(mask), albedo, scale=1 / 255)
    if rim is not None:
        light = cv2.add(light, enlarge(rim))
    light = cv2.multiply(light, alpha[:rows], scale=1 / 255)
    layer = np.zeros((PLATE_HEIGHT, PLATE_WIDTH, 4), np.uint8)
    channels = [cv2.convertScaleAbs(light, alpha=value * gain * HEADROOM / 255) for value in colour[::-1]]
    cv2.merge([*channels, np.zeros_like(light)], layer[:rows])
    return layer


def _grade(cutout: Cutout, look: Look, key: np.ndarray, gain: float) -> tuple[np.ndarray, np.ndarray]:
    """Grade the photo and put it in key light. Return the base layer, and the skin's albedo for the other lights."""
    rows, middle, reach = cutout.photo_rows, cutout.points[CHIN, 0], 1.8 * 0.8 * cutout.face_height
    left, right = int(max(0, middle - reach)), int(min(PLATE_WIDTH, middle + reach))
    shown = np.where(cutout.alpha[:rows, left:right].max(0) > 0.002)[0]
    if len(shown):
        left, right = left + int(shown[0]), left + int(shown[-1]) + 1
    exposure = float(np.clip(gain, 0.55, 5.0))
    key = cv2.resize(key, (PLATE_WIDTH, rows), interpolation=cv2.INTER_LINEAR)
    albedo = np.zeros((rows, PLATE_WIDTH), np.uint8)
    base = np.zeros((PLATE_HEIGHT, PLATE_WIDTH, 4), np.uint8)
    base[..., 3] = to_byte(cutout.alpha)
    for top in range(0, rows, BAND):  # bands stay in the processor's cache: three times as fast
        band = np.s_[top : min(rows, top + BAND), left:right]
        picture = to_unit(cutout.colours[band])
        gray = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
        bright = _rolled_off(gray * exposure)
        albedo[band] = to_byte(0.06 + 0.86 * bright)
        picture = _graded(picture, gray[..., None], bright[..., None], look)
        picture *= (key[band] * 255 * cutout.alpha[band])[..., None]
        base[band][..., :3] = np.clip(picture, 0, 255)
    return base, albedo


def _rolled_off(light: np.ndarray) -> np.ndarray:
    """Compress light above the middle to below 0.85, for white cloth beside dark skin."""
    over = np.maximum(light - 0.5, 0)
    return np.minimum(light, 0.5) + over / (1 + over * (1 / 0.35))


def _graded(picture: np.ndarray, gray: np.ndarray, bright: np.ndarray, look: Look) -> np.ndarray:
    """Bring luma from `gray` to `bright`; less saturation, an S-curve, cool shadows, the look's highlights; 0..1."""
    picture = bright + (picture * (bright / np.maximum(gray, 1e-3)) - bright) * np.float32(0.82)
    picture = picture * (0.55 + 0.45 * picture * (3 - 2 * np.minimum(picture, 1)))
    cool = np.array([1.07, 1.0, 0.95], np.float32)
    warm = 1 + (bgr(look.highlight) / 255 - 1) * np.float32(0.45)
    picture *= (1 - bright) * cool + bright * warm
    picture += (1 - np.clip(bright * 1.6, 0, 1)) * (bgr(look.shadow) / 255 * 0.36)
    return picture
