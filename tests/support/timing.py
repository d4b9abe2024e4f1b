"""Bounds on time, for tests that prove that nobody is held up, and what spares others a wait."""

import contextlib
import time
from collections.abc import Iterator

# How much longer a machine that is busy elsewhere may take than an idle one.
PATIENCE = 10
# What `Pump` takes as `ticks`. A product's make batches of what many people order. A test that runs a lane until it is
# empty would wait for two of them each time, for 0.4 s where tests in a row make the pump look busy.
SHORT_TICKS = (0.002, 0.002)


@contextlib.contextmanager
def takes_about(seconds: float) -> Iterator[None]:
    """Fail when what is inside takes ten times as long as it does on an idle machine, which is `seconds`.

    So it tells what hangs from what does not; what has to be exact is counted, not timed.
    """
    started = time.monotonic()
    yield
    took = time.monotonic() - started
    assert took < seconds * PATIENCE, f"took {took:.1f} s, {seconds:g} s on an idle machine"
