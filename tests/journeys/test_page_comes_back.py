"""When a page comes back after it lost its socket: spread out after a restart, ever more slowly after trouble."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from selfiehero.environment import PROJECT_DIR

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

# A thousand pages whose sockets are closed again and again; the clock is ours, so nothing is waited for.
PAGES = """
async ({ code, closes }) => {
  const sockets = [], delays = [];
  window.WebSocket = class { static OPEN = 1; constructor() { this.readyState = 0; sockets.push(this); } close() {} };
  const { JobProgress } = await import("/js/job-progress.js");
  const links = { self: "/nothing/", socket: "/ws/jobs/1/" };
  const later = window.setTimeout;
  for (let page = 0; page < 1000; page++) {
    const progress = new JobProgress({ seq: 1, status: "queued", links }, { onSnapshot() {} });
    clearTimeout(progress.pollTimer);
    progress.plan = () => {};
    for (let close = 0; close < closes; close++) {
      window.setTimeout = (work, delay) => { delays.push(delay); return 0; };
      sockets.at(-1).onclose({ code });
      window.setTimeout = later;
      if (close < closes - 1) { delays.pop(); progress.connect(); }
    }
    progress.stop();
  }
  return delays;
}
"""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def page(browser) -> Iterator:
    """A page that may import our modules."""
    handler = functools.partial(Quiet, directory=str(PROJECT_DIR / "static"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        context = browser.new_context()
        opened = context.new_page()
        opened.goto(f"http://127.0.0.1:{server.server_address[1]}/js/")
        yield opened
        context.close()
        server.shutdown()


def tenths(delays: list[float], ceiling: float) -> list[int]:
    """Return how many of the delays fall into each tenth of the ceiling."""
    assert all(0 <= delay < ceiling for delay in delays)
    return [sum(int(delay / ceiling * 10) == number for delay in delays) for number in range(10)]


def test_after_a_restart_pages_come_back_spread_over_ten_seconds(page) -> None:
    delays = page.evaluate(PAGES, {"code": 1012, "closes": 1})
    assert len(delays) == 1000
    assert min(tenths(delays, 10_000)) > 50, "of a thousand, a hundred in each second"


@pytest.mark.parametrize(("closes", "ceiling"), [(1, 1_000), (2, 2_000)])
def test_the_more_often_a_socket_fails_the_longer_its_page_waits(page, closes: int, ceiling: float) -> None:
    """After the third time it goes one rung down: to events, then to asking (tests/pages/test_wait.py)."""
    delays = page.evaluate(PAGES, {"code": 1006, "closes": closes})
    assert min(tenths(delays, ceiling)) > 50
