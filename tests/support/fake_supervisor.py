"""The real supervisor with small children that a test describes: `python -m tests.support.fake_supervisor PLAN.json`.

The plan: {"folder": …, "ready_url": …, "set_up": CODE, "children": [{"name", "code", "starts", "stops", "patience"}]}
"""

import asyncio
import json
import sys
from pathlib import Path

from selfiehero.supervisor.children import ChildSpec, Signs, Starts, Stops
from selfiehero.supervisor.logs import Terminal
from selfiehero.supervisor.plan import says_password
from selfiehero.supervisor.rundir import Lock
from selfiehero.supervisor.runner import Plan, Supervisor


def main(path: str) -> int:
    described = json.loads(Path(path).read_text())
    folder = Path(described["folder"])
    lock = Lock(folder / "run" / "up.lock")
    descriptor = lock.acquire(url="http://test")
    plan = Plan(
        children=tuple(spec(**child) for child in described["children"]),
        run_dir=folder / "run",
        log_dir=folder / "log",
        set_up=spec("set-up", described["set_up"], is_logged=False) if "set_up" in described else None,
        ready_url=described.get("ready_url"),
        banner=lambda kept: [*kept, "BANNER"],
        is_for_banner=says_password,
    )
    return asyncio.run(Supervisor(plan, terminal=Terminal(), lock_descriptor=descriptor).run())


def spec(
    name: str, code: str, starts: str = "NEXT", stops: str = "NEXT", signs: dict | None = None, **choices
) -> ChildSpec:
    if signs is not None:
        choices["signs"] = Signs(**signs | {"beat": Path(signs["beat"]) if "beat" in signs else None})
    argv = (sys.executable, "-u", "-c", code)
    return ChildSpec(name=name, argv=argv, starts=Starts[starts], stops=Stops[stops], **choices)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
