"""Everything that differs between laptop, CI and production, read from the environment.

Any variable may be given as a file instead: `SECRET_KEY_FILE=/run/secrets/inventory_secret_key`.
"""

import re
import secrets
import warnings
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured
from django.db.utils import load_backend
from django.urls import reverse_lazy
from redis.connection import parse_url

from inventory_project import keys

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.FileAwareEnv()
env.read_env(BASE_DIR / ".env")

# Development makes up the secrets it is not given, anew for each process; production refuses to.
DEBUG = env.bool("DEBUG", default=False)

REQUIRED = (
    "SECRET_KEY",
    "ALLOWED_HOSTS",
    "USER_PUBLIC_KEYS",
    "ORDER_PUBLIC_KEYS",
)
missing = [name for name in REQUIRED if not env.str(name, default="")]
if missing and not DEBUG:
    raise ImproperlyConfigured(
        f"set {', '.join(missing)} in the environment (.env.example explains each), "
        "or DEBUG=1 to try the service out"
    )


def one_like(default: str, name: str, pattern: str) -> str:
    """A variable that must match a pattern, or else the default."""
    value: str = env.str(name, default=default)
    if not re.fullmatch(pattern, value):
        raise ImproperlyConfigured(f"{name} must look like {default}, not like {value!r}")
    return value


SECRET_KEY = env.str("SECRET_KEY", default="") or secrets.token_urlsafe(50)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_guid",
    "django_prometheus",
    "stock",
]

MIDDLEWARE = [
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "django_guid.middleware.guid_middleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
]

ROOT_URLCONF = "inventory_project.urls"
WSGI_APPLICATION = "inventory_project.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# Each engine this service supports, with what it needs to be safe for several processes.
ENGINE_OPTIONS: dict[str, dict[str, Any]] = {
    "django.db.backends.sqlite3": {
        "transaction_mode": "IMMEDIATE",  # a reader that turns writer would fail at once
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    },
    "django.db.backends.postgresql": {
        "connect_timeout": 3,  # seconds, as all of these
        # A connection keeps what it is asked again, parsed: PgBouncer, if any, in session mode.
        "server_side_binding": True,
        "prepare_threshold": 5,
        # Of each process. A pool that went on trying would do so ever more rarely.
        "pool": {
            "min_size": 1,
            "max_size": int(one_like("16", "DATABASE_POOL_SIZE", r"[1-9]\d*")),
            "timeout": 5,
            "reconnect_timeout": 5,
        },
    },
    "django.db.backends.mysql": {
        "connect_timeout": 3,
        "charset": "utf8mb4",
        "isolation_level": "read committed",
        "sql_mode": "TRADITIONAL",
    },
}


def database_at(url: str) -> dict[str, Any]:
    """How Django reaches the database at a URL; refuses what can be none, without repeating it."""
    engine = environ.Env.DB_SCHEMES.get(url.partition("://")[0])
    if engine not in ENGINE_OPTIONS:
        raise ImproperlyConfigured(
            "DATABASE_URL must start with sqlite://, postgres:// or mysql://"
        )
    try:
        with warnings.catch_warnings(action="error"):
            database: dict[str, Any] = environ.Env.db_url_config(url)
    except (ValueError, UserWarning):  # their words quote the URL, password and all
        raise ImproperlyConfigured(
            "DATABASE_URL cannot be read: write sqlite:///path or mysql://user:password@host/name, "
            "with % codes for what is special in user or password, such as %2F for a slash"
        ) from None
    if not database["NAME"]:
        raise ImproperlyConfigured(
            "DATABASE_URL names no database: add one, as in mysql://host/name"
        )
    try:
        load_backend(engine)
    except ImproperlyConfigured as error:
        raise ImproperlyConfigured(
            f"DATABASE_URL asks for an engine without its driver ({error}): for mysql://, do as "
            "README.md says and pip install mysqlclient"
        ) from error
    options = ENGINE_OPTIONS[engine]
    return database | {
        "OPTIONS": options | database.get("OPTIONS", {}),
        "CONN_MAX_AGE": 0 if "pool" in options else 600,
        "CONN_HEALTH_CHECKS": True,
    }


DATABASES = {
    "default": database_at(
        env.str("DATABASE_URL", default="") or f"sqlite:///{BASE_DIR / 'db.sqlite3'}"
    )
}

# Levels and reservations are in the database, or in a Redis that keeps its data; keys are prefixed.
STOCK_URL = env.str("STOCK_URL", default="")
try:
    if STOCK_URL:
        parse_url(STOCK_URL)
except ValueError:  # its words may quote a password
    raise ImproperlyConfigured(
        "STOCK_URL must start with redis:// or rediss:// and be like redis://user:password@host/3, "
        "with % codes for what is special in a password; it is empty for stock in the database"
    ) from None
STOCK_PREFIX = env.str("STOCK_PREFIX", default="{inventory}:")  # braces: one slot of a cluster

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True

STATIC_URL = "static/"
WHITENOISE_USE_FINDERS = True  # serves the packages' own files: no collectstatic step

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Browsers reach the service by HTTPS alone, unless a deployment without TLS says otherwise.
HTTPS_ONLY = env.bool("HTTPS_ONLY", default=not DEBUG)
SECURE_SSL_REDIRECT = SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS_ONLY
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS_ONLY else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS_ONLY
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
# Probes and the other services come by the inner network. To redirect a caller of the API would
# help nobody: its token has been sent by then.
SECURE_REDIRECT_EXEMPT = [r"^health/", r"^metrics$", r"^api/v1/"]
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
SESSION_COOKIE_NAME = "inventory_sessionid"  # cookies know no ports: four admins may share a host
CSRF_COOKIE_NAME = "inventory_csrftoken"
DATA_UPLOAD_MAX_MEMORY_SIZE = 256 * 1024  # bytes; the largest honest body is a few kB
LOGIN_URL = reverse_lazy("admin:login")

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "inventory_project.tokens.ServiceAuthentication",
        "rest_framework_simplejwt.authentication.JWTStatelessUserAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PARSER_CLASSES": [
        "inventory_project.parsers.JSONParser",
        "inventory_project.parsers.MultiPartParser",  # what the browsable API's forms send
    ],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "inventory_project.errors.exception_handler",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}

SPECTACULAR_SETTINGS = {
    "TITLE": "inventory_project",
    "DESCRIPTION": "Owns what is on the shelf.",
    "VERSION": "1",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}


def public_keys(name: str) -> keys.KeySet:
    """The public JSON Web Key Set (RFC 7517) of a service whose tokens are accepted."""
    try:
        return keys.parse_key_set(env.str(name, default="") or '{"keys": []}')
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} is not a public JSON Web Key Set: {error}") from error


USER_PUBLIC_KEYS = public_keys("USER_PUBLIC_KEYS")
ORDER_PUBLIC_KEYS = public_keys("ORDER_PUBLIC_KEYS")
SIMPLE_JWT = {
    "AUTH_TOKEN_CLASSES": ("inventory_project.tokens.PersonToken",),
    "ALGORITHM": "RS256",
    "USER_ID_CLAIM": "sub",
}

DJANGO_GUID = {
    "GUID_HEADER_NAME": "X-Request-ID",
    "VALIDATE_GUID": True,
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"request_id": {"()": "django_guid.log_filters.CorrelationId"}},
    "formatters": {
        "line": {
            "format": "{asctime} {levelname} [{correlation_id}] {name}: {message}",
            "style": "{",
        }
    },
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "formatter": "line",
            "filters": ["request_id"],
        }
    },
    "root": {"handlers": ["stderr"], "level": env.str("LOG_LEVEL", default="INFO")},
    "loggers": {
        "django.server": {"handlers": ["stderr"], "propagate": False},
        "django_guid": {"level": "WARNING"},  # it would log each id twice more
    },
}
