"""The material of the city: facades, neon signs, and the planes of the street that they are projected onto.

Space is measured in metres-like units: x to the right, y down, z away from the camera,
the camera at the origin, the ground at y = 3.2.
"""

from __future__ import annotations

import cv2
import numpy as np

from providers.studio.film.canvas import (
    FOCAL_LENGTH,
    PLATE_HEIGHT,
    PLATE_WIDTH,
    VANISHING_POINT,
    Colour,
    bgr,
    blur,
    to_unit,
)
from providers.studio.film.titles.lettering import vertical_mask

GROUND = 3.2
WALL = np.array([34, 19, 16], np.float32)  # BGR of unlit concrete

Corner = tuple[float, float, float]


def project(point: Corner) -> tuple[float, float]:
    """Where a point of the street lies on the plate, in px."""
    x, y, z = point
    return VANISHING_POINT[0] + FOCAL_LENGTH * x / z, VANISHING_POINT[1] + FOCAL_LENGTH * y / z


def fog_at(z: float) -> float:
    """The share of fog at a distance, 0..1."""
    return 1 - np.exp(-(z - 6) / 34)


def facade(
    random: np.random.Generator,
    width: int,
    height: int,
    colours: tuple[Colour, ...],
    cell: tuple[int, int] = (7, 11),
    lit: float = 0.32,
) -> np.ndarray:
    """A wall of windows, float32 BGR; `lit` is the share of lit windows, `cell` the size of one in px."""
    cell_width, cell_height = cell
    across, down = max(1, -(-width // cell_width)), max(1, -(-height // cell_height))
    on = (random.random((down, across)) < lit).astype(np.float32)
    on *= random.random((down, 1)) > 0.18  # dark floors
    on = np.maximum(on, (random.random((down, 1)) < 0.05) * (random.random((down, across)) < 0.85))  # lit floors
    brightness = (on * random.uniform(0.22, 1.15, (down, across)) ** 1.4)[..., None] * 1.15
    palette = np.array([bgr(colour) for colour in colours], np.float32)
    windows = palette[random.choice(4, (down, across), p=np.array([0.5, 0.22, 0.14, 0.14]))] * brightness
    texture = np.kron(windows, np.ones((cell_height, cell_width, 1), np.float32))
    pane = np.zeros((cell_height, cell_width, 1), np.float32)
    pane[2 : cell_height - 3, 1 : cell_width - 1] = 1
    texture *= np.tile(pane, (down, across, 1))
    wall = np.ones((down * cell_height, across * cell_width, 3), np.float32) * WALL * random.uniform(0.6, 1.25)
    wall *= 0.75 + 0.25 * np.tile((np.arange(cell_height) > 1)[:, None, None], (down, across * cell_width, 1))
    texture = np.maximum(texture, wall)
    for column in range(0, across, int(random.integers(4, 9))):  # pilasters
        texture[:, column * cell_width : column * cell_width + 2] *= 0.35
    return np.clip(texture[:height, :width], 0, 255)


def sign_texture(text: str, colour: Colour, size: int = 64, margin: int = 18, filled: bool = False) -> np.ndarray:
    """A vertical neon sign, float32 BGR: glowing tubes, or dark letters on a lit box."""
    letters = to_unit(vertical_mask(text, size, margin))
    height, width = letters.shape
    frame = np.zeros((height, width), np.float32)
    cv2.rectangle(frame, (5, 5), (width - 6, height - 6), 1, 3, cv2.LINE_AA)
    tone = bgr(colour)
    if filled:
        ink = np.array([20, 10, 10], np.float32)
        return np.clip(tone * 0.85 * (1 - letters[..., None]) + letters[..., None] * ink, 0, 255)
    tubes = np.maximum(letters, frame)
    texture = tubes[..., None] * (tone * 0.55 + 255 * 0.45) + blur(tubes, 6)[..., None] * tone * 0.9
    return np.clip(np.maximum(texture, tone * 0.10), 0, 255)


def hologram_texture(text: str, colour: Colour) -> np.ndarray:
    """Giant letters of light: outlines and scan lines, float32 BGR, to be added."""
    letters = to_unit(vertical_mask(text, 150, 30))
    lines = (np.arange(letters.shape[0]) % 5 < 3)[:, None] * 0.75 + 0.25
    outline = np.clip(letters - cv2.erode(letters, np.ones((7, 7))) * 0.72, 0, 1)
    return ((outline * 0.95 + blur(letters, 9) * 0.55) * lines)[..., None] * bgr(colour) * 1.25


class Plane:
    """One depth of the street on its own plate, so that the camera's moves shift depths against each other."""

    def __init__(self) -> None:
        self.colours = np.zeros((PLATE_HEIGHT, PLATE_WIDTH, 3), np.float32)  # BGR, premultiplied
        self.alpha = np.zeros((PLATE_HEIGHT, PLATE_WIDTH), np.float32)

    def put(
        self,
        texture: np.ndarray,
        corners: list[Corner],
        fog: float,
        fog_colour: np.ndarray,
        *,
        alpha: float = 1.0,
        add: bool = False,
        outline: np.ndarray | None = None,
    ) -> None:
        """Project a texture onto four corners (clockwise from its top left), over what is there.

        `outline` (0..1, of the texture's size) is the texture's alpha; without it the texture is opaque.
        """
        if outline is not None:  # premultiplied, so that shrinking does not mix in colour from outside
            texture = np.dstack([texture * outline[..., None], outline])
        projected = project_texture(texture, corners)
        if projected is None:
            return
        region, drawn, cover = projected
        if outline is not None:
            inside = drawn[..., 3:]
            drawn, cover = drawn[..., :3] / np.maximum(inside, 1e-3), cover * inside
        cover = cover * np.float32(alpha)
        drawn = drawn * (1 - fog) + np.asarray(fog_colour, np.float32) * fog
        if add:
            self.colours[region] += drawn * cover
            return
        self.colours[region] = self.colours[region] * (1 - cover) + drawn * cover
        self.alpha[region] = self.alpha[region] * (1 - cover[..., 0]) + cover[..., 0]


def project_texture(
    texture: np.ndarray, corners: list[Corner], margin: int = 1
) -> tuple[tuple[slice, slice], np.ndarray, np.ndarray] | None:
    """Project a texture onto four corners: the region of the plate, the drawing in it, and its cover (0..1, h x w x 1).

    None when too little of it is on the plate.
    """
    height, width = texture.shape[:2]
    placed = np.array([project(corner) for corner in corners], np.float32)
    left, top = np.maximum(np.floor(placed.min(0)).astype(int) - margin, 0).tolist()
    far_x, far_y = np.ceil(placed.max(0)).astype(int).tolist()
    right, bottom = min(PLATE_WIDTH, far_x + 1 + margin), min(PLATE_HEIGHT, far_y + 1 + margin)
    if right - left < 2 or bottom - top < 2:
        return None
    local = placed - np.array([left, top], np.float32)
    source = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    matrix = cv2.getPerspectiveTransform(source, local)
    extent = placed.max(0) - placed.min(0)
    shrink = max(1.0, min(width / max(extent[0], 1), height / max(extent[1], 1)))
    if shrink > 1.5:  # warpPerspective does not average; without this, windows flicker
        size = (max(2, int(width / shrink)), max(2, int(height / shrink)))
        texture = cv2.resize(texture, size, interpolation=cv2.INTER_AREA)
        matrix = matrix @ np.diag([width / texture.shape[1], height / texture.shape[0], 1])
    window = (right - left, bottom - top)
    drawn = cv2.warpPerspective(texture, matrix, window, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    mask = np.zeros(window[::-1], np.uint8)
    cv2.fillConvexPoly(mask, (local * 16).astype(np.int32), 255, cv2.LINE_AA, 4)
    return np.s_[top:bottom, left:right], drawn, to_unit(mask)[..., None]


def upright(left: float, right: float, top: float, bottom: float, z: float) -> list[Corner]:
    """The corners of a rectangle that faces the camera."""
    return [(left, top, z), (right, top, z), (right, bottom, z), (left, bottom, z)]
