"""Measure the studio's films of the free photos and of everybody in the wardrobe: `python -m tests.bench.faces`."""

import sys
import tempfile
from pathlib import Path

from providers.studio import measure
from tests.support import wardrobe


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        wardrobe.write(Path(folder))
        return measure.run([wardrobe.PHOTOS, Path(folder)], list(measure.LOOKS))


if __name__ == "__main__":
    main()  # a broken rule is printed, and no reason to stop the other benchmarks
    sys.exit(0)
