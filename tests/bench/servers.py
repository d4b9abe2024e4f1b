"""What a request costs under each HTTP server: CPU of its processes for each answer, and memory.

    python -m tests.bench.servers [--requests 3000]

Measures `manage.py serve` (daphne with our bridge), and granian, gunicorn and uvicorn, which are no packages of the
product, where they are installed. CPU, not time: the client shares the machine. SQLite, one process each.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import requests

from selfiehero.environment import PROJECT_DIR
from tests.support.processes import free_port, start_process, stop_process, wait_for
from tests.support.product import product_env
from tests.support.valkey import running_valkey

THREADS = "8"
SERVERS = {
    "serve": ["manage.py", "serve", "--port", "PORT"],
    "granian, WSGI": [
        *("-m", "granian", "--interface", "wsgi", "--port", "PORT", "--blocking-threads", THREADS, "--no-ws"),
        "selfiehero.wsgi:application",
    ],
    "gunicorn, gthread": [
        *("-m", "gunicorn", "--worker-class", "gthread", "--threads", THREADS, "--bind", "127.0.0.1:PORT"),
        "selfiehero.wsgi:application",
    ],
    "uvicorn, ASGI": [
        *("-m", "uvicorn", "--port", "PORT", "--log-level", "warning", "--no-access-log"),
        "selfiehero.asgi:application",
    ],
}
PATHS = {"/healthz": 1.0, "/api/v1/looks/": 0.3, "/": 0.1}  # and which share of the requests each gets


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=3000)
    count = parser.parse_args().requests
    with running_valkey() as redis_url, tempfile.TemporaryDirectory() as folder:
        values = product_env(
            VAR_DIR=str(Path(folder) / "var"),
            REDIS_URL=redis_url,
            STUDIO="0",
            THROTTLE_READS="1000000/s",
            DATABASE_URL="",
        )
        set_up = {name: value for name, value in {**os.environ, **values}.items() if value is not None}
        command = [sys.executable, "manage.py", "up", "--prepare", "--no-admin"]
        subprocess.run(command, cwd=PROJECT_DIR, env=set_up, check=True, capture_output=True)
        for name, arguments in SERVERS.items():
            module = arguments[1] if arguments[0] == "-m" else "django"
            if importlib.util.find_spec(module) is None:
                print(f"{name:20} not installed")
                continue
            measure(name, arguments, count, Path(folder), values)
    return 0


def measure(name: str, arguments: list[str], count: int, folder: Path, values: dict[str, str | None]) -> None:
    port = str(free_port())
    argv = [sys.executable, *(argument.replace("PORT", port) for argument in arguments)]
    process = start_process(argv, log_path=folder / "server.log", env=values, cwd=PROJECT_DIR)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: answers(url), f"{name} to answer", seconds=60)
        told = []
        for path, share in PATHS.items():
            send(url + path, 100)  # warm
            before = cpu_seconds(process.pid)
            sent = send(url + path, int(count * share))
            told.append(f"{path} {(cpu_seconds(process.pid) - before) / sent * 1000:.2f} ms")
        print(f"{name:20} {', '.join(told)}, {memory(process.pid) // 2**20} MB")
    finally:
        stop_process(process, 15)


def send(url: str, count: int) -> int:
    """Ask over eight kept connections; return how many were answered."""

    def ask(number: int) -> None:
        with requests.Session() as session:
            session.trust_env = False
            for _ in range(number):
                session.get(url, timeout=30).raise_for_status()

    threads = [threading.Thread(target=ask, args=(count // 8,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return count // 8 * 8


def answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/healthz", timeout=2).status_code == 200
    except requests.RequestException:
        return False


def family(pid: int) -> list[int]:
    """Return this process and all below it."""
    children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [pid, *(below for child in children for below in family(child))]


def cpu_seconds(pid: int) -> float:
    ticks = 0
    for process in family(pid):
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def memory(pid: int) -> int:
    """Return what these processes have in memory, shared pages in parts."""
    rollups = [Path(f"/proc/{process}/smaps_rollup").read_text() for process in family(pid)]
    return sum(int(text.partition("\nPss:")[2].split()[0]) * 1024 for text in rollups)


if __name__ == "__main__":
    sys.exit(main())
