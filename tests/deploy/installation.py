"""The product past one machine, all of it on this one: nginx with TLS in front of what `deploy/` starts.

    nginx ─┬─ web-a, web-b           PostgreSQL, Valkey with a user and a password, S3 (moto's server)
           └─ sockets-a, sockets-b   worker-LANE-a, worker-LANE-b, reconcile-a, reconcile-b, studio

"a" and "b" stand for two hosts: each has a VAR_DIR and an env file of its own, and they share nothing but the servers.
Each process is started by `deploy/role`, as systemd and containers start it. Whatever was stopped stays stopped until
it is started again.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import boto3
import redis
import requests

from selfiehero.environment import PROJECT_DIR
from selfiehero.supervisor.valkey import EmbeddedValkey
from tests.support.certificates import Authority
from tests.support.mail_server import MailServer
from tests.support.postgres import Postgres
from tests.support.processes import free_port, start_process, stop_process, wait_for
from tests.support.product import NOT_INHERITED
from tests.support.valkey import answers

DEPLOY = PROJECT_DIR / "deploy"
TOOLS = Path(os.environ.get("DEPLOY_TOOLS") or PROJECT_DIR / ".venv" / "deploy-tools") / "bin"
HOSTS = ("a", "b")
LANES = ("prepare", "dispatch", "collect")
WEB = tuple(f"web-{host}" for host in HOSTS)
SOCKETS = tuple(f"sockets-{host}" for host in HOSTS)
WORKERS = tuple(f"worker-{lane}-{host}" for lane in LANES for host in HOSTS)
RECONCILE = tuple(f"reconcile-{host}" for host in HOSTS)
STUDIO = "studio-a"
PRODUCT = (*WEB, *SOCKETS, *WORKERS, *RECONCILE, STUDIO)
BUCKET = "heroes"
FAKE_RENDERER = "tests.support.fake_renderer:Renderer"
# As long as the systemd units give them (TimeoutStopSec).
PATIENCE = 30.0
# The test is one address, and sends as many photos as a city.
THROTTLES = {"THROTTLE_UPLOADS": "100000/min", "THROTTLE_UPLOADS_ADDRESS": "100000/min", "THROTTLE_READS": "100000/min"}
SITE = """
proxy_cache_path {folder}/cache levels=1:2 keys_zone=kept:16m max_size=1g inactive=7d use_temp_path=off;
client_body_temp_path {folder}/body;
proxy_temp_path {folder}/proxy;
fastcgi_temp_path {folder}/fastcgi;
scgi_temp_path {folder}/scgi;
uwsgi_temp_path {folder}/uwsgi;

server {{
    listen 127.0.0.1:{port} ssl http2 backlog=4096;
    server_name localhost;
    ssl_certificate {folder}/localhost.pem;
    ssl_certificate_key {folder}/localhost.pem;
    access_log {folder}/access.log short;
    include server.conf;
}}
"""


class PasswordValkey(EmbeddedValkey):
    """A Valkey on a port that lets in one user with a password, as an access list of a managed one does."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            data_dir=folder / "data", config_path=folder / "valkey.conf", socket_path=None, port=free_port()
        )

    @property
    def url(self) -> str:
        return f"redis://hero:{self.password}@127.0.0.1:{self.port}/0"

    def config(self) -> str:
        return (
            f"{super().config()}user hero on >{self.password} ~* &* +@all -@dangerous +flushall +info +client +keys\n"
        )


class Installation:
    """`with Installation(folder) as it:` starts everything and waits until both web processes are ready."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: dict[str, subprocess.Popen] = {}
        self.ports = {name: free_port() for name in (*WEB, *SOCKETS, STUDIO, "nginx", "s3")}
        self.url = f"https://localhost:{self.ports['nginx']}"
        self.s3_url = f"http://127.0.0.1:{self.ports['s3']}"
        self.ca = folder / "ca.pem"  # which has signed nginx's certificate
        # Variables of one process besides its env file. The studio posts its webhooks through nginx.
        self.more: dict[str, dict[str, str]] = {STUDIO: {"SSL_CERT_FILE": str(self.ca)}}
        self._exits = contextlib.ExitStack()

    def __enter__(self) -> Installation:
        try:
            self._start_servers()
            self._write_settings()
            self.run("a", "migrate")
            self.run("a", "static")
            shutil.copytree(self.var_dir("a") / "static", self.var_dir("b") / "static")
            for name in PRODUCT:
                self.start(name)
            self.start_nginx()
            for name in (*WEB, *SOCKETS):
                self.wait_until_ready(name)
            self.wait_until_all_work()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for name in reversed(PRODUCT):
            if (process := self.processes.get(name)) is not None and process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in reversed(self.processes.values()):
            process.send_signal(signal.SIGCONT)
            stop_process(process, signal.SIGTERM)
        self._exits.close()

    # --- Servers -----------------------------------------------------------------------------------

    def _start_servers(self) -> None:
        for name in ("valkey", "nginx", *(f"host-{host}" for host in HOSTS)):
            (self.folder / name).mkdir(parents=True)
        self.authority = Authority()
        self.ca.write_bytes(self.authority.pem)
        # Not in pytest's folder: PostgreSQL runs as another user, who may not enter it.
        own = self._exits.enter_context(tempfile.TemporaryDirectory(prefix="postgres-", ignore_cleanup_errors=True))
        self.postgres = Postgres(Path(own), "max_connections=200", "shared_buffers=128MB")
        self.postgres.start()
        self._exits.callback(self.postgres.stop)
        self.valkey = PasswordValkey(self.folder / "valkey")
        self.start_valkey()
        self.processes["s3"] = start_process(
            [str(TOOLS / "moto_server"), "-H", "127.0.0.1", "-p", str(self.ports["s3"])],
            log_path=self.folder / "s3.log",
        )
        wait_for(lambda: self._answers(self.s3_url), "S3 to answer", seconds=60)
        self._make_bucket()
        self.mail = self._exits.enter_context(MailServer())

    def start_valkey(self) -> None:
        self.valkey.prepare()
        self.processes["valkey"] = start_process(list(self.valkey.argv), log_path=self.folder / "valkey.log")
        wait_for(lambda: answers(self.valkey.url), "Valkey to answer")

    def bucket(self) -> Any:
        """Return a client of the bucket's server."""
        keys = {"aws_access_key_id": "hero", "aws_secret_access_key": "hero-secret", "region_name": "us-east-1"}
        return boto3.client("s3", endpoint_url=self.s3_url, **keys)

    def _make_bucket(self) -> None:
        """Make the bucket with the rules that docs/operations asks for (moto answers every origin)."""
        self.bucket().create_bucket(Bucket=BUCKET)
        rules = [
            {"ID": kind, "Status": "Enabled", "Filter": {"Prefix": f"{kind}/"}, "Expiration": {"Days": 8}}
            for kind in ("raw", "clean", "preview", "poster", "video")
        ]
        self.bucket().put_bucket_lifecycle_configuration(Bucket=BUCKET, LifecycleConfiguration={"Rules": rules})

    def start_nginx(self) -> None:
        """Start nginx with the files of `deploy/nginx`, but for names, ports and addresses."""
        folder = self.folder / "nginx"
        shutil.copytree(DEPLOY / "nginx", folder, dirs_exist_ok=True)
        self.authority.server(folder, "localhost")
        (folder / "site.conf").write_text(SITE.format(folder=folder, port=self.ports["nginx"]))
        for kind, names in (("web", WEB), ("sockets", SOCKETS)):
            lines = [f"server 127.0.0.1:{self.ports[name]} max_fails=0;" for name in names]
            (folder / f"{kind}-servers.conf").write_text("\n".join(lines) + "\n")
        user = "user root; " if os.geteuid() == 0 else ""
        self.nginx_argv = [
            *("nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")),
            *("-g", f"{user}daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log notice;"),
        ]
        self.processes["nginx"] = start_process(self.nginx_argv, log_path=self.folder / "nginx.log")
        wait_for(lambda: self._answers(f"{self.url}/healthz"), "nginx to answer")

    def _answers(self, url: str) -> bool:
        try:
            with requests.Session() as session:
                session.trust_env = False
                session.get(url, timeout=2, verify=str(self.ca) if url.startswith("https") else None)
        except requests.RequestException:
            return False
        return True

    # --- The product's processes ---------------------------------------------------------------------

    def _write_settings(self) -> None:
        """Write each host's env file: deploy/env.example with this installation's values, and secrets made once."""
        made = subprocess.run([str(DEPLOY / "new-secrets")], check=True, capture_output=True, text=True).stdout
        values = dict(line.split("=", 1) for line in made.splitlines()) | {
            "PUBLIC_URL": self.url,
            "ALLOWED_HOSTS": "localhost,127.0.0.1",
            "TRUSTED_PROXIES": "1",
            "REQUIRE_STAFF_2FA": "1",
            "EMAIL_URL": f"smtp+plain://127.0.0.1:{self.mail.port}",
            "ALERT_EMAILS": "staff@hero.example",
            "DATABASE_URL": self.postgres.url,
            "REDIS_URL": self.valkey.url,
            "S3_BUCKET": BUCKET,
            "S3_ENDPOINT_URL": self.s3_url,
            "S3_REGION": "us-east-1",
            "MEDIA_HOST": self.s3_url,
            "AWS_ACCESS_KEY_ID": "hero",
            "AWS_SECRET_ACCESS_KEY": "hero-secret",
            "STUDIO_URL": f"http://127.0.0.1:{self.ports[STUDIO]}",
            **THROTTLES,
        }
        for host in HOSTS:
            own = {"VAR_DIR": str(self.var_dir(host))}
            path = self.folder / f"host-{host}" / "env"
            path.write_text("".join(f"{name}={value}\n" for name, value in (values | own).items()))
            path.chmod(0o600)
        self.values = values

    def var_dir(self, host: str) -> Path:
        return self.folder / f"host-{host}" / "var"

    def env(self, host: str, **more: str) -> dict[str, str | None]:
        """Return the environment of a process on this host: next to nothing, as a unit of systemd has it."""
        inherited = dict.fromkeys((*NOT_INHERITED, "DATABASE_URL", "VAR_DIR", "PORT", "DJANGO_SETTINGS_MODULE"))
        env_file = str(self.folder / f"host-{host}" / "env")
        return {**inherited, "ENV_FILE": env_file, "NO_COLOR": "1", "PYTHONDONTWRITEBYTECODE": "1", **more}

    def start(self, name: str) -> None:
        """Start a process of the product by its role."""
        *role, host = name.split("-")
        more = {"HOST": "127.0.0.1", "PORT": str(self.ports[name])} if name in self.ports else {}
        self.processes[name] = start_process(
            [str(DEPLOY / "role"), *role],
            log_path=self.folder / f"{name}.log",
            env=self.env(host, **more, **self.more.get(name, {})),
            cwd="/",
        )

    def stop(self, name: str, number: int = signal.SIGTERM) -> int:
        """End a process and return its exit code; one that does not end in its time is killed and fails the test."""
        process = self.processes[name]
        process.send_signal(number)
        try:
            return process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{name} did not end within {PATIENCE:g} s:\n{self.log(name)[-2000:]}") from None

    def kill(self, name: str) -> None:
        """End a process at once, as the kernel does when memory is short."""
        self.processes[name].kill()
        self.processes[name].wait(10)

    def restart(self, name: str) -> None:
        """Drain a process and start it again, as a release does; return when it is at work."""
        self.stop(name)
        self.start(name)
        self.wait_until_up(name)

    def wait_until_up(self, name: str) -> None:
        if name in (*WEB, *SOCKETS):
            self.wait_until_ready(name)
        elif name == STUDIO:
            url = f"http://127.0.0.1:{self.ports[name]}/healthz"
            wait_for(lambda: self._answers(url), "the studio to answer", seconds=60)
        else:
            beat = self.var_dir(name[-1]) / "run" / f"{name[:-2]}.beat"
            before = beat.stat().st_mtime_ns if beat.exists() else 0
            wait_for(lambda: beat.exists() and beat.stat().st_mtime_ns > before, f"{name} to beat", seconds=60)

    def wait_until_ready(self, name: str) -> dict[str, Any]:
        """Return what /readyz of this process says once it is ready."""
        found: dict[str, Any] = {}

        def is_ready() -> bool:
            try:
                answer = requests.get(f"http://127.0.0.1:{self.ports[name]}/readyz", timeout=3)
            except requests.RequestException:
                return False
            found.update(answer.json())
            return answer.status_code == 200

        try:
            wait_for(is_ready, f"{name} to be ready", seconds=90, every=0.1)
        except AssertionError as error:
            raise AssertionError(f"{error}: {found}\n{self.log(name)[-3000:]}") from None
        return found

    def readyz(self, name: str = "web-a") -> dict[str, Any]:
        return requests.get(f"http://127.0.0.1:{self.ports[name]}/readyz", timeout=5).json()

    def wait_until_all_work(self) -> None:
        """Return when each worker and reconcile of both hosts has a fresh heartbeat."""
        wanted = len(WORKERS) + len(RECONCILE)
        wait_for(
            lambda: sum(p["age"] < 15 for p in self.readyz()["processes"]) >= wanted,
            "all processes to beat",
            seconds=90,
        )

    # --- Commands and what they left ----------------------------------------------------------------

    def run(self, host: str, *arguments: str, may_fail: bool = False, **more: str) -> str:
        """Run a role that ends, with these variables besides the env file, and return what it said."""
        env = {name: value for name, value in {**os.environ, **self.env(host, **more)}.items() if value is not None}
        done = subprocess.run([str(DEPLOY / "role"), *arguments], env=env, cwd="/", capture_output=True, text=True)
        assert may_fail or done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def log(self, name: str) -> str:
        path = self.folder / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def redis(self) -> redis.Redis:
        return redis.Redis.from_url(self.valkey.url, socket_timeout=5)
