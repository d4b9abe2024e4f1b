"""Drawn hair, headwear, light and company for the few free portraits: nothing of it is in the photos.

The free photos show no one with an afro, a headscarf, a turban, a hat, very dark or very pale skin, or dim light.
So these are drawn, always the same way, on portraits that have been cut out (`tests/photos/NAME-alpha.png`, looked at
by eye) and laid on drawn backdrops. A drawing is not a photo, but its alpha is known exactly, which no photo's is.

`python -m tests.support.wardrobe FOLDER` writes them all, each with its alpha beside it where that is known.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

import cv2
import numpy as np

from providers.faces.vision import CHIN, FACE_OVAL, FOREHEAD, find_faces, find_mesh
from providers.studio.film.canvas import blur, smoothsteps
from providers.studio.film.person.matting import foreground

PHOTOS = Path(__file__).parents[1] / "photos"
MOUTH = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146)
BROWS_AND_EYES = (70, 63, 105, 66, 107, 9, 336, 296, 334, 293, 300, 263, 362, 6, 133, 33)


@dataclass(frozen=True)
class Person:
    """A cut-out portrait: BGR float32 colours, float32 alpha 0..1, and the face's mesh points in pixels."""

    colours: np.ndarray
    alpha: np.ndarray
    points: np.ndarray

    @property
    def face_height(self) -> float:
        return float(np.hypot(*(self.points[CHIN] - self.points[FOREHEAD])))

    def frame(self) -> tuple[np.ndarray, np.ndarray]:
        """For every pixel how far right of, and below, the middle of the face it lies, in face heights."""
        rows, columns = np.mgrid[: self.alpha.shape[0], : self.alpha.shape[1]].astype(np.float32)
        down = (self.points[CHIN] - self.points[FOREHEAD]) / self.face_height
        x, y = (columns, rows) - self.points[[FOREHEAD, CHIN]].mean(0)[:, None, None]
        return (x * down[1] - y * down[0]) / self.face_height, (x * down[0] + y * down[1]) / self.face_height

    def region(self, numbers: tuple[int, ...], grow: float = 1.0, soft: float = 0.012) -> np.ndarray:
        """What a ring of mesh points encloses, 0..1, grown around its middle."""
        ring = self.points[list(numbers)]
        ring = ring.mean(0) + (ring - ring.mean(0)) * grow
        mask = np.zeros(self.alpha.shape, np.uint8)
        cv2.fillPoly(mask, [np.round(ring * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
        return blur(mask.astype(np.float32) / 255, max(0.6, self.face_height * soft))

    def covered(self, mask: np.ndarray, colours: np.ndarray) -> Person:
        """The person with something laid over them."""
        kept = (1 - mask)[..., None]
        mixed = self.colours * self.alpha[..., None] * kept + colours * mask[..., None]
        alpha = self.alpha * (1 - mask) + mask
        return replace(self, colours=mixed / np.maximum(alpha, 1e-4)[..., None], alpha=alpha)


@cache
def portrait(name: str, headroom: float = 0.7) -> Person:
    """A free portrait without its background, with room above the head, in face heights."""
    pixels = cv2.imread(str(PHOTOS / f"{name}.jpg"))
    alpha = cv2.imread(str(PHOTOS / f"{name}-alpha.png"), cv2.IMREAD_GRAYSCALE).astype(np.float32) / 255
    colours = foreground(pixels, alpha).astype(np.float32)
    points = find_mesh(pixels, find_faces(pixels)[0]).points[:, :2]
    above = max(0, int(np.hypot(*(points[CHIN] - points[FOREHEAD])) * (headroom + 0.3) - points[FOREHEAD, 1]))
    colours = cv2.copyMakeBorder(colours, above, 0, 0, 0, cv2.BORDER_REPLICATE)
    alpha = cv2.copyMakeBorder(alpha, above, 0, 0, 0, cv2.BORDER_CONSTANT, value=0)
    return Person(colours, alpha, points + np.array([0, above], np.float32))


def _noise(shape: tuple[int, int], size: float, seed: int, stretch: float = 1.0) -> np.ndarray:
    """Smooth noise around 0 with a spread of 1; stretched, it runs down like strands."""
    height, width = shape
    cells = np.random.default_rng(seed).standard_normal(
        (max(2, int(height / size / stretch) + 2), max(2, int(width / size) + 2)), dtype=np.float32
    )
    return cv2.resize(cells, (width, height), interpolation=cv2.INTER_CUBIC)


def _within(distance: np.ndarray, softness: float) -> np.ndarray:
    """1 where a distance is well below 1, falling to 0 around it."""
    return 1 - smoothsteps(1 - softness, 1 + softness, distance).astype(np.float32)


def _tinted(colour: tuple[int, int, int], light: np.ndarray) -> np.ndarray:
    """A BGR colour under a light around 1."""
    return np.clip(np.array(colour, np.float32) * light[..., None], 0, 255).astype(np.float32)


def afro(person: Person, colour: tuple[int, int, int] = (18, 20, 24)) -> Person:
    """A large round afro with a soft, curly edge."""
    x, y = person.frame()
    size, shape = person.face_height, person.alpha.shape
    curls = 0.06 * _noise(shape, size * 0.09, 1) + 0.04 * _noise(shape, size * 0.03, 2)
    ball = _within(np.hypot(x, y + 0.30) / 0.92 + curls, 0.07)
    neck = _within(np.abs(x) / 0.34, 0.2) * smoothsteps(0.25, 0.40, y)
    mask = ball * (1 - person.region(FACE_OVAL, 0.96)) * (1 - neck)
    return person.covered(
        mask,
        _tinted(colour, 1 - 0.35 * y + 0.12 * _noise(shape, size * 0.06, 3) + 0.14 * _noise(shape, size * 0.02, 15)),
    )


def headscarf(person: Person, colour: tuple[int, int, int] = (150, 96, 70)) -> Person:
    """A headscarf around the face, over neck and shoulders."""
    x, y = person.frame()
    hood = _within(np.hypot(x / 0.74, (y + 0.12) / 0.90), 0.015)
    drape = _within(np.abs(x) / np.clip(0.5 + 0.5 * (y - 0.2), 0.3, 1.1), 0.02) * smoothsteps(0.18, 0.22, y)
    drape *= 1 - smoothsteps(1.02, 1.05, y + 0.08 * np.cos(x * 3))
    mask = np.maximum(hood, drape) * (1 - person.region(FACE_OVAL, 0.95, 0.006))
    folds = 0.12 * np.sin(26 * np.hypot(x, y) + 5 * x) + 0.10 * _noise(person.alpha.shape, person.face_height * 0.2, 4)
    return person.covered(mask, _tinted(colour, 1.0 - 0.25 * np.abs(x) + folds))


def turban(person: Person, colour: tuple[int, int, int] = (60, 120, 205)) -> Person:
    """A turban in bands, down to the ears."""
    x, y = person.frame()
    wrap = _within(np.hypot(x / 0.62, (y + 0.46) / 0.46), 0.02)
    brow = smoothsteps(-0.33, -0.30, y + 0.35 * np.abs(x)) * person.region(FACE_OVAL, 1.02)
    bands = 0.16 * np.sin(30 * (y + 0.35 * np.abs(x)) + 1)
    return person.covered(wrap * (1 - brow), _tinted(colour, 1 - 0.5 * x * x + bands))


def hat(person: Person, colour: tuple[int, int, int] = (52, 74, 104)) -> Person:
    """A felt hat whose brim shades the forehead."""
    x, y = person.frame()
    shade = 1 - 0.45 * (1 - smoothsteps(-0.34, 0.0, y))
    shaded = replace(person, colours=person.colours * shade[..., None])
    crown = _within(np.maximum(np.abs(x) / (0.52 + 0.08 * y), np.abs(y + 0.66) / 0.36), 0.015)
    brim = _within(np.hypot(x / 1.05, (y + 0.35 + 0.10 * x * x) / 0.12), 0.03)
    band = _within(np.abs(y + 0.47) / 0.06, 0.1) * crown
    light = 1 - 0.5 * band + 0.10 * np.cos(4 * x) + 0.05 * _noise(person.alpha.shape, 3, 5)
    return shaded.covered(np.maximum(crown, brim), _tinted(colour, light))


def long_hair(person: Person, colour: tuple[int, int, int] = (46, 62, 96)) -> Person:
    """Long hair with loose strands, over the shoulders."""
    x, y = person.frame()
    size, shape = person.face_height, person.alpha.shape
    loose = 0.015 * _noise(shape, size * 0.03, 6, 8) + 0.03 * _noise(shape, size * 0.15, 7, 3)
    cap = _within(np.hypot(x / 0.60, (y + 0.12) / 0.66) + loose, 0.05)
    curtain = _within(np.abs(x) / (0.60 + 0.10 * np.clip(y, 0, 1)) + loose, 0.05) * smoothsteps(-0.12, -0.10, y)
    curtain *= 1 - smoothsteps(0.95, 1.15, y + 2 * loose)
    neck = _within(np.abs(x) / 0.30, 0.1) * smoothsteps(0.2, 0.3, y)
    mask = np.maximum(cap, curtain) * (1 - person.region(FACE_OVAL, 0.98)) * (1 - neck)
    return person.covered(mask, _tinted(colour, 1 + 0.20 * _noise(shape, size * 0.015, 8, 12)))


def beard(person: Person, colour: tuple[int, int, int] = (26, 30, 38)) -> Person:
    """A full beard, somewhat longer than the chin."""
    x, y = person.frame()
    size, shape = person.face_height, person.alpha.shape
    curls = 0.05 * _noise(shape, size * 0.02, 9, 2)
    jaw = _within(np.hypot(x / 0.44, (y - 0.18) / 0.50) + curls, 0.08) * smoothsteps(0.10, 0.18, y + 0.35 * np.abs(x))
    mask = np.clip(jaw * (1 - person.region(MOUTH, 1.0)), 0, 1)
    return person.covered(mask * 0.95, _tinted(colour, 1 + 0.35 * _noise(shape, size * 0.015, 10, 2)))


def thick_glasses(person: Person) -> Person:
    """Thick black frames with a reflection on the glass."""
    mask = np.zeros(person.alpha.shape, np.uint8)
    size = person.face_height
    centres = [person.points[list(ring)].mean(0) for ring in ((33, 133), (263, 362))]
    for x, y in centres:
        cv2.ellipse(mask, (int(x), int(y)), (int(size * 0.155), int(size * 0.12)), 0, 0, 360, 255, int(size * 0.035))
    (left, y), (right, other) = centres
    bridge = ((int(left + size * 0.15), int(y)), (int(right - size * 0.15), int(other)))
    cv2.line(mask, *bridge, 255, int(size * 0.03))
    return person.covered(blur(mask.astype(np.float32) / 255, 0.8), np.full_like(person.colours, 22))


def _toned(power: float) -> Callable[[Person], Person]:
    """Darken or lighten the whole person; hue and saturation stay exactly."""

    def tone(person: Person) -> Person:
        luma = np.maximum(cv2.cvtColor(person.colours / 255, cv2.COLOR_BGR2GRAY), 1e-3)
        gain = np.minimum(luma ** (power - 1), 255 / np.maximum(person.colours.max(-1), 1))
        return replace(person, colours=person.colours * gain[..., None])

    return tone


dark_skin, pale_skin = _toned(2.1), _toned(0.62)

WARDROBE: dict[str, Callable[[Person], Person]] = {
    "afro": afro,
    "headscarf": headscarf,
    "turban": turban,
    "hat": hat,
    "long-hair": long_hair,
    "beard": beard,
    "glasses": thick_glasses,
    "dark-skin": dark_skin,
    "pale-skin": pale_skin,
    "dark-afro": lambda person: afro(dark_skin(person), (14, 16, 20)),
    "dark-headscarf": lambda person: headscarf(dark_skin(person), (60, 190, 220)),
}


Backdrop = Callable[[tuple[int, int]], np.ndarray]


def bright_wall(shape: tuple[int, int]) -> np.ndarray:
    """A wall that is nearly white, a little darker to the right."""
    height, width = shape
    light = np.linspace(246, 222, width, dtype=np.float32)[None, :, None]
    return np.repeat(light, height, 0) * np.array([0.98, 1.0, 1.0], np.float32) + _noise(shape, 3, 11)[..., None]


def hair_coloured_wall(shape: tuple[int, int]) -> np.ndarray:
    """A dull brown wall, about as dark as most hair."""
    return _tinted((46, 54, 66), 1 + 0.08 * _noise(shape, 60, 12) + 0.03 * _noise(shape, 4, 13))


def busy_street(shape: tuple[int, int]) -> np.ndarray:
    """Blocks and lights in many colours, out of focus."""
    height, width = shape
    dice = np.random.default_rng(14)
    street = np.full((*shape, 3), 90, np.float32)
    for _ in range(90):
        x, y = int(dice.integers(-40, width)), int(dice.integers(-40, height))
        size = (int(dice.integers(20, 130)), int(dice.integers(30, 220)))
        cv2.rectangle(
            street, (x, y), (x + size[0], y + size[1]), (dice.integers(10, 190) + dice.integers(0, 60, 3)).tolist(), -1
        )
    return blur(street, 4)


BACKDROPS = {"wall": bright_wall, "hair": hair_coloured_wall, "street": busy_street}


def compose(person: Person, backdrop: Backdrop) -> np.ndarray:
    """Lay a person on a backdrop; BGR uint8."""
    alpha = person.alpha[..., None]
    return np.clip(person.colours * alpha + backdrop(person.alpha.shape) * (1 - alpha), 0, 255).astype(np.uint8)


def dim(photo: np.ndarray) -> np.ndarray:
    return cv2.convertScaleAbs(photo, alpha=0.18)


def harsh(photo: np.ndarray) -> np.ndarray:
    """Light from the left alone."""
    gain = np.clip(np.linspace(1.7, -0.2, photo.shape[1]), 0.12, None)[None, :, None]
    return np.clip(photo * gain, 0, 255).astype(np.uint8)


def grayscale(photo: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(cv2.cvtColor(photo, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)


def tilted(photo: np.ndarray) -> np.ndarray:
    height, width = photo.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 3), 25, 1.0)
    return cv2.warpAffine(photo, matrix, (width, height), borderMode=cv2.BORDER_REFLECT)


def turned(photo: np.ndarray, degrees: float, fill: int, *, is_all_kept: bool) -> np.ndarray:
    """The photo turned to the left by an editor that fills the corners; where not all is kept, at its old size."""
    height, width = photo.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
    if is_all_kept:
        cos, sin = np.abs(matrix[0, :2])
        size = (int(width * cos + height * sin), int(width * sin + height * cos))
        matrix[:, 2] += np.array([size[0] - width, size[1] - height]) / 2
    else:
        size = (width, height)
    return cv2.warpAffine(photo, matrix, size, flags=cv2.INTER_CUBIC, borderValue=(fill,) * 3)


def turned_and_cropped(photo: np.ndarray) -> np.ndarray:
    """The photo turned by 22 degrees, cropped around the face so that a corner of black is left."""
    photo = turned(photo, 22, 0, is_all_kept=True)
    left, top, right, bottom = _face_box(photo)
    width = right - left
    return photo[max(0, top - width // 3) : bottom + width, max(0, left - width // 2) : right + width].copy()


def lying(photo: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(np.rot90(photo))


def small(photo: np.ndarray) -> np.ndarray:
    """The photo in the middle of a wide, empty one."""
    height, width = photo.shape[:2]
    wide = np.full((int(height * 1.6), int(width * 2.6), 3), (120, 130, 128), np.uint8)
    wide[-height:, width : width * 2] = photo
    return wide


def _face_box(photo: np.ndarray) -> tuple[int, int, int, int]:
    """The mesh's left, top, right and bottom."""
    points = find_mesh(photo, find_faces(photo)[0]).points[:, :2]
    return (*points.min(0).astype(int).tolist(), *points.max(0).astype(int).tolist())


def cut_at_top(photo: np.ndarray) -> np.ndarray:
    """The photo begins at the hairline."""
    return photo[max(0, _face_box(photo)[1] - 4) :].copy()


def cut_at_side(photo: np.ndarray) -> np.ndarray:
    """The photo begins at the cheek: an ear and a fifth of the face are missing, both eyes are there."""
    left, _, right, _ = _face_box(photo)
    return photo[:, left + (right - left) // 7 :].copy()


def cut_through(photo: np.ndarray) -> np.ndarray:
    """Half of the face is outside."""
    left, _, right, _ = _face_box(photo)
    return photo[:, (left + right) // 2 :].copy()


def three_people(photo: np.ndarray) -> np.ndarray:
    """The person with two smaller, mirrored copies at the sides."""
    height = photo.shape[0]
    beside = cv2.resize(photo[:, ::-1], None, fx=0.8, fy=0.8, interpolation=cv2.INTER_AREA)
    beside = cv2.copyMakeBorder(beside, height - beside.shape[0], 0, 0, 0, cv2.BORDER_REPLICATE)
    quarter = beside.shape[1] // 5
    return np.hstack([beside[:, quarter:-quarter], photo, beside[:, quarter:-quarter]])


CAMERA: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "dim": dim,
    "harsh": harsh,
    "gray": grayscale,
    "tilted": tilted,
    "lying": lying,
    "small": small,
    "cut-top": cut_at_top,
    "cut-side": cut_at_side,
    "cut-through": cut_through,
    "three": three_people,
    "turned": partial(turned, degrees=35, fill=90, is_all_kept=True),
    "turned-white": partial(turned, degrees=-28, fill=255, is_all_kept=False),
    "turned-cropped": turned_and_cropped,
}
PORTRAITS = ("astronaut", "biden", "guido", "obama")


Picture = tuple[np.ndarray, np.ndarray | None]


def names() -> Iterator[tuple[str, Callable[[], Picture]]]:
    """Every picture's name, and what draws it: BGR pixels, and its alpha (uint8) where that is known."""
    for who in PORTRAITS:
        for where, backdrop in BACKDROPS.items():
            yield f"{who}-{where}", partial(_drawn, who, None, backdrop)
    places = list(BACKDROPS.items())
    for number, (what, put_on) in enumerate(WARDROBE.items()):
        for who in ("obama", "astronaut") if number % 2 else ("obama", "biden"):
            where, backdrop = places[(number + (who != "obama")) % len(places)]
            yield f"{who}-{what}-{where}", partial(_drawn, who, put_on, backdrop)
    for number, (what, take) in enumerate(CAMERA.items()):
        if what != "cut-through":  # no film is made of that one
            who = PORTRAITS[number % len(PORTRAITS)]
            yield f"{who}-{what}", partial(_taken, who, take)


def _drawn(who: str, put_on: Callable[[Person], Person] | None, backdrop: Backdrop) -> Picture:
    person = put_on(portrait(who)) if put_on else portrait(who)
    return compose(person, backdrop), np.round(person.alpha * 255).astype(np.uint8)


def _taken(who: str, take: Callable[[np.ndarray], np.ndarray]) -> Picture:
    return take(cv2.imread(str(PHOTOS / f"{who}.jpg"))), None


def write(folder: Path) -> None:
    """Write every picture as NAME.jpg, and its alpha as NAME-alpha.png."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, draw in names():
        pixels, alpha = draw()
        cv2.imwrite(str(folder / f"{name}.jpg"), pixels, [cv2.IMWRITE_JPEG_QUALITY, 92])
        if alpha is not None:
            cv2.imwrite(str(folder / f"{name}-alpha.png"), alpha)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
