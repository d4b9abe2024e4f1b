"""Circuit traces on the cheek that faces the camera, and the pulses that run along them."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import cv2
import numpy as np

from providers.studio.film.canvas import bgr, blur, glow, to_unit
from providers.studio.film.looks import Look
from providers.studio.film.person.faceframe import FaceFrame
from providers.studio.film.variation import Variation

# Chains of mesh points on the picture's left cheek, jaw and forehead, and their twins on the right.
CHAINS = (
    (234, 227, 116, 117, 50, 205, 203),
    (93, 137, 123, 187, 207),
    (132, 177, 147, 213, 192, 214),
    (21, 54, 103, 104, 69),
    (227, 34, 156),
)
MIRRORED_CHAINS = (
    (454, 447, 345, 346, 280, 425, 423),
    (323, 366, 352, 411, 427),
    (361, 401, 376, 433, 416, 434),
    (251, 284, 332, 333, 299),
    (447, 264, 383),
)
FRONTAL_YAW = 0.04  # yaw below which the face looks straight at the camera
PULSE_SPEED = 210  # steps of the phase map a second


@dataclass
class Circuits:
    """All of the face's window."""

    layer: np.ndarray  # BGRA uint8: the traces at full light
    phase: np.ndarray  # uint8: how far along its trace a pixel lies, 0 off the traces
    keep: np.ndarray  # float32 0..1: the skin darkens under the traces


def make_circuits(
    frame: FaceFrame, look: Look, glass: np.ndarray, alpha: np.ndarray, yaw: float, variation: Variation
) -> Circuits:
    """Draw the traces; `glass` (uint8) and `alpha` (float32) are the visor's and the figure's in the window."""
    traces, phase = frame.blank(), frame.blank()
    left = variation.shots.lean > 0 if abs(yaw) < FRONTAL_YAW else yaw > 0
    for number, chain in enumerate(CHAINS if left else MIRRORED_CHAINS):
        if number == variation.missing_circuit:
            continue
        # Three points per chain: traces with more of them look like worms.
        ends = [chain[0], chain[len(chain) // 2], chain[-1]] if len(chain) > 3 else list(chain)
        _draw_trace(frame, traces, phase, _routed(frame, frame.points[ends]), number)
    mask = to_unit(traces) * np.clip(alpha * 2 - 1, 0, 1) * (1 - np.clip(to_unit(glass) * 1.5, 0, 1) * 0.85)
    colour = bgr(look.circuit_colour)
    light = mask[..., None] * (colour * 0.7 + 75)
    light += (glow(mask, frame.unit * 0.015, 1.5) * 0.8 + glow(mask, frame.unit * 0.05, 1.5) * 0.45)[..., None] * colour
    layer = np.dstack([np.clip(light, 0, 255).astype(np.uint8), frame.blank()])
    return Circuits(layer, phase, 1 - blur(mask, frame.unit * 0.012) * 0.55)


def pulse_table(seconds: float, gain: float) -> np.ndarray:
    """The brightness by phase at a time, as a table of 256 bytes: two pulses that run over a steady glow."""
    position = (np.arange(256, dtype=np.float32) - seconds * PULSE_SPEED) % 256
    pulses = 0.9 * np.exp(-(((position - 128) / 20) ** 2)) + 0.5 * np.exp(-((((position + 128) % 256 - 128) / 9) ** 2))
    table = np.clip((0.42 + pulses) * 255 * gain * 0.8, 0, 255).astype(np.uint8)
    table[0] = int(table[1:].min())
    return table


def _routed(frame: FaceFrame, points: np.ndarray) -> np.ndarray:
    """Join points like traces on a circuit board: along the face's axes, with one section at 45 degrees."""
    route = [points[0]]
    for start, end in itertools.pairwise(points):
        along, below = (end - start) @ frame.right, (end - start) @ frame.down
        diagonal = min(abs(along), abs(below))
        if abs(along) > abs(below):
            straight = frame.right * np.sign(along) * (abs(along) - diagonal)
        else:
            straight = frame.down * np.sign(below) * (abs(below) - diagonal)
        first = start + straight * 0.5
        second = first + frame.right * np.sign(along) * diagonal + frame.down * np.sign(below) * diagonal
        route += [first, second, end]
    return np.array(route)


def _draw_trace(frame: FaceFrame, traces: np.ndarray, phase: np.ndarray, route: np.ndarray, number: int) -> None:
    lengths = np.hypot(*np.diff(route, axis=0).T)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    total = max(1.0, float(starts[-1]))
    width = max(1, round(frame.hairline * 1.2))
    for index, length in enumerate(lengths):
        start, end = route[index], route[index + 1]
        cv2.line(traces, frame.local_point(start), frame.local_point(end), 255, width, cv2.LINE_AA, 4)
        steps = max(1, int(length / 3))
        for step in range(steps):
            low, high = start + (end - start) * step / steps, start + (end - start) * (step + 1) / steps
            value = int(20 + 200 * (starts[index] + length * step / steps) / total + number * 7) % 256
            ends = frame.local_point(low), frame.local_point(high)
            cv2.line(phase, *ends, max(1, value), max(1, int(frame.unit * 0.14)), cv2.LINE_8, 4)
    for point, radius in ((route[-1], 0.022), (route[len(route) // 2], 0.015)):
        centre = frame.local_point(point)
        cv2.circle(traces, centre, int(radius * frame.unit * 16), 255, max(1, width - 1), cv2.LINE_AA, 4)
        cv2.circle(traces, centre, int(radius * 0.4 * frame.unit * 16), 255, -1, cv2.LINE_AA, 4)
