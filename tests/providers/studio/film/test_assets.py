from __future__ import annotations

import numpy as np
import pytest

from providers.studio.film import assets
from providers.studio.film.canvas import PLATE_HEIGHT, PLATE_WIDTH
from providers.studio.film.city.city import build_city
from providers.studio.film.city.signs import hang_signs
from providers.studio.film.looks import LOOKS, NEON_NOIR
from providers.studio.film.suit.armour import forge
from providers.studio.film.variation import Variation


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    error = ((one.astype(np.float32) - other.astype(np.float32)) ** 2).mean()
    return float(10 * np.log10(255**2 / max(error, 1e-9)))


@pytest.mark.parametrize("slug", LOOKS)
def test_every_look_has_its_stored_plates(slug):
    files = {path.name for path in (assets.BAKED / slug).iterdir()}
    names = [f"city-{plate}" for plate in assets.CITY_PLATES] + [f"armour-{layer}" for layer in assets.ARMOUR_LAYERS]
    assert files == {f"{name}{ending}" for name in names for ending in (".webp", "-mask.png")}


def test_the_stored_plates_are_small_enough_to_ship():
    assert sum(path.stat().st_size for path in assets.BAKED.rglob("*.*")) < 2_500_000


@pytest.mark.slow
def test_the_stored_plates_are_what_the_code_draws():
    city, stored = build_city(NEON_NOIR), assets.load_city(NEON_NOIR)
    for plate in assets.CITY_PLATES:
        assert psnr(getattr(city, plate), getattr(stored, plate)) > 36
    armour, stored = forge(NEON_NOIR), assets.load_armour(NEON_NOIR)
    for layer in assets.ARMOUR_LAYERS:
        assert psnr(getattr(armour, layer), getattr(stored, layer)) > 36


def test_without_stored_plates_they_are_built(monkeypatch, tmp_path):
    built = []
    monkeypatch.setattr(assets, "BAKED", tmp_path)
    monkeypatch.setattr(assets, "build_city", built.append)
    monkeypatch.setattr(assets, "forge", built.append)
    assets.load_city(NEON_NOIR)
    assets.load_armour(NEON_NOIR)
    assert built == [NEON_NOIR, NEON_NOIR]


def test_signs_differ_by_seed_and_leave_the_city_alone():
    city = assets.load_city(NEON_NOIR)
    before = city.mid.copy(), city.near.copy()
    one, same, other = (hang_signs(city, NEON_NOIR, Variation.of(seed).dice("signs")) for seed in ("a", "a", "b"))
    assert (city.mid == before[0]).all()
    assert (city.near == before[1]).all()
    assert (one.mid == same.mid).all()
    assert (one.mid != other.mid).any()
    assert one.mid.shape == (PLATE_HEIGHT, PLATE_WIDTH, 4)


def test_every_seed_has_its_own_night():
    nights = [Variation.of(str(number)) for number in range(40)]
    assert len({night.serial for night in nights}) > 35
    assert {night.weather for night in nights} == {"drizzle", "rain", "storm"}
    assert {night.wind for night in nights} == {-1, 1}
    assert {night.shots.lean for night in nights} == {-1, 1}
    assert Variation.of("same") == Variation.of("same")
