"""The film for pictures without a face: the picture is scanned as an object and projected as a hologram.

    scan    the plain picture, then a beam from the left turns it into lines that rise where it is bright
    hero    a projector in the street builds the hologram up from its foot; it turns
    close   near it, tilted, the lines of the scan running through it
    title   back again, title and mark

Timeline, street and music are those of a hero's film. A frame does not depend on earlier frames.
"""

from __future__ import annotations

from functools import cached_property

import cv2
import numpy as np

from providers.studio.film.city.scenery import Scenery
from providers.studio.film.city.weather import develop, make_falls
from providers.studio.film.music.score import Cues
from providers.studio.film.person.photo import Photo
from providers.studio.film.titles.lettering import TITLE, text_mask
from providers.studio.film.titles.mark import lay_mark, make_mark
from providers.studio.film.titles.titles import TitleCard

from .canvas import (
    FRAME_HEIGHT,
    FRAME_WIDTH,
    FRAMES_PER_SECOND,
    INVERSE,
    PLATE_HEIGHT,
    PLATE_WIDTH,
    Colour,
    bgr,
    blur,
    camera,
    colour_layer,
    composite,
    inverse,
    scalar,
    shine,
    sixteenths,
    smoothstep,
    smoothsteps,
    to_byte,
    to_unit,
)
from .glitch import glitch
from .hud import lay_hud, make_hud, tick, write
from .looks import Look
from .memory import Scratch
from .projection import CENTRE, EDGE, RISE, brightness, contours, cropped, facing, projected
from .variation import Variation

FOOT = PLATE_HEIGHT * 0.735  # plate px, the projector
LABEL, SUBLABEL = "UNKNOWN ARTEFACT", "NO FACE FOUND // HOLOGRAM MODE"


class HologramDirector:
    """Draws the frames of one film without a hero. `frame` returns a view of its buffers."""

    def __init__(
        self, photo: Photo, scenery: Scenery, look: Look, variation: Variation, hero_name: str, cues: Cues
    ) -> None:
        self._scenery, self._style, self._variation, self._cues = scenery, look, variation, cues
        self._look = look.as_light  # a hologram is light
        self._hero_name = hero_name
        self._image = cropped(photo)
        self._relief = blur(brightness(self._image), 2.5)
        self._panel = projected(self._image, self._look)
        self._back_rain, self._front_rain = make_falls(look, variation)
        self._picture = np.empty((FRAME_HEIGHT, FRAME_WIDTH, 4), np.uint8)
        self._layer = np.empty((FRAME_HEIGHT, FRAME_WIDTH, 4), np.uint8)
        self._scratch = Scratch()

    def frame(self, number: int) -> np.ndarray:
        """Draw frame `number` as BGRA."""
        seconds, cues = number / FRAMES_PER_SECOND, self._cues
        if seconds < cues.hero:
            broken = self._scan(seconds, seconds / cues.hero)
        elif seconds < cues.close_up:
            broken = self._projection(number, seconds, (seconds - cues.hero) / (cues.close_up - cues.hero))
        elif seconds < cues.title:
            broken = self._close(number, seconds, (seconds - cues.close_up) / (cues.title - cues.close_up))
        else:
            broken = self._end(seconds, (seconds - cues.title) / (cues.end - cues.title))
        develop(self._picture, self._variation.dice("grain", number))
        if seconds >= cues.title:
            self._lay_words(number, seconds)
        if broken > 0.04:
            lights = (self._look.left_light, self._look.right_light)
            return glitch(self._picture, broken, self._variation.dice("glitch", number), lights)
        return self._picture

    @cached_property
    def _hud(self) -> np.ndarray:
        return make_hud(self._look, self._variation)

    @cached_property
    def _street_hud(self) -> np.ndarray:
        return make_hud(self._style, self._variation)

    @cached_property
    def _title(self) -> TitleCard:
        return TitleCard(self._style, self._hero_name, self._variation.serial)

    @cached_property
    def _mark(self) -> np.ndarray:
        return make_mark(self._look)

    @cached_property
    def _ground(self) -> np.ndarray:
        """The background of the scan: a grid that fades towards its edges."""
        grid = np.zeros((FRAME_HEIGHT, FRAME_WIDTH), np.uint8)
        grid[::40], grid[:, ::40] = 120, 120
        grid[::200], grid[:, ::200] = 220, 220
        rows, columns = np.mgrid[:FRAME_HEIGHT, :FRAME_WIDTH].astype(np.float32)
        far = np.hypot((columns / FRAME_WIDTH - 0.5) * 1.3, rows / FRAME_HEIGHT - 0.42)
        light = colour_layer(to_byte(to_unit(grid) * np.clip(1 - far * 1.5, 0, 1)), bgr(self._look.hud_colour), 0.8)
        light[..., :3] = cv2.add(light[..., :3], np.clip(bgr(self._look.fog) * 0.16, 0, 255).astype(np.uint8))
        light[..., 3] = 255
        return light

    @cached_property
    def _projector(self) -> np.ndarray:
        """The rings on the street and the cone of light above them, on the plate, as light."""
        light, x = np.zeros((PLATE_HEIGHT, PLATE_WIDTH), np.float32), PLATE_WIDTH // 2
        cone = np.zeros_like(light)
        top, half = CENTRE[1] - self._panel.shape[0] / 2 + EDGE, self._panel.shape[1] / 2 - EDGE
        outline = np.array([(x - 70, FOOT), (x + 70, FOOT), (x + half, top), (x - half, top)])
        cv2.fillPoly(cone, [sixteenths(outline)], 1.0, cv2.LINE_AA, 4)
        rows = np.arange(PLATE_HEIGHT, dtype=np.float32)[:, None]
        light += blur(cone, 9) * smoothsteps(top, FOOT, rows) ** 2 * 0.42
        for radius, gain in ((84, 1.0), (132, 0.6), (196, 0.35)):
            ring = np.zeros_like(light)
            cv2.ellipse(ring, (x, int(FOOT)), (radius, int(radius * 0.2)), 0, 0, 360, 1.0, 3, cv2.LINE_AA)
            light += (ring + blur(ring, 7) * 1.6) * gain
        return colour_layer(to_byte(light), bgr(self._look.hud_colour))

    # --- The shots --------------------------------------------------------------------------------

    def _scan(self, seconds: float, progress: float) -> float:
        """The object scan: plain to the right of the beam, lines in relief to its left."""
        picture, look = self._picture, self._look
        np.copyto(picture, self._ground)
        height, width = self._image.shape[:2]
        scale = min(600 / width, 690 / height) * (1 + 0.05 * progress)
        size = (int(width * scale), int(height * scale))
        left, top = (FRAME_WIDTH - size[0]) // 2, 515 - size[1] // 2
        beam = int(size[0] * smoothstep(0.16, 0.84, progress))
        if beam < size[0]:
            plain = cv2.resize(self._image, size, interpolation=cv2.INTER_AREA)
            picture[top : top + size[1], left + beam : left + size[0], :3] = plain[:, beam:]
        if beam > 2:
            relief = cv2.resize(self._relief, size, interpolation=cv2.INTER_AREA)
            lines = contours(relief, RISE * smoothstep(0.12, 0.6, progress))
            colour = cv2.resize(self._image, size, interpolation=cv2.INTER_AREA)
            area = picture[top - RISE : top + size[1], left : left + beam]
            shown = lines[:, :beam]
            tinted = colour_layer(cv2.addWeighted(shown, 0.9, blur(shown, 3), 0.6, 0), bgr(look.hud_colour))
            ghost = cv2.multiply(colour[:, :beam], (0.30, 0.30, 0.30, 0))
            area[RISE:, :, :3] = cv2.addWeighted(area[RISE:, :, :3], 0.35, ghost, 1.0, 0)
            cv2.add(area, tinted, area)
        self._beam(left + beam, top - 40, top + size[1] + 40, 0 < beam < size[0])
        self._brackets((left, top, left + size[0], top + size[1]), progress)
        self._report(progress, seconds)
        cv2.add(picture, self._hud, picture)
        return smoothstep(0.88, 1.0, progress) * 0.9

    def _projection(self, number: int, seconds: float, progress: float) -> float:
        lean = self._variation.shots.lean
        zoom = 1.03 + 0.13 * smoothstep(-0.2, 1.2, progress) + 0.4 * np.exp(-progress * 13)
        pan = (-18 + 36 * progress) * lean
        self._street(seconds, zoom + 0.03, pan)
        matrix = camera(zoom, PLATE_WIDTH / 2 + pan * 0.35, PLATE_HEIGHT * 0.5)
        self._project(
            matrix,
            seconds,
            yaw=(0.62 - 1.15 * smoothstep(0.0, 1.0, progress)) * lean,
            built=smoothstep(0.06, 0.5, progress),
        )
        self._scenery.bloom(self._picture)
        self._finish(number, seconds)
        flash = 0.5 if 0.49 < progress < 0.51 else 0.0
        return max(1 - smoothstep(0, 0.07, progress), smoothstep(0.955, 1, progress) * 0.8, flash)

    def _close(self, number: int, seconds: float, progress: float) -> float:
        lean = self._variation.shots.lean
        tilt = (-0.06 + 0.025 * progress) * lean
        behind = camera(1.5 + 0.05 * progress, PLATE_WIDTH / 2 + (30 - 50 * progress) * lean, PLATE_HEIGHT * 0.44, tilt)
        self._scenery.draw_defocused(behind, self._picture)
        matrix = camera(
            1.42 + 0.14 * progress,
            CENTRE[0] + (10 - 20 * progress) * lean,
            CENTRE[1] + 10,
            tilt,
            to=(FRAME_WIDTH / 2, FRAME_HEIGHT * 0.47),
        )
        self._project(matrix, seconds, yaw=(-0.32 + 0.5 * progress) * lean, lines=0.9 * np.sin(np.pi * progress))
        self._scenery.bloom(self._picture)
        gain = 0.3 + 0.3 * np.sin(np.pi * progress)
        self._scenery.flare(self._picture, FRAME_WIDTH * (0.1 + 0.8 * progress), FRAME_HEIGHT * 0.4, gain)
        self._finish(number, seconds)
        return max(1 - smoothstep(0, 0.16, progress), smoothstep(0.86, 1, progress) * 0.9)

    def _end(self, seconds: float, progress: float) -> float:
        lean = self._variation.shots.lean
        settled = 1 - (1 - min(1.0, progress * 1.15)) ** 3
        zoom, pan = 1.26 - 0.2 * settled, (14 - 20 * progress) * lean
        self._street(seconds, zoom + 0.02, pan)
        matrix = camera(zoom, PLATE_WIDTH / 2 + pan * 0.35, PLATE_HEIGHT * 0.5 + 26)
        self._project(matrix, seconds, yaw=(0.20 - 0.34 * progress) * lean)
        self._scenery.bloom(self._picture)
        self._front_rain.fall(self._picture, seconds)
        return 1 - smoothstep(0, 0.10, progress)

    # --- Parts of the shots --------------------------------------------------------------------

    def _street(self, seconds: float, zoom: float, x: float) -> None:
        self._scenery.draw(seconds, zoom, x, 0, self._picture)
        self._back_rain.fall(self._picture, seconds)

    def _finish(self, number: int, seconds: float) -> None:
        self._front_rain.fall(self._picture, seconds)
        lay_hud(self._picture, self._street_hud, self._style)
        tick(self._picture, self._style, number)

    def _lay_words(self, number: int, seconds: float) -> None:
        cues, picture = self._cues, self._picture
        self._title.lay(picture, seconds - cues.title, self._variation.dice("title", number))
        fading = smoothstep(0.14, 0.0, cues.end - seconds) if cues.end - seconds < 0.14 else 0.0
        if fading:
            cv2.convertScaleAbs(picture, picture, 1 - fading)
        lay_mark(picture, self._mark, seconds - cues.mark, cues.end - seconds)

    def _project(
        self, matrix: np.ndarray, seconds: float, *, yaw: float, built: float = 1.0, lines: float = 0.25
    ) -> None:
        """Draw the projector and the hologram, turned by `yaw` radians and built to a share (0..1), over the frame."""
        size = (FRAME_WIDTH, FRAME_HEIGHT)
        cv2.warpAffine(self._projector, inverse(matrix), size, self._layer, INVERSE, cv2.BORDER_CONSTANT)
        trembling = 0.86 + 0.1 * np.sin(seconds * 31) * np.sin(seconds * 7.3)
        cv2.add(self._picture, cv2.convertScaleAbs(self._layer, alpha=trembling), self._picture)
        panel = self._lit_panel(seconds, built, lines)
        lift = 7 * np.sin(seconds * 1.9)
        to_frame = facing(panel, matrix, yaw, lift)
        cv2.warpPerspective(panel, to_frame, size, self._layer, cv2.INTER_LINEAR, cv2.BORDER_CONSTANT)
        composite(self._picture, self._layer, self._scratch)

    def _lit_panel(self, seconds: float, built: float, lines: float) -> np.ndarray:
        """The hologram at a time: a band of light rolls down, and the scan's lines run through it."""
        panel, colour = self._panel.copy(), self._look.hud_colour
        inside = panel[EDGE:-EDGE, EDGE:-EDGE]
        height = inside.shape[0]
        if lines > 0.02:
            cv2.add(inside, cv2.convertScaleAbs(self._wires, alpha=lines), inside)
        band = int((seconds * 0.55 % 1.2) * height)
        lit = inside[max(0, band - 46) : min(height, band)]
        if len(lit):
            cv2.add(lit, scalar(colour, 0.16), lit)
        if built < 1:
            front = EDGE + int((1 - built) * height)
            panel[:front] = 0
            edge = panel[front : front + 5, EDGE:-EDGE]
            edge[...] = (*np.clip(bgr(colour) * 0.5 + 128, 0, 255).astype(int).tolist(), 255)
        return panel

    @cached_property
    def _wires(self) -> np.ndarray:
        """The scan's lines on the panel, as light."""
        height, width = self._panel.shape[0] - 2 * EDGE, self._panel.shape[1] - 2 * EDGE
        relief = cv2.resize(self._relief, (width, height), interpolation=cv2.INTER_AREA)
        return colour_layer(contours(relief, RISE)[RISE:], bgr(self._look.hud_colour))

    def _beam(self, x: int, top: int, bottom: int, is_on: bool) -> None:
        if not is_on:
            return
        reach = 60
        fall = np.exp(-np.abs(np.arange(-reach, reach)) / 15.0)[None] * 255
        mask = cv2.repeat(fall.astype(np.uint8), bottom - top, 1)
        shine(self._picture, mask, self._look.hud_colour, x - reach, top, 0.6)
        cv2.line(self._picture, (x, top), (x, bottom), (255, 255, 255, 255), 3)

    def _brackets(self, box: tuple[int, int, int, int], progress: float) -> None:
        loose = int(14 + 44 * (1 - smoothstep(0, 0.35, progress)))
        left, top, right, bottom = box[0] - loose, box[1] - loose, box[2] + loose, box[3] + loose
        for x, y, across, down in (
            (left, top, 1, 1),
            (right, top, -1, 1),
            (left, bottom, 1, -1),
            (right, bottom, -1, -1),
        ):
            colour = scalar(self._look.hud_colour)
            cv2.line(self._picture, (x, y), (x + across * 54, y), colour, 3, cv2.LINE_AA)
            cv2.line(self._picture, (x, y), (x, y + down * 54), colour, 3, cv2.LINE_AA)

    def _report(self, progress: float, seconds: float) -> None:
        look, picture, x, y = self._look, self._picture, 60, 930
        percent = min(100.0, progress * 118)
        write(picture, f"OBJECT SCAN {percent:05.1f}%", 26, x, y, look.hud_colour)
        cv2.rectangle(picture, (x, y + 42), (x + int(6 * percent), y + 46), scalar(look.hud_colour), -1)
        # The histogram of the part that is scanned so far.
        step = 600 / len(self._spectrum)
        for number, share in enumerate(self._spectrum[: int(len(self._spectrum) * percent / 100)]):
            left = x + int(number * step)
            high = int(4 + 86 * share * (0.9 + 0.1 * np.sin(seconds * 40 + number)))
            cv2.rectangle(picture, (left, y + 290 - high), (left + int(step) - 4, y + 290), scalar(look.left_light), -1)
        if progress < 0.45:
            return
        words = text_mask(LABEL, TITLE, 50, spacing=2)
        if words.shape[1] > 600:
            words = cv2.resize(words, (600, words.shape[0] * 600 // words.shape[1]), interpolation=cv2.INTER_AREA)
        blink: Colour = (255, 255, 255) if int(seconds * 14) % 2 else look.hud_colour
        shine(picture, blur(words, 6), look.left_light, x, y + 62, 0.9)
        shine(picture, words, blink, x, y + 62)
        write(picture, SUBLABEL, 26, x, y + 124, look.hud_colour, 0.9)

    @cached_property
    def _spectrum(self) -> list[float]:
        """A histogram of 40 steps of brightness, its highest value 1."""
        counts, _ = np.histogram(self._relief, 40, (0, 1))
        shares = np.sqrt(counts / max(1, counts.max()))
        return shares.tolist()
