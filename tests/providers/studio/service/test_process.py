"""`manage.py studio` as a real process: killed, restarted, asked to stop."""

import json
import os
import signal
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from providers import signatures
from providers.studio.service import credentials, settings
from tests.support.processes import free_port, wait_for
from tests.support.studio import Receiver, StudioProcess, is_running
from tests.support.timing import takes_about

PROJECT = settings.PROJECT_DIR
pytestmark = pytest.mark.slow


@pytest.fixture
def studio(tmp_path):
    process = StudioProcess(tmp_path).start()
    yield process
    process.stop(signal.SIGKILL)


def test_kills_of_renderer_and_server_lose_no_film_and_no_webhook(studio):
    with Receiver(studio.credentials.webhook_secret, [500, 500, 503]) as receiver:
        first = studio.submit("first", "SLOW", webhook=f"{receiver.url}/first").json()["id"]
        second = studio.submit("second", webhook=f"{receiver.url}/second").json()["id"]
        studio.wait(first, "running")
        (renderer,) = studio.renderer_pids()
        os.kill(renderer, signal.SIGKILL)
        wait_for(lambda: studio.renderer_pids() not in ([], [renderer]), "another renderer")
        studio.wait(first, "running")

        (renderer,) = studio.renderer_pids()
        studio.stop(signal.SIGKILL)
        wait_for(lambda: not is_running(renderer), "the renderer to die with its server", seconds=20)
        studio.start()
        assert studio.wait(first, "running")["reference"] == "first"
        assert studio.submit("first").status_code == 200
        studio.call("POST", f"/v1/predictions/{first}/cancel")
        assert studio.wait(second)["status"] == "succeeded"

        done = receiver.wait_for_kind("succeeded")
        receiver.wait_for_kind("canceled")
        assert all(one.is_genuine for one in receiver.received)
        assert studio.call("GET", done.event["prediction"]["video"], key="").status_code == 200
        studio.stop(signal.SIGKILL)
        studio.start()
        assert studio.show(second)["status"] == "succeeded"
        assert studio.call("GET", studio.show(second)["video"], key="").status_code == 200
    said = studio.said()
    assert "Traceback" not in said
    for secret in (studio.credentials.api_key, studio.credentials.webhook_secret, receiver.url, "/files/"):
        assert secret not in said


def test_sigterm_ends_it_within_five_seconds_and_keeps_the_line(studio):
    running = studio.submit("running", "SLOW").json()["id"]
    waiting = studio.submit("waiting").json()["id"]
    studio.wait(running, "running")
    renderers = studio.renderer_pids()
    with takes_about(1):  # the film that is being rendered takes 600 s
        assert studio.stop(signal.SIGTERM) == 0
    wait_for(lambda: not any(is_running(pid) for pid in renderers), "the renderers to have ended")
    folder = studio.folder / "predictions"
    assert {json.loads((folder / one / "prediction.json").read_text())["status"] for one in (running, waiting)} == {
        "queued"
    }
    assert "Traceback" not in studio.said()


def manage_studio(tmp_path: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "manage.py", "studio", *arguments],
        env={**os.environ, "VAR_DIR": str(tmp_path), "ENV_FILE": "", **env},
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_what_is_wrong_with_its_settings_is_one_sentence(tmp_path, studio):
    busy = manage_studio(tmp_path / "busy", "--port", str(studio.port))
    bad_count = manage_studio(tmp_path / "other", "--port", str(free_port()), STUDIO_RENDERERS="many")
    bad_secret = manage_studio(tmp_path / "other", "--port", str(free_port()), STUDIO_WEBHOOK_SECRET="whsec_?")
    for ended, code, word in (
        *((busy, 1, "in use"), (bad_secret, 1, "STUDIO_WEBHOOK_SECRET")),
        (bad_count, 2, "STUDIO_RENDERERS"),  # reported together with the product's settings, before anything starts
    ):
        assert ended.returncode == code
        assert word in ended.stderr
        assert len(ended.stderr.strip().splitlines()) == 1


def test_a_folder_belongs_to_one_studio_at_a_time(tmp_path, studio):
    running = studio.submit("running", "SLOW").json()["id"]
    studio.wait(running, "running")
    folders = set((studio.folder / "renderers").iterdir())
    second = manage_studio(tmp_path, "--port", str(free_port()), STUDIO_DIR=str(studio.folder))
    assert second.returncode == 1
    assert "Another studio uses" in second.stderr
    assert len(second.stderr.strip().splitlines()) == 1
    assert folders == set((studio.folder / "renderers").iterdir()), "what the running one works in is still there"


def test_credentials_are_made_once_whoever_asks_first(tmp_path):
    code = (
        "import sys, pathlib; from providers.studio.service.credentials import load_or_create;"
        "found = load_or_create(pathlib.Path(sys.argv[1]), {}); print(found.api_key, found.webhook_secret)"
    )
    folder = tmp_path / "new" / "studio"

    def ask(_):
        run = [sys.executable, "-c", code, str(folder)]
        return subprocess.run(run, cwd=PROJECT, capture_output=True, text=True, check=True).stdout

    with ThreadPoolExecutor(6) as threads:
        answers = set(threads.map(ask, range(6)))
    assert len(answers) == 1
    api_key, webhook_secret = answers.pop().split()
    assert len(api_key) > 40
    assert len(signatures.secret_key(webhook_secret)) == 32
    assert stat.S_IMODE((folder / "credentials.json").stat().st_mode) == 0o600
    assert [path.name for path in folder.iterdir()] == ["credentials.json"]


def test_the_environment_goes_before_the_kept_credentials(tmp_path):
    secret = signatures.new_secret()
    both = credentials.load_or_create(tmp_path, {"STUDIO_API_KEY": "key", "STUDIO_WEBHOOK_SECRET": secret})
    assert (both.api_key, both.webhook_secret) == ("key", secret)
    assert list(tmp_path.iterdir()) == [], "nothing is made that nobody needs"
    one = credentials.load_or_create(tmp_path, {"STUDIO_API_KEY": "key"})
    kept = credentials.load_or_create(tmp_path, {})
    assert (one.api_key, one.webhook_secret) == ("key", kept.webhook_secret)
    assert kept.api_key not in repr(kept)
    (tmp_path / "credentials.json").write_text("{")
    with pytest.raises(credentials.BadCredentials, match=r"credentials\.json cannot be read"):
        credentials.load_or_create(tmp_path, {})


def test_settings_come_from_the_environment(tmp_path):
    env = {"STUDIO_DIR": str(tmp_path), "STUDIO_PORT": "9107", "STUDIO_QUEUE": "3", "STUDIO_RENDERERS": ""}
    read = settings.from_environment(env | {"STUDIO_PUBLIC_URL": "https://studio.example/"})
    assert (read.folder, read.port, read.waiting_places) == (tmp_path, 9107, 3)
    assert read.renderers == settings.default_renderers() >= 1
    assert read.capacity == 3 + read.renderers
    assert read.public_url == "https://studio.example"
    assert settings.studio_folder({}) == PROJECT / "var" / "studio"
    assert settings.studio_folder({"VAR_DIR": "/srv/hero"}) == Path("/srv/hero/studio")
    for bad in ("0", "-1", "99999", "x", "1.5", "²"):
        with pytest.raises(settings.BadSetting, match="STUDIO_PORT"):
            settings.from_environment(env | {"STUDIO_PORT": bad})
