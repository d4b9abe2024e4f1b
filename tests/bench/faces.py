"""Measure the studio's films of the free photos and of the wardrobe: `python -m tests.bench.faces`."""

import tempfile
from pathlib import Path

from providers.studio.tools import measure
from tests.support import wardrobe


def main() -> None:
    """Print the measurements; a broken rule is printed too, and no reason to stop the other benchmarks."""
    with tempfile.TemporaryDirectory() as folder:
        wardrobe.write(Path(folder))
        measure.run([wardrobe.PHOTOS, Path(folder)], list(measure.LOOKS))


if __name__ == "__main__":
    main()
