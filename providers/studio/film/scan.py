"""The first second: the unchanged selfie under a scanner that reveals the face's mesh.

The plain photo comes first, so that people see that the hero is them.
"""

from __future__ import annotations

import cv2
import numpy as np

from providers.faces.vision import CHIN, FOREHEAD
from providers.studio.film.person.subject import Subject, warp_photo

from .canvas import (
    FRAME_HEIGHT,
    FRAME_WIDTH,
    INVERSE,
    PLATE_HEIGHT,
    PLATE_WIDTH,
    apply,
    bgr,
    blur,
    camera,
    colour_layer,
    inverse,
    scalar,
    smoothstep,
    smoothsteps,
    to_unit,
    wide_blur,
)
from .hud import write
from .looks import Look

EMPTY = np.array([40, 30, 28], np.float32)  # BGR behind transparent photos
LEAST_FACE, MOST_FACE = 0.27, 0.56  # of the plate's height
DARKER = 0.45  # how much darker it gets far beyond the photo's edges
LINE_GLOW = 90  # px above and below the scan line


class Scan:
    def __init__(self, subject: Subject, look: Look, triangles: np.ndarray) -> None:
        self._look = look
        photo, scale, x, y = self._framed(subject)
        self._points = subject.mesh.points[:, :2] * scale + np.array([x, y])  # on the plate
        self._plain = cv2.cvtColor(photo, cv2.COLOR_BGR2BGRA)
        self._meshed = cv2.cvtColor(self._with_mesh(photo, triangles), cv2.COLOR_BGR2BGRA)
        self._plate = np.empty_like(self._plain)

    def draw(self, progress: float, seconds: float, out: np.ndarray) -> None:
        """Draw the shot into `out`, at 0..1 of its length."""
        glow_colour = scalar(self._look.visor_colour)
        line = int(PLATE_HEIGHT * (0.06 + 1.0 * smoothstep(0.10, 0.82, progress)))  # plate row the scanner is at
        np.copyto(self._plate[:line], self._meshed[:line])
        if line < PLATE_HEIGHT:
            np.copyto(self._plate[line:], self._plain[line:])
            self._plate[max(0, line - 3) : line + 3] = (*glow_colour[:3], 255)
        matrix = self._camera(progress)
        cv2.warpAffine(self._plate, inverse(matrix), (FRAME_WIDTH, FRAME_HEIGHT), out, INVERSE, cv2.BORDER_REPLICATE)
        self._shine_line(out, int(matrix[1, 1] * line + matrix[1, 2]))
        box = self._bracket(out, matrix, progress)
        self._report(out, box, progress, seconds)

    def _camera(self, progress: float) -> np.ndarray:
        """A slow push towards the face that never leaves the plate."""
        ease = smoothstep(0, 1, progress)
        zoom = 1.02 + 0.10 * ease
        face = self._points[[FOREHEAD, CHIN]].mean(0)
        x = PLATE_WIDTH / 2 + (face[0] - PLATE_WIDTH / 2) * 0.5 * ease
        y = PLATE_HEIGHT / 2 + (face[1] - PLATE_HEIGHT / 2) * 0.5 * ease
        scale = zoom * FRAME_WIDTH / PLATE_WIDTH
        half_width, half_height = FRAME_WIDTH / 2 / scale, FRAME_HEIGHT / 2 / scale
        x = min(max(x, half_width), PLATE_WIDTH - half_width)
        y = min(max(y, half_height), PLATE_HEIGHT - half_height)
        return camera(zoom, x, y)

    def _shine_line(self, out: np.ndarray, y: int) -> None:
        if not 0 < y < FRAME_HEIGHT:
            return
        fall = np.exp(-np.abs(np.arange(-LINE_GLOW, LINE_GLOW)) / 26.0)[:, None] * 255
        top, bottom = max(0, y - LINE_GLOW), min(FRAME_HEIGHT, y + LINE_GLOW)
        mask = np.repeat(fall[top - y + LINE_GLOW : bottom - y + LINE_GLOW].astype(np.uint8), FRAME_WIDTH, axis=1)
        cv2.add(out[top:bottom], colour_layer(mask, bgr(self._look.visor_colour), 0.5), out[top:bottom])

    def _bracket(self, out: np.ndarray, matrix: np.ndarray, progress: float) -> tuple[int, int, int, int]:
        """Brackets close in on the face."""
        points = apply(matrix, self._points)
        (left, top), (right, bottom) = points.min(0) - [34, 64], points.max(0) + 26
        loose = 40 * (1 - smoothstep(0, 0.35, progress))
        left, top = int(max(30, left - loose)), int(max(120, top - loose))
        right, bottom = int(min(FRAME_WIDTH - 30, right + loose)), int(min(FRAME_HEIGHT - 40, bottom + loose))
        arm, colour = int((right - left) * 0.16), scalar(self._look.visor_colour)
        corners = ((left, top, 1, 1), (right, top, -1, 1), (left, bottom, 1, -1), (right, bottom, -1, -1))
        for x, y, across, down in corners:
            cv2.line(out, (x, y), (x + across * arm, y), colour, 3, cv2.LINE_AA)
            cv2.line(out, (x, y), (x, y + down * arm), colour, 3, cv2.LINE_AA)
        return left, top, right, bottom

    def _report(self, out: np.ndarray, box: tuple[int, int, int, int], progress: float, seconds: float) -> None:
        percent = min(100.0, progress * 118)
        x, y = min(max(40, box[0]), FRAME_WIDTH - 412), min(FRAME_HEIGHT - 150, box[3] + 16)
        panel = out[y : y + 86, x : x + 372]
        cv2.multiply(panel, (0.38, 0.38, 0.38, 1), panel)
        colour = scalar(self._look.visor_colour)
        cv2.rectangle(out, (x, y), (x + 3, y + 85), colour, -1)
        write(out, f"CASTING THE LEAD {percent:03.0f}%", 25, x + 16, y + 6, self._look.visor_colour)
        cv2.rectangle(out, (x + 16, y + 44), (x + 16 + int(3.35 * percent), y + 49), colour, -1)
        if progress > 0.62:
            blink = (255, 255, 255) if int(seconds * 14) % 2 else self._look.left_light
            write(out, "HERO FOUND", 22, x + 16, y + 52, blink)

    @staticmethod
    def _framed(subject: Subject) -> tuple[np.ndarray, float, float, float]:
        """Fit the photo to the plate: it fills it, or where the face would be too large it goes on beyond its edges.

        Return the plate with the photo's scale and its top left corner.
        """
        pixels = subject.photo.pixels
        height, width = pixels.shape[:2]
        filling = max(PLATE_WIDTH / width, PLATE_HEIGHT / height)
        scale = max(filling, LEAST_FACE * PLATE_HEIGHT / subject.face_height)
        scale = min(scale, max(MOST_FACE * PLATE_HEIGHT / subject.face_height, PLATE_WIDTH / width))
        points = subject.mesh.points[:, 0]
        middle = float(points.min() + points.max()) / 2
        x = _kept_on_plate(PLATE_WIDTH / 2 - scale * middle, width * scale, PLATE_WIDTH)
        y = _kept_on_plate(PLATE_HEIGHT * 0.44 - scale * subject.centre[1], height * scale, PLATE_HEIGHT)
        matrix = np.array([[scale, 0, x], [0, scale, y]], np.float32)
        photo = warp_photo(pixels, matrix, scale, sharp_from=1.4, border=cv2.BORDER_REFLECT_101)
        if scale < filling:
            photo = _blurred_beyond(photo, (x, y, x + width * scale, y + height * scale))
        if subject.photo.alpha is not None:
            alpha = to_unit(cv2.warpAffine(subject.photo.alpha, matrix, (PLATE_WIDTH, PLATE_HEIGHT)))[..., None]
            photo = (photo * alpha + EMPTY * (1 - alpha)).astype(np.uint8)
        return photo, scale, x, y

    def _with_mesh(self, photo: np.ndarray, triangles: np.ndarray) -> np.ndarray:
        """The photo, darker and desaturated, with the glowing mesh over the face."""
        gray = cv2.merge([cv2.cvtColor(photo, cv2.COLOR_BGR2GRAY)] * 3)
        dark = cv2.multiply(cv2.addWeighted(photo, 0.35, gray, 0.35, 0), (1.15, 1.0, 0.85, 0))
        mesh = np.zeros((PLATE_HEIGHT, PLATE_WIDTH), np.uint8)
        lines = [np.round(self._points[triangle] * 8).astype(np.int32) for triangle in triangles]
        cv2.polylines(mesh, lines, True, 150, 1, cv2.LINE_AA, 3)
        for x, y in self._points:
            cv2.circle(mesh, (int(x), int(y)), 2, 255, -1, cv2.LINE_AA)
        light = colour_layer(cv2.addWeighted(mesh, 0.9, blur(mesh, 5), 0.8, 0), bgr(self._look.visor_colour))
        return cv2.add(dark, light[..., :3])


def _kept_on_plate(offset: float, length: float, plate: float) -> float:
    """Clamp an offset so that a photo longer than the plate covers it, and a shorter one lies within it."""
    if length >= plate:
        return min(0.0, max(plate - length, offset))
    return min(plate - length, max(0.0, offset))


def _blurred_beyond(picture: np.ndarray, box: tuple[float, float, float, float]) -> np.ndarray:
    """Blur a plate more and more beyond the photo's box (left, top, right, bottom), where it is mirrored."""
    left, top, right, bottom = box
    columns, rows = np.arange(PLATE_WIDTH, dtype=np.float32), np.arange(PLATE_HEIGHT, dtype=np.float32)
    across = np.maximum(np.maximum(left - columns, columns - right), 0)
    down = np.maximum(np.maximum(top - rows, rows - bottom), 0)
    beyond = np.maximum(across[None], down[:, None])
    for sigma, (start, end) in ((7.0, (0.0, 90.0)), (34.0, (30.0, 300.0))):
        share = smoothsteps(start, end, beyond)[..., None]
        picture = (picture + (wide_blur(picture, sigma).astype(np.float32) - picture) * share).astype(np.uint8)
    return (picture * (1 - DARKER * smoothsteps(0, 500, beyond)[..., None])).astype(np.uint8)
