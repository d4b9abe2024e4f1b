"""Films of many faces, held against what their photos show: skin, matte, identity, and what the photo's edges cut."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import cv2
import numpy as np
import pytest

from providers.faces.vision import CHIN, FOREHEAD
from providers.studio.film.hero import Hero
from providers.studio.film.looks import LOOKS
from providers.studio.film.person.content import real_picture
from providers.studio.film.person.cutout import cut_out
from providers.studio.film.person.photo import Photo
from providers.studio.film.person.relight import relight
from providers.studio.film.person.subject import Subject, analyse, place
from providers.studio.tools import measure
from providers.studio.tools.measure import (
    bare_close_up,
    blown_out,
    face_distance,
    lit_centre,
    matte_fit,
    mesh_of,
    show,
)
from tests.providers.studio.film.chosen import EVERY_LOOK
from tests.support import wardrobe

pytestmark = pytest.mark.slow

# Brown hair, or a brown hat, before a brown wall as dark as they are: the limit of what the matte can do.
CAMOUFLAGED = {"biden-afro-hair": 0.75, "astronaut-hat-hair": 0.92}
MOST_LOST = 0.1  # of the head's area; a mirrored half of a head is not its true other half


def take(who: str, *, wearing: str | None = None, before: str = "wall") -> Photo:
    person = wardrobe.portrait(who)
    if wearing:
        person = wardrobe.WARDROBE[wearing](person)
    return Photo(wardrobe.compose(person, wardrobe.BACKDROPS[before]), None)


def plain(who: str) -> Photo:
    return Photo(cv2.imread(str(wardrobe.PHOTOS / f"{who}.jpg")), None)


def on_plate(photo: Photo):
    subject = analyse(photo)
    return cut_out(subject, place(subject))


def truth(who: str, wearing: str | None) -> np.ndarray:
    person = wardrobe.portrait(who)
    person = wardrobe.WARDROBE[wearing](person) if wearing else person
    return np.round(person.alpha * 255).astype(np.uint8)


def in_every_look(*cases: Any) -> list[Any]:
    """Each case in each look; `make test` shows a case in one look, another for each."""
    return [
        pytest.param(case, look, id=f"{case}-{look}", marks=() if number == turn % len(LOOKS) else pytest.mark.thorough)
        for turn, case in enumerate(cases)
        for number, look in enumerate(LOOKS)
    ]


SKINS = {
    "dark": ("obama", "dark-skin", "street"),
    "pale": ("obama", "pale-skin", "wall"),
    "warm": ("biden", None, "hair"),
}


@pytest.mark.parametrize(("skin", "look"), in_every_look(*SKINS))
def test_skin_keeps_its_hue_in_every_look(renderer, skin, look):
    who, wearing, before = SKINS[skin]
    photo = take(who, wearing=wearing, before=before)
    shown = show(renderer, photo, analyse(photo), look)
    assert measure.complaints(None, [shown]) == []


BRIGHT = {
    "white-hair": lambda: plain("biden"),
    "gray": lambda: Photo(wardrobe.grayscale(plain("obama").pixels), None),
    "yellow-scarf": lambda: take("biden", wearing="dark-headscarf", before="street"),
}


@pytest.mark.parametrize(("picture", "look"), in_every_look(*BRIGHT))
def test_bright_hair_cloth_and_foreheads_keep_their_detail(renderer, picture, look):
    subject = analyse(BRIGHT[picture]())
    near_white, clipped = blown_out(subject, bare_close_up(subject, Hero(subject, LOOKS[look], renderer.armour(look))))
    assert near_white < 0.015
    assert clipped < 0.08


def beside_the_skin(pixels: np.ndarray, cutout) -> float:
    """The luma of what is above the forehead, in that of the face's lit centre."""
    x, y = cutout.points[FOREHEAD, :2].astype(int)
    above = pixels[y - int(0.30 * cutout.face_height) : y - int(0.12 * cutout.face_height), x - 60 : x + 60]
    return float((above @ measure.LUMA).mean()) / (lit_centre(pixels, cutout.points).luma * 255)


@pytest.mark.parametrize("look", EVERY_LOOK)
def test_dark_hair_stays_as_dark_as_it_is_beside_the_skin(look):
    cutout = on_plate(take("obama", wearing="dark-afro"))
    film = beside_the_skin(relight(cutout, LOOKS[look]).base[..., :3], cutout)
    assert film < 1.1 * beside_the_skin(cutout.colours, cutout)


@pytest.mark.parametrize("look", EVERY_LOOK)
def test_a_bright_scarf_does_not_outshine_a_dark_face(look):
    cutout = on_plate(take("biden", wearing="dark-headscarf", before="street"))
    assert 1.1 < beside_the_skin(relight(cutout, LOOKS[look]).base[..., :3], cutout) < 1.5


def test_dark_skin_stays_darker_than_pale_skin(renderer):
    lumas = []
    for wearing in ("dark-skin", None, "pale-skin"):
        photo = take("obama", wearing=wearing, before="street")
        lumas.append(show(renderer, photo, analyse(photo), "neon-noir").skin.luma)
    assert lumas[0] + 0.04 < lumas[1] < lumas[2] + 0.02
    assert lumas[0] > 0.25


@pytest.mark.parametrize(
    "alpha", [0.12, pytest.param(0.18, marks=pytest.mark.thorough), pytest.param(0.3, marks=pytest.mark.thorough)]
)
def test_a_dim_photo_comes_out_well_exposed(renderer, alpha):
    photo = Photo(cv2.convertScaleAbs(plain("biden").pixels, alpha=alpha), None)
    shown = show(renderer, photo, analyse(photo), "neon-noir")
    assert shown.skin.luma > 0.3


@pytest.mark.parametrize(
    ("who", "wearing", "before"),
    [
        ("obama", "afro", "wall"),
        ("obama", "hat", "wall"),
        ("obama", "headscarf", "hair"),
        ("biden", "turban", "wall"),
        ("biden", "long-hair", "street"),
        ("guido", None, "street"),
    ],
)
def test_the_matte_has_neither_halo_nor_cut_off(who, wearing, before):
    fit = matte_fit(analyse(take(who, wearing=wearing, before=before)), truth(who, wearing))
    assert measure.complaints(fit, []) == []


def test_a_wall_in_the_colours_of_the_hair_is_not_taken_for_hair():
    alpha = cv2.imread(str(wardrobe.PHOTOS / "guido-alpha.png"), cv2.IMREAD_GRAYSCALE)
    assert matte_fit(analyse(plain("guido")), alpha).iou > 0.98
    gray = Photo(wardrobe.grayscale(plain("guido").pixels), None)
    assert matte_fit(analyse(gray), alpha).iou > 0.95


def beside_the_truth(cutout, who: str) -> tuple[float, float]:
    """What a cut-out of an altered photo shows that is nobody, and what it lost, by the head's area.

    The alpha of the unaltered photo is laid under the cut-out's face.
    """
    points, placed = (found.points[:, :2].astype(np.float32).copy() for found in (analyse(plain(who)).mesh, cutout))
    matrix, _ = cv2.estimateAffinePartial2D(points, placed)
    alpha = cv2.imread(str(wardrobe.PHOTOS / f"{who}-alpha.png"), cv2.IMREAD_GRAYSCALE)
    true = cv2.warpAffine(alpha, matrix, cutout.alpha.shape[::-1]).astype(np.float32) / 255
    (x, y), reach = cutout.points[CHIN, :2].astype(int), int(cutout.face_width)
    head = np.s_[: y - reach // 8, x - reach : x + reach]
    surplus, whole = cutout.alpha[head] - true[head], true[head].sum()
    return float(np.clip(surplus, 0, None).sum() / whole), float(np.clip(-surplus, 0, None).sum() / whole)


@pytest.mark.parametrize(
    ("alter", "most"),
    [
        (partial(wardrobe.turned, degrees=35, fill=90, is_all_kept=True), 0.02),
        (partial(wardrobe.turned, degrees=-28, fill=255, is_all_kept=False), 0.045),
        (partial(wardrobe.turned, degrees=22, fill=0, is_all_kept=False), 0.02),
        (wardrobe.turned_and_cropped, 0.02),
        (lambda photo: plain("obama_cut").pixels, 0.015),
    ],
    ids=["35", "-28", "22", "22-cropped", "half"],
)
def test_a_photo_turned_or_cut_by_an_editor_leaves_nothing_beside_the_head(alter, most):
    surplus, lost = beside_the_truth(on_plate(Photo(alter(plain("obama").pixels), None)), "obama")
    assert surplus < most
    assert lost < MOST_LOST


def test_a_photo_that_an_editor_turned_is_turned_back():
    photo = wardrobe.turned(plain("obama").pixels, 35, 90, is_all_kept=True)
    subject = analyse(Photo(photo, None))
    assert abs(np.degrees(subject.mesh.roll)) < 3
    inside = subject.photo.pixels.reshape(-1, 3).astype(int)
    assert (np.abs(inside - 90).max(1) < 4).mean() < 0.01  # none of the fill


@pytest.mark.parametrize("who", wardrobe.PORTRAITS)
def test_a_photo_without_fill_is_left_as_it_is(who):
    pixels = plain(who).pixels
    assert real_picture(pixels)[0] is pixels
    wall = wardrobe.compose(wardrobe.portrait(who), lambda shape: np.full((*shape, 3), 230, np.float32))
    assert real_picture(wall)[0] is wall  # a plain wall is no fill


@pytest.mark.parametrize("who", ["astronaut", "biden", "obama"])
def test_the_close_up_shows_the_photos_face_and_no_other(renderer, who):
    subjects: dict[str, Subject] = {name: analyse(plain(name)) for name in wardrobe.PORTRAITS}
    filmed = mesh_of(
        bare_close_up(subjects[who], Hero(subjects[who], LOOKS["neon-noir"], renderer.armour("neon-noir")))
    )
    distances = {name: face_distance(subject.mesh.points, filmed.points) for name, subject in subjects.items()}
    own = distances.pop(who)
    assert own < 0.035
    assert own < 0.75 * min(distances.values())


def test_a_photo_on_its_side_is_turned_upright():
    subject = analyse(Photo(wardrobe.lying(plain("obama").pixels), None))
    assert abs(np.degrees(subject.mesh.roll)) < 10
    assert subject.mesh.points[CHIN, 1] > subject.mesh.points[FOREHEAD, 1]
    assert subject.photo.pixels.shape == plain("obama").pixels.shape


def test_a_head_cut_at_the_side_is_completed_by_its_other_half():
    cutout = on_plate(plain("obama_cut"))
    middle, row = int(cutout.points[:, 0].mean()), int(cutout.points[:, 1].mean())
    reach = int(0.45 * cutout.face_width)
    assert cutout.alpha[row, middle - reach : middle + reach].min() > 0.9
    left, right = (
        cutout.colours[row - 40 : row + 40, middle + side * reach - 12 : middle + side * reach + 12].mean((0, 1))
        for side in (-1, 1)
    )
    assert np.abs(left - right).max() < 25  # skin on both sides, not the wall


def test_nothing_stands_on_a_head_that_just_touches_the_photos_edge():
    cutout = on_plate(plain("obama_cut"))
    width = cutout.face_width
    for above in (0.02, 0.10, 0.2):  # face heights above the forehead point
        row = int(cutout.points[FOREHEAD, 1] - above * cutout.face_height)
        assert (cutout.alpha[row] > 0.5).sum() > 0.3 * width
    first = int(np.where((cutout.alpha > 0.5).any(1))[0].min())
    assert cutout.points[FOREHEAD, 1] - first < 0.45 * cutout.face_height


def test_a_head_cut_at_the_hairline_gets_a_crown():
    cutout = on_plate(Photo(wardrobe.cut_at_top(plain("guido").pixels), None))
    forehead = cutout.points[FOREHEAD]
    first = int(np.where((cutout.alpha > 0.5).any(1))[0].min())
    assert 0.15 < (forehead[1] - first) / cutout.face_height < 0.6
    rows = np.where((cutout.alpha > 0.5).any(1))[0]
    widths = (cutout.alpha[rows[0] : rows[0] + 60] > 0.5).sum(1)
    assert widths[4] < 0.7 * widths[59]  # round, not flat


def test_three_people_are_one_hero():
    photo = Photo(wardrobe.three_people(plain("biden").pixels), None)
    subject = analyse(photo)
    assert subject.face_count == 3
    others = np.abs(np.arange(photo.pixels.shape[1]) - subject.centre[0]) > 1.9 * subject.face_height
    row = int(subject.centre[1])
    assert subject.matte[row, others].max() < 0.05


# One each of what a film's parts depend on: hair, glass, cloth, skin, hard light, few pixels, a tilted head, a hat.
OF_EACH_KIND = ("afro", "glasses", "dark-headscarf", "dark-skin", "hat", "harsh", "small", "tilted")


def everybody() -> Iterator[Any]:
    """One thing of each kind in the wardrobe, with one look; `make test-all` shows all things in all looks.

    What a camera or an editor did has tests of its own above, and is shown here when it has none.
    """
    looks = tuple(LOOKS)
    seen = {*wardrobe.BACKDROPS, *wardrobe.CAMERA, *wardrobe.WARDROBE} - set(OF_EACH_KIND)
    for number, (name, draw) in enumerate(wardrobe.names()):
        shown, *others = (looks[(number + step) % len(looks)] for step in range(len(looks)))
        rest = name.partition("-")[2]
        what = rest if rest in (*wardrobe.BACKDROPS, *wardrobe.CAMERA) else rest.rpartition("-")[0]
        yield pytest.param(
            name, draw, [shown], id=f"{name}-{shown}", marks=pytest.mark.thorough if what in seen else ()
        )
        seen.add(what)
        yield pytest.param(name, draw, others, id=f"{name}-others", marks=pytest.mark.thorough)


@pytest.mark.parametrize(("name", "draw", "looks"), list(everybody()))
def test_everybody_in_the_wardrobe_keeps_the_rules(renderer, name, draw, looks):
    pixels, alpha = draw()
    subject = analyse(Photo(pixels, None))
    fit = matte_fit(subject, alpha) if alpha is not None else None
    if name in CAMOUFLAGED:
        assert fit.iou > CAMOUFLAGED[name]
        fit = None
    shown = [show(renderer, Photo(pixels, None), subject, look) for look in looks]
    assert measure.complaints(fit, shown) == []
