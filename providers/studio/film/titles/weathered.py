"""Finishes of titles that weather has worked on: sand, ice, and the gold of the morning.

Each paints the letters' mask (uint8) on the strip; `bounds` are the columns where the name begins and ends.
"""

from __future__ import annotations

import cv2
import numpy as np

from providers.studio.film.canvas import FRAME_WIDTH, bgr, blur, glow, to_unit
from providers.studio.film.looks import Look

from .painting import fill, lay_colour, shifted, shine_through

RULE_Y = 166  # px from the strip's top: the line below the name
ICICLES = 13  # px, the longest


def sand(strip: np.ndarray, letters: np.ndarray, look: Look, bounds: tuple[int, int]) -> None:
    """Worn letters that the wind blows away to the right, over a line of dunes."""
    cover, random = to_unit(letters), np.random.default_rng(4)
    blown = np.zeros_like(cover)
    for step in range(1, 15):
        blown = np.maximum(blown, shifted(cover, 4.0 * step, -0.4 * step) * (1 - step / 15))
    grains = random.random(cover.shape).astype(np.float32)
    blown = blown * (blur(grains, 0.7) > 0.56)
    shine_through(strip, blur(blown, 0.8), look.title.glow, 0.62)
    shine_through(strip, glow(cover, 16, 0.8), look.title.glow, 0.45)
    dark = cv2.dilate(cover, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7)))
    lay_colour(strip, blur(dark, 1.2), bgr((24, 12, 8)))
    lay_colour(strip, cover, fill(letters, look.title))
    worn = (cv2.resize(random.random((58, 180)).astype(np.float32), cover.shape[::-1]) > 0.80) * (grains > 0.35)
    lay_colour(strip, cover * blur(worn.astype(np.float32), 0.6) * 0.42, bgr((92, 46, 26)))
    lay_colour(strip, np.clip(cover - shifted(cover, 1.2, 1.8), 0, 1) * 0.6, bgr((255, 250, 232)))
    columns = np.arange(FRAME_WIDTH)
    height = RULE_Y - 3 + np.round(3 * np.sin(columns / 47) + 1.5 * np.sin(columns / 19)).astype(int)
    dunes = np.zeros_like(cover)
    left, right = bounds[0], max(bounds[1], FRAME_WIDTH // 2)
    dunes[height[left:right], columns[left:right]] = 1
    dunes = blur(dunes, 0.9) * 1.6
    shine_through(strip, blur(dunes, 4), look.right_light, 0.9)
    lay_colour(strip, np.clip(dunes, 0, 1), bgr(look.circuit_colour))


def ice(strip: np.ndarray, letters: np.ndarray, look: Look, bounds: tuple[int, int]) -> None:
    """Faceted letters with icicles below them and frost around."""
    cover, random = to_unit(letters), np.random.default_rng(9)
    lengths = random.uniform(0, 1, FRAME_WIDTH).astype(np.float32)
    lengths = np.clip(np.maximum(lengths, np.roll(lengths, 1)) * 2.2 - 1.2, 0, 1) * ICICLES
    frozen = cover.copy()
    for down in range(1, ICICLES):
        frozen = np.maximum(frozen, shifted(cover, 0, down) * (lengths > down)[None])
    frozen = np.maximum(cover, blur(frozen, 0.7))
    shine_through(strip, glow(frozen, 18, 1.0) + blur(frozen, 5) * 0.4, look.title.glow, 0.75)
    dark = cv2.dilate(frozen, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7)))
    lay_colour(strip, blur(dark, 1.2), bgr((8, 20, 48)))
    lay_colour(strip, frozen, bgr((196, 228, 255)))
    lay_colour(strip, cover, fill(letters, look.title))
    rows, columns = np.mgrid[: cover.shape[0], :FRAME_WIDTH].astype(np.float32)
    facets = ((columns + rows * 0.9) % 58 < 20) | ((columns - rows * 1.4) % 91 < 16)
    lay_colour(strip, cover * facets * 0.34, bgr((84, 150, 222)))
    lay_colour(strip, np.clip(cover - shifted(cover, 1.4, 2.0), 0, 1) * 0.9, bgr((255, 255, 255)))
    lay_colour(strip, np.clip(cover - shifted(cover, -1.0, -1.6), 0, 1) * 0.5, bgr((40, 96, 176)))


def gilt(strip: np.ndarray, letters: np.ndarray, look: Look, bounds: tuple[int, int]) -> None:
    """Gold leaf with a dark outline, readable on a bright morning, over a line with a small sun."""
    cover = to_unit(letters)
    ring = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (13, 13))
    shine_through(strip, glow(cover, 20, 0.8), look.title.glow, 0.35)
    lay_colour(strip, blur(cv2.dilate(cover, ring), 1.6), bgr((22, 30, 62)))
    lay_colour(strip, cover, fill(letters, look.title))
    lay_colour(strip, np.clip(cover - shifted(cover, 1.2, 1.8), 0, 1) * 0.9, bgr((255, 253, 240)))
    lay_colour(strip, np.clip(cover - shifted(cover, -1.2, -1.8), 0, 1) * 0.6, bgr((140, 84, 20)))
    rule, middle = np.zeros_like(cover), FRAME_WIDTH // 2
    left, right = min(bounds[0], middle - 150), max(bounds[1], middle + 150)
    cv2.line(rule, (left, RULE_Y), (middle - 22, RULE_Y), 1.0, 2, cv2.LINE_AA)
    cv2.line(rule, (middle + 22, RULE_Y), (right, RULE_Y), 1.0, 2, cv2.LINE_AA)
    cv2.circle(rule, (middle, RULE_Y), 5, 1.0, -1, cv2.LINE_AA)
    for turn in np.arange(8) * np.pi / 4:
        way = np.array((np.cos(turn), np.sin(turn)))
        ends = [tuple(np.round(np.array((middle, RULE_Y)) + way * reach).astype(int).tolist()) for reach in (8, 13)]
        cv2.line(rule, *ends, 1.0, 2, cv2.LINE_AA)
    lay_colour(strip, blur(cv2.dilate(rule, np.ones((5, 5), np.uint8)), 1.2), bgr((22, 30, 62)))
    lay_colour(strip, rule, bgr((255, 214, 120)))
