"""A sandbox's child for photos or films as it would be without its confinement: for `tests.bench.confinement` alone."""

import sys

from confinement.confine import Confinement
from jobs.films import child as films
from jobs.photos import child as photos
from jobs.sandbox import child

child.confine = lambda: Confinement(problem="not confined, for a measurement")

if __name__ == "__main__":
    is_film = "poster_pixels" in sys.argv[1]
    child.serve(sys.argv[1], films.load if is_film else photos.load)
