import base64
import os
import re
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfiehero import environment
from selfiehero.address_settings import LOCAL_HOSTS
from selfiehero.environment import PROJECT_DIR, BadEnvironment, load, read_dotenv


def test_nothing_set_is_safe():
    chosen = load({})
    assert (chosen.host, chosen.port, chosen.debug) == ("127.0.0.1", 8000, False)
    assert chosen.var_dir == PROJECT_DIR / "var"
    assert chosen.public_url == "http://127.0.0.1:8000"
    assert chosen.database_url is None
    assert chosen.uses_embedded_valkey
    assert chosen.runs_studio
    assert not chosen.runs_simulator
    assert chosen.allowed_hosts == ("localhost", "127.0.0.1", "[::1]")


def test_an_empty_variable_counts_as_not_set():
    names = [
        "HOST",
        "PORT",
        "VAR_DIR",
        "DEBUG",
        "PUBLIC_URL",
        "DATABASE_URL",
        "REDIS_URL",
        "STUDIO_URL",
        "SIMULATOR",
        "SIMULATOR_SCENARIO",
        "ALLOWED_HOSTS",
    ]
    assert load(dict.fromkeys(names, "")) == load({})


def test_a_relative_var_dir_starts_at_the_project_and_an_absolute_one_stays():
    assert load({"VAR_DIR": "elsewhere/x"}).var_dir == PROJECT_DIR / "elsewhere/x"
    assert load({"VAR_DIR": "/srv/hero/../data"}).var_dir == Path("/srv/data")


@pytest.mark.parametrize(
    ("word", "meaning"), [("1", True), ("Yes", True), ("on", True), ("0", False), ("FALSE", False)]
)
def test_debug_reads_the_usual_words(word, meaning):
    assert load({"DEBUG": word}).debug is meaning


@pytest.mark.parametrize(
    ("name", "value", "part"),
    [
        ("PORT", "abc", "from 1 to 65535"),
        ("PORT", "0", "from 1 to 65535"),
        ("PORT", "65536", "from 1 to 65535"),
        ("PORT", "٣", "from 1 to 65535"),
        ("PORT", "-1", "from 1 to 65535"),
        ("DEBUG", "perhaps", "true or false"),
        ("STUDIO", "2", "true or false"),
        ("SIMULATOR", "stormy", "true or false"),
        ("PUBLIC_URL", "hero.example", "https://"),
        ("PUBLIC_URL", "ftp://hero.example", "https://"),
        ("STUDIO_URL", "http://[", "cannot be read"),
        ("REDIS_URL", "http://127.0.0.1", "redis://"),
        ("REDIS_URL", "redis://127.0.0.1:port", "cannot be read"),
        ("REDIS_URL", "unix:/run/valkey.sock", "redis://"),
        ("REDIS_URL", "redis://127.0.0.1/cache", "the number of a database"),
        ("DATABASE_URL", "sqlite://hero.db", "after three slashes"),
        ("DATABASE_URL", "sqlite://[hero.db", "cannot be read"),
        ("DATABASE_URL", "sqlite:///:memory:", "after three slashes"),
        ("JOB_DEADLINE_MINUTES", "x", "from 1 to 1440"),
        ("JOB_DEADLINE_MINUTES", "0", "from 1 to 1440"),
        ("RETENTION_HOURS", "-1", "from 1 to 8760"),
        ("RETENTION_HOURS", "9" * 5000, "from 1 to 8760"),
        ("TRUSTED_PROXIES", "one", "from 0 to 10"),
        ("THROTTLE_UPLOADS", "60/fortnight", "60/min"),
        ("THROTTLE_UPLOADS_ADDRESS", "0/min", "600/min"),
        ("THROTTLE_READS", "1800", "1800/min"),
        ("STUDIO_RENDERERS", "0", "from 1 to 256"),
        ("PREPARE_CHILDREN", "0", "from 1 to 256"),
        ("STUDIO_QUEUE", "9" * 5000, "from 1 to 100000"),
        ("STUDIO_KEEP_SECONDS", "an\nhour", "from 1 to"),
        ("SECRET_KEY", "x", "at least 32 random"),
        ("SECRET_KEY", "x" * 60, "at least 32 random"),
        ("CALLBACK_URL", "hero.example", "https://"),
        ("LOG_LEVEL", "loud", "DEBUG, INFO"),
        ("FIELD_KEYS", "short", "Fernet"),
        ("FIELD_KEYS", "ключ", "Fernet"),
    ],
)
def test_a_bad_value_is_one_sentence_that_names_the_variable(name, value, part):
    with pytest.raises(BadEnvironment) as caught:
        load({name: value})
    message = str(caught.value)
    assert message.startswith(name)
    assert part in message
    assert "\n" not in message


def test_what_is_written_well_is_taken():
    chosen = load(
        {
            "JOB_DEADLINE_MINUTES": "5",
            "RETENTION_HOURS": "48",
            "THROTTLE_UPLOADS": "7/hour",
            "LOG_LEVEL": "debug",
            "TRUSTED_PROXIES": "2",
            "CALLBACK_URL": "https://hero.example/",
            "SECRET_KEY": "given" * 7,
        }
    )
    assert (chosen.job_deadline, chosen.retention) == (timedelta(minutes=5), timedelta(days=2))
    assert chosen.throttle_rates == {"uploads": "7/hour", "uploads_address": "600/min", "reads": "1800/min"}
    assert (chosen.trusted_proxies, chosen.callback_url, chosen.log_level) == (2, "https://hero.example", "DEBUG")
    assert chosen.secret_key == "given" * 7


def test_a_prepare_worker_has_a_sandbox_for_each_core_unless_told_otherwise():
    assert load({}).prepare_children == len(os.sched_getaffinity(0))
    assert load({"PREPARE_CHILDREN": "5"}).prepare_children == 5


@given(st.dictionaries(st.sampled_from(["HOST", "PORT", "PUBLIC_URL", "REDIS_URL", "STUDIO_URL", "DEBUG"]), st.text()))
def test_whatever_is_written_gives_an_answer_or_a_sentence(env):
    try:
        load(env)
    except BadEnvironment as error:
        assert str(error)


def test_a_secret_in_a_bad_redis_url_is_not_repeated():
    with pytest.raises(BadEnvironment) as caught:
        load({"REDIS_URL": "redsi://:hunter2@127.0.0.1"})
    assert "hunter2" not in str(caught.value)


def test_secrets_do_not_show_in_the_representation():
    shown = repr(
        load(
            {"SECRET_KEY": "hunter2" * 5, "REDIS_URL": "redis://:hunter2@h", "DATABASE_URL": "postgres://u:hunter2@h/d"}
        )
    )
    assert "hunter2" not in shown


def test_a_wildcard_host_is_reached_by_loopback():
    assert load({"HOST": "0.0.0.0"}).local_url == "http://127.0.0.1:8000"
    assert load({"HOST": "::", "PORT": "9"}).local_url == "http://[::1]:9"
    assert load({"HOST": "::1"}).public_url == "http://[::1]:8000"


def test_the_site_answers_to_its_public_name_and_to_those_that_are_given():
    assert "hero.example" in load({"PUBLIC_URL": "https://hero.example/"}).allowed_hosts
    assert load({"ALLOWED_HOSTS": "a.example, b.example,"}).allowed_hosts == ("a.example", "b.example", *LOCAL_HOSTS)
    assert load({"PUBLIC_URL": "https://hero.example/"}).public_url == "https://hero.example"


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("hero.example:8443", ["hero.example"]),
        ("a.example b.example", ["a.example", "b.example"]),
        ("https://hero.example/", ["hero.example"]),
        ("Bücher.example", ["xn--bcher-kva.example"]),
        (".hero.example", [".hero.example"]),
        ("*", ["*"]),
        ("::1", ["[::1]"]),
        ("[2001:db8::7]:8000", ["[2001:db8::7]"]),
    ],
)
def test_hosts_are_named_as_django_compares_them(given, names):
    found = load({"ALLOWED_HOSTS": given}).allowed_hosts
    assert list(found) == list(dict.fromkeys([*names, *LOCAL_HOSTS]))


@pytest.mark.parametrize("given", ["hero:example", "http://", "a\x00b", "[::1", "ü" * 80 + ".example"])
def test_a_host_that_is_none_is_said(given):
    with pytest.raises(BadEnvironment, match="ALLOWED_HOSTS"):
        load({"ALLOWED_HOSTS": given})


def test_the_supervisor_reaches_a_site_with_names_of_its_own():
    chosen = load({"ALLOWED_HOSTS": "hero.example", "HOST": "192.0.2.7", "PUBLIC_URL": "https://hero.example"})
    assert urlsplit(chosen.local_url).hostname in chosen.allowed_hosts


def test_a_public_address_is_written_as_browsers_send_it():
    chosen = load({"PUBLIC_URL": " https://bücher.example:8443/\n"})
    assert chosen.public_url == "https://xn--bcher-kva.example:8443"
    assert "xn--bcher-kva.example" in chosen.allowed_hosts
    assert chosen.callback_url == chosen.public_url


@pytest.mark.parametrize(
    "url", ["postgresql+psycopg://h/d", '"postgres://u:p@h/d"', "postgres://u:p@a:1,b:2/d", "mysql://h/d", "hero"]
)
def test_a_database_that_is_none_of_ours_is_said(url):
    with pytest.raises(BadEnvironment, match="DATABASE_URL"):
        load({"DATABASE_URL": url})


def test_a_given_redis_is_used_and_no_embedded_one():
    chosen = load({"REDIS_URL": "rediss://redis.example/1"})
    assert chosen.redis_url == "rediss://redis.example/1"
    assert not chosen.uses_embedded_valkey


def test_a_given_studio_is_used_and_none_is_started():
    chosen = load({"STUDIO_URL": "http://127.0.0.1:9000/"})
    assert chosen.studio_url == "http://127.0.0.1:9000"
    assert not chosen.runs_studio
    assert not load({"STUDIO": "0"}).runs_studio


def test_embedded_addresses_are_those_that_up_wrote(tmp_path):
    chosen = load({"VAR_DIR": str(tmp_path)})
    assert chosen.redis_url == f"unix://{tmp_path}/run/valkey.sock"
    assert chosen.studio_url is None
    chosen.run_dir.mkdir()
    chosen.endpoints_path.write_text('{"redis_url": "redis://127.0.0.1:7", "studio_url": "http://127.0.0.1:8"}')
    assert chosen.redis_url == "redis://127.0.0.1:7"
    assert chosen.studio_url == "http://127.0.0.1:8"
    chosen.endpoints_path.write_text("half a fi")
    assert chosen.studio_url is None


def test_a_var_dir_too_deep_for_a_socket_has_none(tmp_path):
    assert load({"VAR_DIR": "/srv"}).valkey_socket == Path("/srv/run/valkey.sock")
    assert load({"VAR_DIR": "/" + "deep/" * 30}).valkey_socket is None


def test_dotenv_reads_names_quotes_and_comments(tmp_path):
    path = tmp_path / ".env"
    path.write_text(
        "# a comment\n\nPORT=9000   # the port\nexport HOST = 127.0.0.2\nSECRET_KEY='a # b \"c\"'\n"
        'PUBLIC_URL="https://hero.example"\nREDIS_URL=redis://h/0#1\nEMPTY=\nnot a line\n'
    )
    assert read_dotenv(path) == {
        "PORT": "9000",
        "HOST": "127.0.0.2",
        "SECRET_KEY": 'a # b "c"',
        "PUBLIC_URL": "https://hero.example",
        "REDIS_URL": "redis://h/0#1",
        "EMPTY": "",
    }
    assert read_dotenv(tmp_path / "missing") == {}
    path.write_bytes(b"\xef\xbb\xbfVAPID_PRIVATE_KEY='-----BEGIN\n${PORT}\n'\nHOST\n")
    assert read_dotenv(path) == {"VAPID_PRIVATE_KEY": "-----BEGIN\n${PORT}\n"}


def test_the_environment_wins_over_dotenv(tmp_path, monkeypatch):
    (tmp_path / "env").write_text("PORT=9000\nHOST=127.0.0.9\n")
    monkeypatch.setenv("ENV_FILE", str(tmp_path / "env"))
    monkeypatch.setenv("PORT", "7000")
    monkeypatch.setenv("HOST", "x")  # so that monkeypatch takes back what `read` sets
    monkeypatch.delenv("HOST")
    monkeypatch.setenv("VAR_DIR", str(tmp_path / "var"))
    chosen = environment.read()
    assert (chosen.host, chosen.port) == ("127.0.0.9", 7000)


def test_secrets_are_made_once_and_are_their_owners_alone(tmp_path):
    first, second = load({"VAR_DIR": str(tmp_path / "var")}), load({"VAR_DIR": str(tmp_path / "var")})
    assert len(first.secret_key) >= 50
    assert first.secret_key == second.secret_key
    assert first.field_keys == second.field_keys
    assert len(base64.urlsafe_b64decode(first.field_keys[0])) == 32
    for name in ("secret_key", "field_key"):
        assert stat.S_IMODE((tmp_path / "var" / name).stat().st_mode) == 0o600


@pytest.mark.slow
@pytest.mark.parametrize("mode", [None, 0o755, 0o700])
def test_nobody_else_on_the_machine_reads_what_is_in_var(tmp_path, mode):
    """Photos lie there. As a process of the product does it: settings, the database, a stored file."""
    var = tmp_path / "var"
    if mode:
        var.mkdir()
        var.chmod(mode)
    code = (
        "import django\ndjango.setup()\n"
        "from django.db import connection\nfrom jobs import storage\n"
        "connection.ensure_connection()\nstorage.save(storage.new_key('clean', 'jpg'), b'a face')\n"
    )
    env = os.environ | {"VAR_DIR": str(var), "DJANGO_SETTINGS_MODULE": "selfiehero.settings", "ENV_FILE": ""}
    env.pop("DATABASE_URL", None)
    subprocess.run([sys.executable, "-c", code], cwd=PROJECT_DIR, env=env, check=True, umask=0o022)
    found = [var, *var.rglob("*")]
    assert any(path.suffix == ".jpg" for path in found)
    assert any(path.name == "db.sqlite3" for path in found)
    assert {path.name: oct(path.stat().st_mode) for path in found if path.stat().st_mode & 0o077} == {}


def test_a_folder_the_whole_machine_shares_is_left_open(tmp_path):
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    environment.make_private(shared)
    assert stat.S_IMODE(shared.stat().st_mode) == 0o1777


def test_the_supervisor_and_what_it_starts_write_for_their_user_alone(tmp_path):
    code = "from selfiehero import environment\nenvironment.read()\nimport os\nprint(os.umask(0))"
    env = os.environ | {"VAR_DIR": str(tmp_path / "var"), "ENV_FILE": ""}
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT_DIR, env=env, check=True, umask=0o022, capture_output=True, text=True
    )
    assert int(said.stdout) == 0o077


def test_given_secrets_win_and_write_nothing(tmp_path):
    keys = [environment.new_field_key(), environment.new_field_key()]
    chosen = load({"VAR_DIR": str(tmp_path), "SECRET_KEY": "given" * 7, "FIELD_KEYS": ", ".join(keys)})
    assert chosen.secret_key == "given" * 7
    assert chosen.field_keys == tuple(keys)
    assert list(tmp_path.iterdir()) == []


def test_a_var_dir_that_cannot_be_made_is_a_sentence(tmp_path):
    (tmp_path / "var").write_text("a file, not a folder")
    with pytest.raises(BadEnvironment, match="choose another VAR_DIR"):
        _ = load({"VAR_DIR": str(tmp_path / "var")}).secret_key


@pytest.mark.slow
def test_ten_processes_that_start_together_get_one_key(tmp_path):
    code = (
        "import sys, time; from selfiehero.environment import load;"
        "time.sleep(max(0, float(sys.argv[2]) - time.time()));"
        "e = load({'VAR_DIR': sys.argv[1]}); print(e.secret_key, e.field_keys)"
    )
    start_at = str(time.time() + 0.7)

    def ask(_):
        command = [sys.executable, "-c", code, str(tmp_path / "var"), start_at]
        return subprocess.run(command, capture_output=True, text=True, check=True, cwd=PROJECT_DIR).stdout

    with ThreadPoolExecutor(10) as pool:
        answers = set(pool.map(ask, range(10)))
    assert len(answers) == 1
    assert sorted(path.name for path in (tmp_path / "var").iterdir()) == ["field_key", "secret_key"]


def test_every_variable_is_explained_in_the_example():
    explained = set(re.findall(r"^#([A-Z][A-Z0-9_]*)=", (PROJECT_DIR / ".env.example").read_text(), re.MULTILINE))
    sources = [
        PROJECT_DIR / name
        for name in ("selfiehero/environment.py", "selfiehero/settings.py", "providers/studio/service/settings.py")
    ]
    read = {
        name
        for source in sources
        for name in re.findall(r"(?:env|environ|_values)\.get\(\s*\"([A-Z][A-Z0-9_]*)\"", source.read_text())
    }
    assert read - explained == set()


def test_a_bad_variable_ends_the_program_with_its_sentence(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("ENV_FILE", "")
    monkeypatch.setenv("PORT", "many")
    with pytest.raises(SystemExit) as caught:
        environment.read()
    assert caught.value.code == 2
    assert capsys.readouterr().err == "PORT must be a number from 1 to 65535, not “many”.\n"
