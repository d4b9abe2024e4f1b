"""Settings, all of them from the environment with safe defaults; `.env.example` lists the variables."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dj_database_url
from csp.constants import NONE, SELF

from common import redis_clients

from . import VERSION, environment, logs

ROOT = Path(__file__).resolve().parent.parent
ENV = environment.read()  # brings `.env` into os.environ

VAR_DIR = ENV.var_dir
for _folder in ("tmp", "static", "media"):
    (VAR_DIR / _folder).mkdir(parents=True, exist_ok=True)
PUBLIC_URL = ENV.public_url
PRODUCT_VERSION = VERSION
DEBUG = ENV.debug
SECRET_KEY = ENV.secret_key
SECRET_KEY_FALLBACKS = list(ENV.secret_key_fallbacks)
FIELD_KEYS = ENV.field_keys
LABEL_FILES = ENV.label_files
ALLOWED_HOSTS = list(ENV.allowed_hosts)
IS_HTTPS = urlsplit(PUBLIC_URL).scheme == "https"

INSTALLED_APPS = [
    "selfiehero.staff.apps.StaffAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_rq",
    "rest_framework",
    "rest_framework.authtoken",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "csp",
    "axes",
    "django_otp",
    "django_otp.plugins.otp_totp",
    "django_otp.plugins.otp_static",
    "django_otp_webauthn",
    "providers",
    "jobs",
    "notifications",
    "selfiehero",
]

MIDDLEWARE = [
    "selfiehero.logs.middleware",
    "selfiehero.proxies.middleware",
    "selfiehero.middleware.security_headers",
    "selfiehero.middleware.problems_for_programs",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "selfiehero.middleware.ShortPages",
    "selfiehero.middleware.ContentPolicy",
    "selfiehero.language.middleware",
    "selfiehero.middleware.uncompressed_bodies",
    "selfiehero.middleware.database_unavailable",
    "selfiehero.server.admission.middleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "selfiehero.staff.sessions.middleware",
    "django_otp.middleware.OTPMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "selfiehero.urls"
WSGI_APPLICATION = "selfiehero.wsgi.application"
ASGI_APPLICATION = "selfiehero.asgi.application"
APPEND_SLASH = True

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [ROOT / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# --- Database: the truth -----------------------------------------------------------------------
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASE_URL = ENV.database_url
if DATABASE_URL:
    DATABASES = {"default": dj_database_url.parse(DATABASE_URL, conn_max_age=600, conn_health_checks=True)}
    if DATABASES["default"]["ENGINE"].endswith("postgresql"):
        # A machine that vanished says no goodbye: notice within half a minute. Requests wait less
        # (`selfiehero.server.database`).
        DATABASES["default"]["OPTIONS"] = {
            "connect_timeout": 5,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 20_000,
        } | DATABASES["default"].get("OPTIONS", {})
        # Behind a pooler the next statement may have another connection, without the cursor of the last one.
        DATABASES["default"]["DISABLE_SERVER_SIDE_CURSORS"] = ENV.is_pooled
else:
    DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": str(VAR_DIR / "db.sqlite3"),
            # HTTP runs on a few fixed threads and a worker is one thread: connections live as long as those.
            "CONN_MAX_AGE": 600,
            "OPTIONS": {
                # Without IMMEDIATE, two read-then-write transactions fail at once under WAL (decision 0071).
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                # FULL: a 202 survives a power cut.
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA busy_timeout=20000;",
            },
            "TEST": {"NAME": VAR_DIR / "test.sqlite3"},
        }
    }

# --- Redis: nudges, the channel layer, throttle counters; one server for all unless more are named -------
REDIS_URL = ENV.redis_url
CHANNELS_REDIS_URLS = ENV.channels_redis_urls or (REDIS_URL,)
CACHE_REDIS_URL = ENV.cache_redis_url or REDIS_URL
# A server that hangs holds a request for half a second, without retries, not for the client's 58 s (decision 0046).
REDIS_TIMEOUT = 0.5
RQ_QUEUES = {
    lane: {
        # From "URL" django-rq makes a client without any option, so the timeouts stand in the address.
        "URL": redis_clients.url_with_timeouts(REDIS_URL, REDIS_TIMEOUT),
        "DEFAULT_TIMEOUT": 120,
        "SERIALIZER": "rq.serializers.JSONSerializer",
    }
    for lane in ("prepare", "dispatch", "collect", "notify")
}
# `jobs.queue.queues` nudges after the commit itself: many nudges of one transaction are one.
RQ = {"COMMIT_MODE": "auto", "WORKER_CLASS": "jobs.lanes.worker.LaneWorker"}
CHANNEL_LAYERS: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {
            # The groups of a job are on one of them, chosen by a hash of their name.
            "hosts": [
                {"address": url, **redis_clients.async_client_options(REDIS_TIMEOUT)} for url in CHANNELS_REDIS_URLS
            ],
        },
    }
}

# --- Files ---------------------------------------------------------------------------------------
STATIC_URL = "static/"
STATIC_ROOT = Path(os.environ.get("STATIC_DIR") or VAR_DIR / "static")
STATICFILES_DIRS = [ROOT / "static"]
MEDIA_ROOT = VAR_DIR / "media"
S3_BUCKET = os.environ.get("S3_BUCKET") or ""
if S3_BUCKET:
    from .s3_client import client_config

    _MEDIA = {
        "BACKEND": "jobs.s3.bucket.Bucket",
        "OPTIONS": {
            "bucket_name": S3_BUCKET,
            "endpoint_url": os.environ.get("S3_ENDPOINT_URL") or None,
            "region_name": os.environ.get("S3_REGION") or None,
            "file_overwrite": False,
            "querystring_auth": True,
            "querystring_expire": 3600,
            "max_memory_size": 5 * 2**20,
            "client_config": client_config(),
        },
    }
else:
    _MEDIA = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": MEDIA_ROOT}}
STORAGES = {
    "default": _MEDIA,
    "staticfiles": {"BACKEND": "selfiehero.static_files.StaticFilesStorage"},
}
if DEBUG:
    STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
WHITENOISE_USE_FINDERS = DEBUG
MEDIA_URL_SECONDS = 3600

FILE_UPLOAD_TEMP_DIR = VAR_DIR / "tmp"
FILE_UPLOAD_MAX_MEMORY_SIZE = 5 * 2**20
# Django's defaults make stored files readable for every user of the machine.
FILE_UPLOAD_PERMISSIONS = 0o600
FILE_UPLOAD_DIRECTORY_PERMISSIONS = 0o700
DATA_UPLOAD_MAX_MEMORY_SIZE = 256 * 1024
DATA_UPLOAD_MAX_NUMBER_FILES = 2

# --- Cookies and headers --------------------------------------------------------------------------
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = IS_HTTPS
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_NAME = "__Host-session" if IS_HTTPS else "session"
CSRF_COOKIE_NAME = "__Host-csrf" if IS_HTTPS else "csrf"
SESSION_COOKIE_AGE = 8 * 3600
VISITOR_COOKIE_NAME = "__Host-visitor" if IS_HTTPS else "visitor"
VISITOR_COOKIE_AGE = timedelta(days=365)
MAGIC_LINK_COOKIE_NAME = "__Host-tickets" if IS_HTTPS else "tickets"
MAGIC_LINK_COOKIE_AGE = max(ENV.retention, timedelta(days=7))
LANGUAGE_COOKIE_NAME = "__Host-language" if IS_HTTPS else "language"
LANGUAGE_COOKIE_AGE = 365 * 24 * 3600
LANGUAGE_COOKIE_SECURE, LANGUAGE_COOKIE_HTTPONLY, LANGUAGE_COOKIE_SAMESITE = IS_HTTPS, True, "Lax"
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_HSTS_SECONDS = 31_536_000 if IS_HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = IS_HTTPS
# Whoever ends TLS redirects, here deploy/nginx; the list that browsers ship with is for a site's owner to join.
SECURE_SSL_REDIRECT = False
SILENCED_SYSTEM_CHECKS = ["security.W008", "security.W021"]
# Behind a proxy that overwrites these headers, and only there.
TRUSTED_PROXIES = ENV.trusted_proxies
CONNECTIONS_PER_ADDRESS = ENV.connections_per_address
if TRUSTED_PROXIES:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
X_FRAME_OPTIONS = "DENY"

_MEDIA_HOSTS = [host for host in [os.environ.get("MEDIA_HOST") or ""] if host]
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "blob:", "data:", *_MEDIA_HOSTS],
        "media-src": [SELF, "blob:", *_MEDIA_HOSTS],
        "font-src": [SELF],
        "connect-src": [SELF, *_MEDIA_HOSTS],
        "manifest-src": [SELF],
        "worker-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}

# --- People ---------------------------------------------------------------------------------------
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",  # refuses before the next one hashes
    "django.contrib.auth.backends.ModelBackend",
    "django_otp_webauthn.backends.WebAuthnBackend",
]
LOGIN_REDIRECT_URL = "/admin/"
# `selfiehero.staff.attempts` says what is counted and why in the database.
AXES_HANDLER = "selfiehero.staff.attempts.Attempts"
AXES_CLIENT_IP_CALLABLE = "selfiehero.staff.attempts.address_of"
AXES_LOCKOUT_CALLABLE = "selfiehero.staff.attempts.refuse"
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_RESET_ON_SUCCESS = True
# Whoever goes on guessing behind the same address as one of the staff must not keep them out for ever.
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_DISABLE_ACCESS_LOG = True
REQUIRE_STAFF_2FA = ENV.requires_second_step
OTP_TOTP_ISSUER = "Selfie Hero"
OTP_ADMIN_HIDE_SENSITIVE_DATA = True
# A passkey belongs to a name, not to an address: a site without https has them at localhost only.
OTP_WEBAUTHN_RP_ID = (IS_HTTPS and urlsplit(PUBLIC_URL).hostname) or "localhost"
OTP_WEBAUTHN_RP_NAME = "Selfie Hero"
OTP_WEBAUTHN_ALLOWED_ORIGINS = [PUBLIC_URL if IS_HTTPS else f"http://localhost:{ENV.port}"]
STAFF_SESSION_IDLE = timedelta(hours=1)
AXES_ENABLE_ADMIN = False
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
# Each has a catalogue in `locale/` (`selfiehero.catalogues`); English is what the sources say.
LANGUAGES = [("en", "English"), ("es", "Español"), ("ja", "日本語")]
LANGUAGE_CODE = "en"
LOCALE_PATHS = [ROOT / "locale"]
TIME_ZONE = "UTC"
USE_I18N = USE_TZ = True

# --- E-mail and web push ---------------------------------------------------------------------------
DEFAULT_FROM_EMAIL = SERVER_EMAIL = ENV.contact.mail_from
EMAIL_TIMEOUT = 10
EMAIL_FILE_PATH = VAR_DIR / "mail"
EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
if ENV.contact.mail_server:
    EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    globals().update(ENV.contact.mail_server)
elif ENV.contact.is_mail_shown:
    EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
# Without a mail server an address is only asked for where whoever runs this is the one who asks.
EMAIL_OFFERED = bool(ENV.contact.mail_server) or urlsplit(PUBLIC_URL).hostname in ("localhost", "127.0.0.1", "::1")
VAPID_PRIVATE_KEY = ENV.vapid_key
VAPID_SUBJECT = ENV.contact.vapid_subject
PUSH_PRIVATE_HOSTS = ENV.contact.private_push_hosts

# --- API ------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["jobs.identity.OwnerAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["jobs.identity.SameOrigin"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.MultiPartParser", "jobs.intake.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "jobs.api.negotiation.Negotiation",
    "EXCEPTION_HANDLER": "jobs.intake.problems.handle",
    "DEFAULT_THROTTLE_RATES": {**ENV.throttle_rates, "notify": "30/min"},
    "NUM_PROXIES": TRUSTED_PROXIES,
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Selfie Hero",
    "DESCRIPTION": "Send a selfie, get a short film of yourself as a cyberpunk hero.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    # No validator: it would send the address of this document to a third party.
    "SWAGGER_UI_SETTINGS": {"deepLinking": True, "validatorUrl": "none"},
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "PATH_CONVERTER_OVERRIDES": {"id": {"type": "string", "format": "uuid"}},
    "POSTPROCESSING_HOOKS": ["drf_spectacular.hooks.postprocess_schema_enums", "jobs.api.schema.complete"],
}
CACHES = {
    "default": {
        "BACKEND": "selfiehero.json_cache.JSONCache",
        "LOCATION": [CACHE_REDIS_URL],  # Django splits a text at commas and semicolons
        "KEY_PREFIX": "cache",
        "OPTIONS": redis_clients.client_options(REDIS_TIMEOUT),
    }
}

# --- The product ----------------------------------------------------------------------------------
PHOTO_MAX_BYTES = 12 * 2**20
PHOTO_MAX_PIXELS = 51_000_000  # as phones take them: what they call 50 is up to 8192 x 6144
PREPARE_CHILDREN = ENV.prepare_children  # photos opened at the same time by a prepare worker
PHOTO_LONG_EDGE = 1536
HERO_NAME_MAX = 24
# A new version whenever the rules change in substance; every text has a digest besides (`jobs.consent`).
CONSENT_VERSION = "2026-12"
CONSENT_AGE = 16  # years that people say to have, or a parent agrees
JOB_DEADLINE = ENV.job_deadline
ADMISSION_BACKLOG, ADMISSION_WAIT_SECONDS = ENV.admission_backlog, ENV.admission_wait_seconds
# Photos after the job has ended; films after the upload, as long as its owner chooses; what providers reported.
PHOTO_RETENTION = timedelta(hours=1)
RETENTION = ENV.retention
LONG_RETENTION = max(RETENTION, timedelta(days=7))
DELIVERIES_RETENTION = timedelta(days=30)
VIDEO_MAX_BYTES = 200 * 2**20
MAX_ATTEMPTS = 5
RECONCILE_PUMP_SECONDS = 15.0
# Where providers reach us: webhooks and signed photo addresses. A provider on this machine needs no public name.
CALLBACK_URL = ENV.callback_url
STUDIO_URL = ENV.studio_url
# One for all hosts, at an address of the network; otherwise each host has its own.
STUDIO_IS_SHARED = ENV.given_studio_url is not None
SIMULATOR_URL = ENV.simulator_url
# Names that providers' calls may go to although they lead into a private network.
PROVIDER_PRIVATE_HOSTS = [
    *ENV.private_provider_hosts,
    *(host for url in (STUDIO_URL, SIMULATOR_URL) if url and (host := urlsplit(url).hostname)),
]
SIMULATOR_SCENARIO = ENV.simulator_scenario
SIMULATOR_SECRETS_PATH = ENV.simulator_secrets_path

LOG_LEVEL = ENV.log_level
LOGGING = logs.config(level=LOG_LEVEL, form=ENV.monitoring.log_format)
METRICS_TOKEN, METRICS_NETWORKS = ENV.monitoring.metrics_token, ENV.monitoring.metrics_networks
ALERT_EMAILS, ALERT_REPORT_HOUR = ENV.monitoring.alert_emails, ENV.monitoring.report_hour
ALERT_WEBHOOK_URL, ALERT_WEBHOOK_SECRET = ENV.monitoring.alert_webhook_url, ENV.monitoring.alert_webhook_secret
