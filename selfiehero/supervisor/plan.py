"""The plan: which processes this environment needs, their order, and the banner that is shown when all are ready."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from jobs.heartbeats import beat_path
from selfiehero.address_settings import WILDCARD_HOSTS
from selfiehero.environment import PROJECT_DIR, Environment, read_endpoints

from .children import ChildSpec, Signs, Starts, Stops
from .rundir import choose_port, write_json
from .runner import Plan
from .valkey import EmbeddedValkey

LANES = ("prepare", "dispatch", "collect")
FOLDERS = ("run", "log", "tmp", "media", "static")
PYTHON_ENV = {"PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}


def make_plan(environment: Environment) -> Plan:
    """Choose ports, write the addresses that children read, and return what to run."""
    for name in FOLDERS:
        (environment.var_dir / name).mkdir(parents=True, exist_ok=True)
    kept = read_endpoints(environment.endpoints_path)
    endpoints: dict[str, str] = {}
    children = []
    if environment.uses_embedded_valkey:
        valkey = embedded_valkey(environment)
        endpoints["redis_url"] = valkey.url
        children.append(valkey_spec(valkey))
    if environment.runs_studio:
        port = choose_port(kept.get("studio_url"))
        endpoints["studio_url"] = f"http://127.0.0.1:{port}"
        children.append(
            manage(
                "studio",
                "studio",
                "--port",
                str(port),
                env={"STUDIO_PORT": str(port)},
                patience=10.0,
                signs=answers(endpoints["studio_url"]),
            )
        )
    if environment.runs_simulator:
        port = choose_port(kept.get("simulator_url"))
        endpoints["simulator_url"] = f"http://127.0.0.1:{port}"
        children.append(simulator_spec(environment, port))
    for lane in LANES:
        name = f"worker-{lane}"
        children.append(manage(name, "worker", lane, stops=Stops.FIRST, signs=beats(environment, name)))
    children.append(manage("reconcile", "reconcile", patience=10.0, signs=beats(environment, "reconcile")))
    children.append(
        manage(
            "web",
            *("serve", "--host", environment.host, "--port", str(environment.port)),
            starts=Starts.LAST,
            stops=Stops.FIRST,
            signs=answers(environment.local_url),
        )
    )
    write_json(environment.endpoints_path, endpoints)
    return Plan(
        children=tuple(children),
        run_dir=environment.run_dir,
        log_dir=environment.log_dir,
        # Not kept in a log: its output has the admin's first password.
        set_up=manage("set-up", "up", "--prepare", stops=Stops.FIRST, is_logged=False),
        ready_url=f"{environment.local_url}/readyz",
        banner=lambda kept: banner(environment, kept),
        is_for_banner=says_password,
    )


def beats(environment: Environment, name: str) -> Signs:
    """A minute without a beat, of which there is one every five seconds."""
    return Signs(beat=beat_path(environment.var_dir, name))


def answers(url: str) -> Signs:
    """Three times in a row no answer at all, each within ten seconds: busy is not hung."""
    return Signs(url=f"{url}/healthz", every=10.0, patience=3)


def manage(name: str, *arguments: str, env: dict[str, str] | None = None, **choices: Any) -> ChildSpec:
    argv = (sys.executable, str(PROJECT_DIR / "manage.py"), *arguments)
    return ChildSpec(name=name, argv=argv, env={**PYTHON_ENV, **(env or {})}, **choices)


def simulator_spec(environment: Environment, port: int) -> ChildSpec:
    return manage(
        "simulator",
        *("simulator", "--port", str(port), "--scenario", environment.simulator_scenario),
        *("--secrets", str(environment.simulator_secrets_path)),
        patience=5.0,
    )


def embedded_valkey(environment: Environment) -> EmbeddedValkey:
    return EmbeddedValkey(
        data_dir=environment.var_dir / "valkey",
        config_path=environment.run_dir / "valkey.conf",
        socket_path=environment.valkey_socket,
        port=0 if environment.valkey_socket else choose_port(),
    )


def valkey_spec(valkey: EmbeddedValkey) -> ChildSpec:
    return ChildSpec(
        name="valkey",
        argv=valkey.argv,
        starts=Starts.FIRST,
        stops=Stops.LAST,
        patience=10.0,
        is_up=valkey.answers,
        before_start=valkey.prepare,
        is_shown=False,
    )


def says_password(line: str) -> bool:
    """Whether this line of set-up has the admin's first password, which is shown once, in the banner."""
    return "password" in line.lower()


def banner(environment: Environment, kept: Iterable[str]) -> Iterable[str]:
    """Return the lines of the banner: the addresses, and set-up's lines about the admin's password."""
    rule = "━" * 62
    yield rule
    yield f"Selfie Hero is ready: {environment.public_url}/"
    yield f"For staff:            {environment.public_url}/admin/"
    yield from (line.strip() for line in kept)
    if environment.host in WILDCARD_HOSTS and environment.public_url == environment.local_url:
        yield "From other machines it answers only to the names in ALLOWED_HOSTS."
    yield f"Ctrl-C stops it. What it keeps is in {relative(environment.var_dir)}/"
    yield rule


def relative(path: Path) -> str:
    return str(path.relative_to(PROJECT_DIR)) if path.is_relative_to(PROJECT_DIR) else str(path)
