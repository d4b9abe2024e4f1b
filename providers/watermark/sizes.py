"""Sizes of the grid and of pictures that are searched for it, for whoever only passes these on. No imports."""

WIDE, HIGH = 180, 320  # cells
KEY_BYTES = 32
POINTS = 2  # of a flattened picture, along each edge of a cell
FLAT_WIDTH = WIDE * POINTS
MOST_FLAT_HEIGHT = 4 * FLAT_WIDTH
