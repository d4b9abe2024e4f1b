"""What the environment says, read once and checked. No Django here: settings, supervisor and scripts all read it.

    environment = read()                  # brings `.env` into os.environ first; the environment itself wins
    environment = load({"PORT": "9000"})  # exactly these variables

`.env.example` lists every variable. An empty variable counts as not set. Reading writes nothing, except
`secret_key`, `field_keys` and `vapid_key`, which make their file in VAR_DIR the first time and give every process the
same key.

Checked by hand, not by environs or django-environ (looked at 2026-11): each variable has its own bounds and one
sentence that says what it must be. A library would take over `bool`, `int` and `split`, a dozen lines, and put its own
words around ours, so that every bound and every sentence would stay here as a validator.
"""

import base64
import binascii
import json
import os
import re
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

from dotenv import dotenv_values

from providers.studio.service import numbers as studio

from .address_settings import (
    parse_allowed_hosts,
    parse_database_url,
    parse_host,
    parse_http_url,
    parse_redis_url,
    parse_redis_urls,
    url_host,
)
from .contact_settings import ContactSettings, read_contact_settings
from .label_settings import parse_label_files
from .monitoring_settings import MonitoringSettings, read_monitoring_settings
from .private_files import BadEnvironment, keep_secret, make_private

PROJECT_DIR = Path(__file__).resolve().parent.parent
LONGEST_SOCKET_PATH = 99  # bytes; the kernel's limit is 107, and clients may add a suffix
TRUE_WORDS = {"1", "true", "yes", "on"}
FALSE_WORDS = {"0", "false", "no", "off"}
# Long enough for a key from openssl or uuidgen; a word that a person made up is shorter.
SHORTEST_SECRET_KEY, FEWEST_DIFFERENT = 32, 5
LONGEST_DEADLINE_MINUTES, LONGEST_RETENTION_HOURS, MOST_PROXIES = 24 * 60, 365 * 24, 10
MOST_PREPARE_CHILDREN, MOST_CONNECTIONS = 256, 100_000
# The units that REST framework knows; of any other it reads the first letter, and fails with the first request.
RATE = re.compile(r"[1-9][0-9]{0,8}/(s|sec|second|m|min|minute|h|hour|d|day)", re.ASCII)
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


@dataclass(frozen=True)
class Environment:
    """The checked answers. Paths are absolute; URLs have no slash at their end."""

    var_dir: Path
    host: str
    port: int
    debug: bool
    public_url: str
    allowed_hosts: tuple[str, ...]
    database_url: str | None = field(repr=False)
    is_pooled: bool  # a pooler gives each transaction another connection
    given_redis_url: str | None = field(repr=False)  # None: the embedded Valkey
    channels_redis_urls: tuple[str, ...] = field(repr=False)  # empty: as `redis_url`
    cache_redis_url: str | None = field(repr=False)  # None: as `redis_url`
    given_studio_url: str | None  # None: the studio that `manage.py up` starts
    runs_studio: bool
    runs_simulator: bool
    simulator_scenario: str
    given_secret_key: str | None = field(repr=False)
    secret_key_fallbacks: tuple[str, ...] = field(repr=False)  # sign nothing, but what they signed still holds
    given_field_keys: tuple[str, ...] = field(repr=False)
    label_files: tuple[Path, Path] | None  # certificates and key of a listed authority; None: our own signs labels
    callback_url: str
    trusted_proxies: int
    requires_second_step: bool
    private_provider_hosts: tuple[str, ...]
    job_deadline: timedelta
    admission_backlog: timedelta
    admission_wait_seconds: float
    retention: timedelta
    throttle_rates: Mapping[str, str]
    connections_per_address: int  # 0: as many as they like
    prepare_children: int
    log_level: str
    contact: ContactSettings
    monitoring: MonitoringSettings

    @property
    def run_dir(self) -> Path:
        return self.var_dir / "run"

    @property
    def log_dir(self) -> Path:
        return self.var_dir / "log"

    @property
    def endpoints_path(self) -> Path:
        """Where `manage.py up` writes the addresses it chose."""
        return self.run_dir / "endpoints.json"

    @property
    def valkey_socket(self) -> Path | None:
        """Where the embedded Valkey listens, or None when VAR_DIR is too deep for a unix socket."""
        path = self.run_dir / "valkey.sock"
        return path if len(os.fsencode(path)) <= LONGEST_SOCKET_PATH else None

    @property
    def uses_embedded_valkey(self) -> bool:
        return self.given_redis_url is None

    @property
    def redis_url(self) -> str:
        """REDIS_URL, or where the embedded Valkey listens or would listen."""
        if self.given_redis_url:
            return self.given_redis_url
        chosen = read_endpoints(self.endpoints_path).get("redis_url")
        return chosen or unix_url(self.valkey_socket or self.run_dir / "valkey.sock")

    @property
    def studio_url(self) -> str | None:
        """STUDIO_URL, or where `manage.py up` last started the studio, or None."""
        return self.given_studio_url or read_endpoints(self.endpoints_path).get("studio_url")

    @property
    def simulator_url(self) -> str | None:
        """Where `manage.py up` runs the simulator, or None when it runs none."""
        return read_endpoints(self.endpoints_path).get("simulator_url")

    @property
    def simulator_secrets_path(self) -> Path:
        """Where that simulator keeps what it signs webhooks with."""
        return self.var_dir / "simulator" / "secrets.json"

    @property
    def local_url(self) -> str:
        """Where a program on this machine reaches the web process."""
        return f"http://{url_host(self.host)}:{self.port}"

    @property
    def secret_key(self) -> str:
        """SECRET_KEY, or the one kept in VAR_DIR/secret_key."""
        return self.given_secret_key or keep_secret(self.var_dir / "secret_key", lambda: secrets.token_urlsafe(50))

    @property
    def field_keys(self) -> tuple[str, ...]:
        """Fernet keys for secrets at rest: the first encrypts, all decrypt. FIELD_KEYS, or VAR_DIR/field_key."""
        return self.given_field_keys or tuple(parse_field_keys(keep_secret(self.var_dir / "field_key", new_field_key)))

    @property
    def vapid_key(self) -> str:
        """The private key that signs web pushes: VAPID_PRIVATE_KEY, or the one kept in VAR_DIR/vapid_key."""
        return self.contact.vapid_key(self.var_dir)


def read() -> Environment:
    """Return what the process environment says; a bad variable ends the program with its message and exit code 2.

    Brings `.env` (or the file that ENV_FILE names; an empty one is none) into os.environ first, where what is set
    stays, and makes the secrets that are missing. From here on this process writes files for its own user alone.
    """
    os.umask(0o077)
    for name, value in read_dotenv(PROJECT_DIR / os.environ.get("ENV_FILE", ".env")).items():
        os.environ.setdefault(name, value)
    try:
        environment = load(os.environ)
        make_private(environment.var_dir)
        _ = environment.secret_key, environment.field_keys, environment.vapid_key
    except BadEnvironment as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
    return environment


def load(env: Mapping[str, str]) -> Environment:
    """Return the checked answers of these variables; raise BadEnvironment with a message for the first bad one."""
    host = parse_host("HOST", env.get("HOST") or "127.0.0.1")
    port = parse_port("PORT", env.get("PORT") or "8000")
    public_url = parse_http_url("PUBLIC_URL", env.get("PUBLIC_URL")) or f"http://{url_host(host)}:{port}"
    check_studio(env)
    return Environment(
        var_dir=resolve_var_dir(env.get("VAR_DIR") or "var"),
        host=host,
        port=port,
        debug=parse_bool("DEBUG", env.get("DEBUG"), default=False),
        public_url=public_url,
        allowed_hosts=parse_allowed_hosts(env.get("ALLOWED_HOSTS"), host=host, public_url=public_url),
        database_url=parse_database_url(env.get("DATABASE_URL")),
        is_pooled=parse_pooler(env.get("DATABASE_POOLER")),
        given_redis_url=parse_redis_url("REDIS_URL", env.get("REDIS_URL")),
        channels_redis_urls=parse_redis_urls("CHANNELS_REDIS_URLS", env),
        cache_redis_url=parse_redis_url("CACHE_REDIS_URL", env.get("CACHE_REDIS_URL")),
        given_studio_url=parse_http_url("STUDIO_URL", env.get("STUDIO_URL")),
        runs_studio=parse_bool("STUDIO", env.get("STUDIO"), default=True) and not env.get("STUDIO_URL"),
        runs_simulator=parse_bool("SIMULATOR", env.get("SIMULATOR"), default=False),
        simulator_scenario=env.get("SIMULATOR_SCENARIO") or "everyday",
        given_secret_key=parse_secret_key(env.get("SECRET_KEY")),
        secret_key_fallbacks=tuple(
            filter(None, map(parse_secret_key, (env.get("SECRET_KEY_FALLBACKS") or "").replace(",", " ").split()))
        ),
        given_field_keys=tuple(parse_field_keys(env.get("FIELD_KEYS") or "")),
        label_files=parse_label_files(env),
        callback_url=parse_http_url("CALLBACK_URL", env.get("CALLBACK_URL")) or public_url,
        trusted_proxies=parse_number(env, "TRUSTED_PROXIES", 0, least=0, most=MOST_PROXIES),
        requires_second_step=parse_bool("REQUIRE_STAFF_2FA", env.get("REQUIRE_STAFF_2FA"), default=False),
        private_provider_hosts=tuple((env.get("PROVIDER_PRIVATE_HOSTS") or "").replace(",", " ").split()),
        job_deadline=timedelta(minutes=parse_number(env, "JOB_DEADLINE_MINUTES", 30, most=LONGEST_DEADLINE_MINUTES)),
        admission_backlog=timedelta(
            minutes=parse_number(env, "ADMISSION_BACKLOG_MINUTES", 15, most=LONGEST_DEADLINE_MINUTES)
        ),
        admission_wait_seconds=parse_number(env, "ADMISSION_WAIT_MS", 20, most=60_000) / 1000,
        retention=timedelta(hours=parse_number(env, "RETENTION_HOURS", 24, most=LONGEST_RETENTION_HOURS)),
        throttle_rates={
            "uploads": parse_rate(env, "THROTTLE_UPLOADS", "60/min"),
            "uploads_address": parse_rate(env, "THROTTLE_UPLOADS_ADDRESS", "600/min"),
            "reads": parse_rate(env, "THROTTLE_READS", "1800/min"),
        },
        connections_per_address=parse_number(env, "CONNECTIONS_PER_ADDRESS", 1024, least=0, most=MOST_CONNECTIONS),
        prepare_children=parse_number(env, "PREPARE_CHILDREN", studio.cores(), most=MOST_PREPARE_CHILDREN),
        log_level=parse_log_level(env.get("LOG_LEVEL")),
        contact=read_contact_settings(env, public_url=public_url),
        monitoring=read_monitoring_settings(env),
    )


def read_dotenv(path: Path) -> dict[str, str]:
    """Return the variables of a `.env` file as python-dotenv reads it; none when there is no such file.

    One NAME=value a line, `export` allowed, `#` starts a comment. Quotes around a value are taken off, a quoted value
    may have several lines, and no `${NAME}` in it is replaced.
    """
    return {name: value for name, value in dotenv_values(path, interpolate=False).items() if value is not None}


def resolve_var_dir(value: str) -> Path:
    return Path(os.path.abspath(PROJECT_DIR / Path(value).expanduser()))


def parse_bool(name: str, value: str | None, *, default: bool) -> bool:
    word = (value or "").strip().lower()
    if not word:
        return default
    if word in TRUE_WORDS | FALSE_WORDS:
        return word in TRUE_WORDS
    raise BadEnvironment(f"{name} must be true or false, not “{value}”.")


def parse_port(name: str, value: str) -> int:
    if value.isascii() and value.isdigit() and 1 <= int(value) <= 65535:
        return int(value)
    raise BadEnvironment(f"{name} must be a number from 1 to 65535, not “{value}”.")


def parse_number(env: Mapping[str, str], name: str, default: int, *, least: int = 1, most: int) -> int:
    text = (env.get(name) or "").strip()
    if not text:
        return default
    if text.isascii() and text.isdigit() and len(text) < 10 and least <= int(text) <= most:
        return int(text)
    raise BadEnvironment(f"{name} must be a whole number from {least} to {most}, not “{one_line(text)}”.")


def parse_rate(env: Mapping[str, str], name: str, default: str) -> str:
    text = (env.get(name) or "").strip()
    if not text or RATE.fullmatch(text):
        return text or default
    raise BadEnvironment(f"{name} must be a rate such as {default} (per s, min, hour or day), not “{one_line(text)}”.")


def parse_log_level(value: str | None) -> str:
    level = (value or "INFO").strip().upper()
    if level in LOG_LEVELS:
        return level
    raise BadEnvironment(f"LOG_LEVEL must be one of {', '.join(LOG_LEVELS)}, not “{one_line(level)}”.")


def parse_secret_key(value: str | None) -> str | None:
    if value and (len(value) < SHORTEST_SECRET_KEY or len(set(value)) < FEWEST_DIFFERENT):
        raise BadEnvironment(
            f"SECRET_KEY must be at least {SHORTEST_SECRET_KEY} random characters; leave it out to have one made."
        )
    return value or None


def check_studio(env: Mapping[str, str]) -> None:
    """Raise BadEnvironment for what the studio would refuse: it would start, and end, for ever."""
    try:
        studio.numbers(env)
    except studio.BadSetting as error:
        raise BadEnvironment(str(error)) from None


def one_line(text: str) -> str:
    return " ".join(text.split())[:60]


def parse_pooler(value: str | None) -> bool:
    word = (value or "none").strip().lower()
    if word in ("none", "session", "transaction"):
        return word == "transaction"
    raise BadEnvironment(f"DATABASE_POOLER must be none, session or transaction, not “{one_line(word)}”.")


def unix_url(path: Path) -> str:
    return f"unix://{quote(str(path))}"


def read_endpoints(path: Path) -> dict[str, str]:
    """Return the addresses that `manage.py up` last chose; none when it never ran here."""
    try:
        endpoints = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return endpoints if isinstance(endpoints, dict) else {}


def new_field_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode("ascii")


def parse_field_keys(value: str) -> list[str]:
    keys = [key.strip() for key in value.split(",") if key.strip()]
    for key in keys:
        try:
            is_key = len(base64.b64decode(key.encode("ascii"), altchars=b"-_", validate=True)) == 32
        except (binascii.Error, UnicodeEncodeError):
            is_key = False
        if not is_key:
            raise BadEnvironment("FIELD_KEYS must be Fernet keys (32 bytes in URL-safe base64), separated by commas.")
    return keys
