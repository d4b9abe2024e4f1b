"""`manage.py simulator` as a real process, and the unpatched fal client against it over TLS."""

from __future__ import annotations

import ipaddress
import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.core.management import CommandError, call_command

from providers.simulator import scenario_files
from providers.simulator.signing import load_or_create
from selfiehero.environment import PROJECT_DIR
from tests.support.processes import start_process
from tests.support.simulator import Caller, Listener, SimulatorProcess, running_simulator

pytestmark = pytest.mark.slow


def test_it_says_its_address_in_one_line_and_stops_when_asked(tmp_path):
    with SimulatorProcess(tmp_path) as simulator:
        assert simulator.said() == f"simulator listening on {simulator.url}\n"
        assert simulator.state("fal")["open"] == 0
        assert simulator.stop() == 0
    assert simulator.said().count("\n") == 1


def test_it_stops_at_once_while_calls_hang_and_predictions_run(tmp_path):
    with SimulatorProcess(tmp_path, "--scenario", "everyday") as simulator:
        caller = Caller(simulator.url, "fal")
        caller.made()
        simulator.next("fal", "submit", "hang")
        with pytest.raises(requests.Timeout):
            caller.submit(timeout=0.3)
        assert simulator.stop(signal.SIGINT) == 0
    assert "Traceback" not in simulator.said()


def test_a_scenario_and_a_seed_are_taken_from_the_command_line(tmp_path):
    scenario = {"seed": 3, "providers": {"fal": {"times": {"duration": {"uniform": [50, 60]}}}}}
    (tmp_path / "mine.json").write_text(json.dumps(scenario))
    with SimulatorProcess(tmp_path, "--scenario", str(tmp_path / "mine.json"), "--seed", "9") as simulator:
        assert simulator.control("GET", "state")["seed"] == 9
        assert simulator.control("GET", "fal")["times"]["duration"] == {"uniform": [50, 60]}


@pytest.mark.parametrize(
    ("scenario", "sentence"),
    [
        ('{"providers": {"fal": {"limits": {"concurent": 3}}}}', "fal: limits knows no “concurent”"),
        ("{", "is not JSON"),
        (None, "cannot be read: No such file or directory"),
    ],
)
def test_a_scenario_that_cannot_be_used_is_a_sentence(tmp_path, scenario, sentence):
    path = tmp_path / "mine.json"
    if scenario is not None:
        path.write_text(scenario)
    with pytest.raises(CommandError, match=sentence):
        call_command("simulator", scenario=str(path), port=0)


def test_what_cannot_be_used_ends_the_command_with_its_sentence_alone(tmp_path):
    simulator = SimulatorProcess(tmp_path, "--scenario", str(tmp_path / "missing.json"))
    process = start_process(simulator.argv, log_path=simulator.log_path, env=simulator.env, cwd=PROJECT_DIR)
    assert process.wait(60) == 1
    assert "cannot be read: No such file or directory" in simulator.said()
    assert "Traceback" not in simulator.said()


@pytest.mark.parametrize(("name", "at_once"), [("everyday", 3), ("stormy", 3), ("viral", 5000)])
def test_a_shipped_scenario_can_be_used(name, at_once):
    with running_simulator(scenario_files.read(name)) as simulator:
        assert simulator.control("GET", "wavespeed")["limits"]["concurrent"] == at_once


def test_secrets_stay_the_same_from_one_start_to_the_next(tmp_path):
    path = tmp_path / "kept" / "secrets.json"
    with SimulatorProcess(tmp_path, "--secrets", str(path)) as simulator:
        first = {
            name: simulator.control("GET", f"{name}/secret")["secret"] for name in ("wavespeed", "replicate", "fal")
        }
    assert load_or_create(path) == first
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_text("{}")
    with pytest.raises(CommandError, match="remove it, then start again"):
        call_command("simulator", secrets=path, port=0)


FAL_PROGRAM = """
import json, sys, fal_client
body = {"image_url": "https://hero.example/me.jpg", "prompt": "a hero"}
handle = fal_client.submit("fal-ai/wan/v2.2-a14b/image-to-video", arguments=body, webhook_url=sys.argv[1])
print(json.dumps(handle.get()))
"""


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Return the files of a certificate for 127.0.0.1 and of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "cert.pem", folder / "key.pem"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, plain)
    )
    return paths


def test_the_unpatched_fal_client_works_over_tls(tmp_path):
    """It reads its hosts when it is imported, hence the process of its own."""
    certificate, key = make_certificate(tmp_path)
    tls = ("--only", "fal", "--tls-cert", str(certificate), "--tls-key", str(key))
    with Listener() as listener, SimulatorProcess(tmp_path, *tls) as simulator:
        host = simulator.url.removeprefix("https://")
        env = os.environ | {"FAL_KEY": "kid:ksec", "FAL_RUN_HOST": host, "FAL_QUEUE_RUN_HOST": host}
        env |= {"SSL_CERT_FILE": str(certificate)}
        argv = [sys.executable, "-c", FAL_PROGRAM, listener.hook("ours")]
        said = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=60)
        assert said.returncode == 0, said.stderr
        video = json.loads(said.stdout)["video"]
        assert video["url"].startswith(f"{simulator.url}/cdn/files/b/")
        assert requests.get(video["url"], verify=str(certificate), timeout=10).content[4:8] == b"ftyp"
        (came,) = listener.wait("ours")
        assert came.json["payload"]["video"] == video


def test_the_bench_measures_and_says_what_a_prediction_costs():
    """Few of them, so the figure itself says little; that every film was downloaded is checked by the bench."""
    argv = [
        sys.executable,
        "-m",
        "providers.simulator.bench",
        "--predictions",
        "20",
        "--answer",
        "0",
        "--duration",
        "0",
    ]
    said = subprocess.run(argv, cwd=PROJECT_DIR, capture_output=True, text=True, timeout=90)
    assert said.returncode == 0, said.stderr
    lines = said.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["wavespeed", "replicate", "fal", "mean"]
    assert all(line.endswith("ms a prediction") for line in lines)
