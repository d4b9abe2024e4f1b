"""Measure films of a folder of photos by the rules for faces: `python -m providers.studio.tools.measure FOLDER`.

For every photo: the outcome and, when `NAME-alpha.png` lies beside `NAME.jpg`, how well its matte fits.
For every look: whether the skin kept its hue and is well exposed, and whether the face is still the photo's.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from providers.faces.vision import (
    CHIN,
    EYE_OUTER_LEFT,
    EYE_OUTER_RIGHT,
    LIT_CENTRE,
    Mesh,
    find_faces,
    find_mesh,
    is_whole,
)
from providers.studio.errors import NoFace, UnreadablePhoto
from providers.studio.film.canvas import (
    FRAME_HEIGHT,
    FRAME_WIDTH,
    FRAMES_PER_SECOND,
    PLATE_HEIGHT,
    PLATE_WIDTH,
    apply,
    blur,
    camera,
    to_unit,
)
from providers.studio.film.hero import Hero, Pose
from providers.studio.film.looks import LOOKS
from providers.studio.film.person.cutout import cut_out
from providers.studio.film.person.matting import foreground
from providers.studio.film.person.photo import Photo, read_photo
from providers.studio.film.person.skin import strangeness
from providers.studio.film.person.subject import Subject, analyse, place
from providers.studio.film.render import Renderer
from providers.studio.film.shots import Director

from .face_light import FaceLight, face_light, unkind
from .motion import LEAST_MOTION, Motion, motion

PHOTOS = {".jpg", ".jpeg", ".png", ".webp"}
ALPHA = "-alpha"  # NAME-alpha.png is the true alpha of NAME.jpg
BARE_FACE = 1.45  # seconds: the hero shot, before the visor boots

MOST_HUE_ERROR = 8.0  # degrees
LEAST_HUE = 0.15  # saturation below which one grey level is several degrees: such skin has no hue to keep
DARKEST, BRIGHTEST = 0.20, 0.78  # luma of the lit centre in the film, 0..1
MOST_BURNT = 0.02  # share of the lit centre that is white in the film and was not in the photo
LUMA = np.array([0.114, 0.587, 0.299])  # of BGR
WHITE = 0.92
MOST_NEAR_WHITE = 0.02  # share of the bare head whose darkest channel is at least NEAR_WHITE
NEAR_WHITE, CLIPPED = 240, 252  # of 255
MOST_CLIPPED = 0.10  # share of the bare head with a channel at CLIPPED or above
LEAST_IOU = 0.95
MOST_CUT_OFF = 0.04  # of the true alpha
MOST_HALO = 8.0  # of 255: light along the edge that is not the hero's
MOST_DISTANCE = 0.075  # of the distance between the eyes, between the photo's mesh and the film's


@dataclass(frozen=True)
class MatteFit:
    """How well a matte fits the true alpha, where the film shows the photo: above the collar, near the head."""

    iou: float  # soft: sum of minima by sum of maxima
    cut_off: float  # true alpha that is lost, by all of it
    halo: float  # 0..255: mean surplus light in the band along the true edge, seen against black


@dataclass(frozen=True)
class Skin:
    hue: float  # degrees, HSV hue of the mean colour of the lit centre
    saturation: float  # 0..1
    luma: float  # 0..1, mean
    burnt: float  # share of pixels that look white: a luma of at least WHITE
    colour: tuple[float, float, float] = (0.0, 0.0, 0.0)  # BGR, 0..255


@dataclass(frozen=True)
class Shown:
    """One look of one photo."""

    look: str
    skin: Skin
    hue_error: float | None  # degrees; None where the photo's skin has no hue
    burnt: float  # share of the lit centre, beyond what the photo burns out itself
    distance: float  # see `face_distance`
    near_white: float = 0.0  # share of the bare head without detail: see `blown_out`
    clipped: float = 0.0
    motion: Motion | None = None
    light: FaceLight | None = None


def lit_centre(pixels: np.ndarray, points: np.ndarray) -> Skin:
    """Measure the skin inside LIT_CENTRE of a BGR picture; mesh points in its pixels."""
    mask = np.zeros(pixels.shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.round(points[list(LIT_CENTRE), :2]).astype(np.int32)], 255)
    colours = pixels[mask > 0][:, :3].astype(np.float32)
    if not len(colours):
        return Skin(0.0, 0.0, 0.0, 0.0)
    blue, green, red = (float(value) for value in colours.mean(0))
    hue, saturation, _ = cv2.cvtColor(np.array([[[blue, green, red]]], np.float32) / 255, cv2.COLOR_BGR2HSV)[0, 0]
    luma = float(LUMA @ (blue, green, red)) / 255
    burnt = float((colours @ LUMA >= WHITE * 255).mean())
    return Skin(float(hue), float(saturation), luma, burnt, (blue, green, red))


def hue_difference(one: float, other: float) -> float:
    """Degrees between two hues, 0..180."""
    return abs((one - other + 180) % 360 - 180)


def face_distance(one: np.ndarray, other: np.ndarray) -> float:
    """How differently two meshes are shaped, whatever their place, size and roll (Procrustes).

    The root mean square distance of their points, by the distance of the outer corners of the eyes.
    """
    first, second = (points[:, :2].astype(np.float64) - points[:, :2].mean(0) for points in (one, other))
    first /= np.hypot(*(first[EYE_OUTER_RIGHT] - first[EYE_OUTER_LEFT]))
    left, _, right = np.linalg.svd(second.T @ first)
    turn = left @ np.diag([1, np.sign(np.linalg.det(left @ right))]) @ right
    turned = second @ turn
    turned *= (turned * first).sum() / (turned**2).sum()
    return float(np.sqrt(((turned - first) ** 2).sum(1).mean()))


def matte_fit(subject: Subject, alpha: np.ndarray) -> MatteFit:
    """Compare what the film cuts out with the photo's true alpha (uint8, at the photo's size)."""
    placement = place(subject)
    cutout = cut_out(subject, placement)
    rows = int(min(cutout.photo_rows, cutout.points[CHIN, 1] + 0.40 * cutout.face_width))
    reach = 1.5 * cutout.face_width
    middle = cutout.points[CHIN, 0]
    seen = np.s_[:rows, int(max(0, middle - reach)) : int(min(PLATE_WIDTH, middle + reach))]
    size = (PLATE_WIDTH, PLATE_HEIGHT)
    pixels = cv2.warpAffine(subject.photo.pixels, placement.matrix, size, borderMode=cv2.BORDER_REPLICATE)[seen]
    true = to_unit(cv2.warpAffine(alpha, placement.matrix, size))[seen]
    found = cutout.alpha[seen]
    surplus = found[..., None] * cutout.colours[seen] - true[..., None] * foreground(pixels, true)
    edge = blur(true, 0.02 * cutout.face_height)
    band = (edge > 0.02) & (edge < 0.98)
    return MatteFit(
        iou=float(np.minimum(true, found).sum() / np.maximum(true, found).sum()),
        cut_off=float(np.clip(true - found, 0, None).sum() / true.sum()),
        halo=float(np.clip(surplus[band], 0, None).mean()) if band.any() else 0.0,
    )


def bare_close_up(subject: Subject, hero: Hero) -> np.ndarray:
    """The hero as the close-up shows them, without visor, circuits and city; BGR uint8."""
    face = hero.points.mean(0)
    out = np.zeros((FRAME_HEIGHT, FRAME_WIDTH, 4), np.uint8)
    pose = Pose(0.0, visor=0.0, left=0.85, right=0.9, circuits=0.0)
    hero.draw(camera(1.7, float(face[0]), float(face[1])), pose, out)
    return out[..., :3].copy()


def photo_to_close_up(subject: Subject) -> np.ndarray:
    """The photo → frame matrix of a `bare_close_up`."""
    placed = place(subject).matrix
    x, y = apply(placed, subject.mesh.points[:, :2]).mean(0).tolist()
    return (np.vstack([camera(1.7, x, y), (0, 0, 1)]) @ np.vstack([placed, (0, 0, 1)]))[:2]


def blown_out(subject: Subject, bare: np.ndarray) -> tuple[float, float]:
    """The shares of the head in a `bare_close_up`, above the chin, that are nearly white and that clip."""
    cutout = cut_out(subject, place(subject))
    face = cutout.points[:, :2].mean(0)
    matrix = camera(1.7, float(face[0]), float(face[1]))
    alpha = cv2.warpAffine(cutout.alpha, matrix, (FRAME_WIDTH, FRAME_HEIGHT))
    chin = int(apply(matrix, cutout.points[CHIN, :2])[1])
    head = bare[:chin][alpha[:chin] > 0.5]
    return float((head.min(1) >= NEAR_WHITE).mean()), float((head.max(1) >= CLIPPED).mean())


def mesh_of(picture: np.ndarray) -> Mesh | None:
    """The mesh of a picture's best face."""
    faces = find_faces(np.ascontiguousarray(picture))
    return find_mesh(np.ascontiguousarray(picture), faces[0]) if faces else None


def show(renderer: Renderer, photo: Photo, subject: Subject, look: str) -> Shown:
    """Film a photo in a look, and look at the film's face."""
    director = renderer.direct(photo, look=look, hero_name="", seed="measure")
    frame = director.frame(int(BARE_FACE * FRAMES_PER_SECOND))[..., :3].copy()
    mesh = mesh_of(frame)
    skin = lit_centre(frame, mesh.points) if mesh else Skin(0.0, 0.0, 0.0, 0.0)
    plain = lit_centre(subject.photo.pixels, subject.mesh.points)
    kept = plain.saturation >= LEAST_HUE and strangeness(np.array(plain.colour)) < 0.2  # else the film gives skin a hue
    error = hue_difference(skin.hue, plain.hue) if kept else None
    bare = bare_close_up(subject, Hero(subject, LOOKS[look], renderer.armour(look)))
    close_up = mesh_of(bare)
    distance = face_distance(subject.mesh.points, close_up.points) if close_up else 1.0
    burnt = max(0.0, skin.burnt - plain.burnt)
    moved = motion(director) if isinstance(director, Director) else None
    light = face_light(subject, photo_to_close_up(subject), bare)
    return Shown(look, skin, error, burnt, distance, *blown_out(subject, bare), moved, light)


def complaints(fit: MatteFit | None, shown: list[Shown]) -> list[str]:
    """The rules that a photo's films break, as sentences."""
    broken = []
    if fit is not None:
        broken += [
            text
            for is_broken, text in (
                (fit.iou < LEAST_IOU, f"matte IoU {fit.iou:.3f} < {LEAST_IOU}"),
                (fit.cut_off > MOST_CUT_OFF, f"cut-off {fit.cut_off:.3f} > {MOST_CUT_OFF}"),
                (fit.halo > MOST_HALO, f"halo {fit.halo:.1f} > {MOST_HALO}"),
            )
            if is_broken
        ]
    for one in shown:
        if one.hue_error is not None and one.hue_error > MOST_HUE_ERROR:
            broken.append(f"{one.look}: hue off by {one.hue_error:.1f}°")
        if not DARKEST <= one.skin.luma <= BRIGHTEST:
            broken.append(f"{one.look}: face exposed at {one.skin.luma:.2f}")
        if one.burnt > MOST_BURNT:
            broken.append(f"{one.look}: {one.burnt:.0%} of the face burnt out")
        if one.near_white > MOST_NEAR_WHITE or one.clipped > MOST_CLIPPED:
            broken.append(f"{one.look}: {one.near_white:.1%} of the head nearly white, {one.clipped:.1%} clipped")
        if one.distance > MOST_DISTANCE:
            broken.append(f"{one.look}: another face ({one.distance:.3f})")
        broken += [f"{one.look}: {text}" for text in (unkind(one.light) if one.light else [])]
        if one.motion is not None and min(one.motion.hero, one.motion.close_up) < LEAST_MOTION:
            broken.append(f"{one.look}: a still face ({one.motion.hero:.1f} px, {one.motion.close_up:.1f} px)")
    return broken


def _moves(moved: Motion | None) -> str:
    return f", moves {moved.hero:.1f} {moved.close_up:.1f} {moved.title:.1f} px" if moved else ""


def _whites(light: FaceLight | None) -> str:
    if light is None:
        return ""
    pairs = [("teeth", light.teeth), ("whites", light.eyes)]
    said = [
        f", {name} L {pair[0].lightness:.2f}>{pair[1].lightness:.2f} C {pair[0].chroma:.0f}>{pair[1].chroma:.0f}"
        for name, pair in pairs
        if pair
    ]
    return "".join([*said, f", face {light.clipped:.2%} clipped"])


def photos_in(folder: Path) -> Iterator[tuple[Path, np.ndarray | None]]:
    """A folder's photos, with their true alpha where it lies beside them."""
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in PHOTOS and not path.stem.endswith(ALPHA):
            beside = path.with_name(f"{path.stem}{ALPHA}.png")
            yield path, cv2.imread(str(beside), cv2.IMREAD_GRAYSCALE) if beside.exists() else None


def measure(renderer: Renderer, path: Path, alpha: np.ndarray | None, looks: list[str]) -> Iterator[str]:
    """Yield the lines about one photo; the broken rules start with FAIL."""
    try:
        photo = read_photo(path.read_bytes())
        subject = analyse(photo)
    except (NoFace, UnreadablePhoto) as error:
        yield f"{path.stem}: no film ({type(error).__name__})"
        return
    plain = lit_centre(subject.photo.pixels, subject.mesh.points)
    height, width = subject.photo.pixels.shape[:2]
    cut = "" if is_whole(find_faces(subject.photo.pixels)[0], width, height) else "face cut off, "
    yield (
        f"{path.stem}: {cut}film of 1 of {subject.face_count} faces, score {subject.score:.2f}, "
        f"face {subject.face_height:.0f} px, skin {plain.hue:.0f}° at {plain.luma:.2f}"
    )
    fit = matte_fit(subject, alpha) if alpha is not None else None
    if fit is not None:
        yield f"  matte: IoU {fit.iou:.3f}, cut-off {fit.cut_off:.3f}, halo {fit.halo:.1f}"
    shown = [show(renderer, photo, subject, look) for look in looks]
    for one in shown:
        hue = "grey" if one.hue_error is None else f"{one.hue_error:4.1f}°"
        yield (
            f"  {one.look:15} hue {hue}, exposure {one.skin.luma:.2f}, burnt {one.burnt:.1%}, "
            f"head {one.near_white:.1%} white {one.clipped:.1%} clipped, "
            f"distance {one.distance:.3f}{_moves(one.motion)}{_whites(one.light)}"
        )
    for complaint in complaints(fit, shown):
        yield f"  FAIL {complaint}"


def run(folders: list[Path], looks: list[str]) -> int:
    """Print what the photos of some folders measure; return 1 when a rule is broken, else 0."""
    renderer, photos, failures = Renderer(), 0, 0
    for folder in folders:
        for path, alpha in photos_in(folder):
            photos += 1
            for line in measure(renderer, path, alpha, looks):
                failures += line.startswith("  FAIL")
                sys.stdout.write(line + "\n")
    sys.stdout.write(f"{photos} photos, {failures} rules broken\n")
    return 1 if failures else 0


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m providers.studio.tools.measure", description="Measure films of faces."
    )
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--look", choices=[*LOOKS, "all"], default="all")
    arguments = parser.parse_args()
    looks = list(LOOKS) if arguments.look == "all" else [arguments.look]
    return run(arguments.folders, looks)


if __name__ == "__main__":
    sys.exit(main())
