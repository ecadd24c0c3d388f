"""Everything that differs between laptop, CI and production, read from the environment.

Any variable may be given as a file instead: `SECRET_KEY_FILE=/run/secrets/user_secret_key`.
"""

import re
import secrets
import warnings
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured
from django.db.utils import load_backend
from django.urls import reverse_lazy
from django_guid.integrations import CeleryIntegration

from user_project import keys

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.FileAwareEnv()
env.read_env(BASE_DIR / ".env")

# Development makes up the secrets it is not given, anew for each process; production refuses to.
DEBUG = env.bool("DEBUG", default=False)

REQUIRED = (
    "SECRET_KEY",
    "ALLOWED_HOSTS",
    "BROKER_URL",
    "CACHE_URL",
    "SIGNING_KEYS",
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


def readable(url: str, name: str, *schemes: str) -> str:
    """The URL, which must start with one of these schemes; one that is refused is not repeated."""
    try:
        parts = urlsplit(url)
        is_readable = parts.scheme in schemes and parts.port != 0
    except ValueError:  # of the port, which may be half a password
        is_readable = False
    if not is_readable:
        raise ImproperlyConfigured(
            f"{name} must start with {'://, '.join(schemes)}:// and go on like user:password@host, "
            "with % codes for what is special in user or password, such as %2F for a slash"
        )
    return url


RATE = r"\d+/(s|sec|m|min|h|hour|d|day)"

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
    "users",
    "outbox",
]

MIDDLEWARE = [
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "django_guid.middleware.guid_middleware",
    "user_project.parsers.bounded",
    "user_project.throttles.login_pages",
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

ROOT_URLCONF = "user_project.urls"
WSGI_APPLICATION = "user_project.wsgi.application"

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
        # What is deleted is overwritten: of an erased person nothing stays in the file.
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; "
        "PRAGMA secure_delete=ON;",
    },
    "django.db.backends.postgresql": {
        "connect_timeout": 3,  # seconds, as all of these
        # Of each process. A pool that went on trying would do so ever more rarely.
        "pool": {
            "min_size": 1,
            "max_size": int(one_like("10", "DATABASE_POOL_SIZE", r"[1-9]\d*")),
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

CACHE_URL = env.str("CACHE_URL", default="") or "locmemcache://"
CACHE = environ.Env.cache_url_config(
    readable(CACHE_URL, "CACHE_URL", "redis", "rediss", "locmemcache")
)
if CACHE["BACKEND"].startswith("django_redis"):
    timeouts = {"SOCKET_CONNECT_TIMEOUT": 1, "SOCKET_TIMEOUT": 1}  # seconds
    CACHE["OPTIONS"] = timeouts | CACHE.get("OPTIONS", {})
CACHES = {"default": CACHE}
DJANGO_REDIS_IGNORE_EXCEPTIONS = True  # a cache that is away costs throttling, not registrations
DJANGO_REDIS_LOG_IGNORED_EXCEPTIONS = True

AUTH_USER_MODEL = "users.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}", "OPTIONS": options}
    for name, options in (
        ("UserAttributeSimilarityValidator", {"user_attributes": ["email", "name"]}),
        ("MinimumLengthValidator", {}),
        ("CommonPasswordValidator", {}),
        ("NumericPasswordValidator", {}),
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
SESSION_COOKIE_NAME = "user_sessionid"  # cookies know no ports: four admins may share a host
CSRF_COOKIE_NAME = "user_csrftoken"
DATA_UPLOAD_MAX_MEMORY_SIZE = 256 * 1024  # bytes; the largest honest body is a few kB
LOGIN_URL = reverse_lazy("admin:login")

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "rest_framework_simplejwt.authentication.JWTAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PARSER_CLASSES": [
        "user_project.parsers.StrictJSONParser",
        "rest_framework.parsers.MultiPartParser",  # what the browsable API's forms send
    ],
    "EXCEPTION_HANDLER": "user_project.errors.exception_handler",
    "DEFAULT_FILTER_BACKENDS": ["rest_framework.filters.SearchFilter"],
    "DEFAULT_PAGINATION_CLASS": "rest_framework.pagination.PageNumberPagination",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_THROTTLE_RATES": {
        "registration": one_like("20/min", "REGISTRATION_RATE", RATE),
        "login": one_like("20/min", "LOGIN_RATE", RATE),
    },
    # How many proxies in front add to X-Forwarded-For; what lies before them anyone may invent.
    "NUM_PROXIES": int(one_like("0", "NUM_PROXIES", r"\d+")),
    "PAGE_SIZE": 50,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}

SPECTACULAR_SETTINGS = {
    "TITLE": "user_project",
    "DESCRIPTION": "Owns who people are.",
    "VERSION": "1",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}


def key_set(name: str, shape: Any) -> Any:
    """The JSON Web Key Set (RFC 7517) in a variable, or None where it is not set."""
    text = env.str(name, default="")
    try:
        return keys.parse_key_set(text, shape) if text else None
    except ValueError as error:
        raise ImproperlyConfigured(
            f"{name} is not a key set as generate_signing_keys prints it: {error}"
        ) from error


# The first signs; all are published, and check what they signed.
SIGNING_KEYS = key_set("SIGNING_KEYS", keys.PrivateKeySet)
SIGNING_KEYS_ARE_MADE_UP = SIGNING_KEYS is None
SIGNING_KEYS = SIGNING_KEYS or keys.generate_key_set()
ORDER_PUBLIC_KEYS = key_set("ORDER_PUBLIC_KEYS", keys.PublicKeySet) or {"keys": []}
SIMPLE_JWT = {
    "AUTH_TOKEN_CLASSES": ("user_project.tokens.PersonToken",),
    "TOKEN_OBTAIN_SERIALIZER": "users.serializers.LoginSerializer",
    "TOKEN_REFRESH_SERIALIZER": "users.serializers.RefreshSerializer",
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=15),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=7),
    "ALGORITHM": "RS256",
    "USER_ID_CLAIM": "sub",
    "UPDATE_LAST_LOGIN": True,
}

BROKER_URL = readable(
    env.str("BROKER_URL", default="") or "redis://127.0.0.1:6379/0",
    "BROKER_URL",
    *("amqp", "amqps", "pyamqp", "redis", "rediss"),
)
CELERY_BROKER_URL = BROKER_URL
CELERY_BROKER_CONNECTION_TIMEOUT = 2  # seconds
BROKER_CONFIRMS = BROKER_URL.startswith(("amqp", "pyamqp"))  # RabbitMQ says when it has a message
BROKER_ANSWER_SECONDS = 5  # how long to wait for the broker's word
CELERY_BROKER_TRANSPORT_OPTIONS = (
    {
        "confirm_publish": True,
        "read_timeout": BROKER_ANSWER_SECONDS,
        "write_timeout": BROKER_ANSWER_SECONDS,
    }
    if BROKER_CONFIRMS
    else {"socket_timeout": BROKER_ANSWER_SECONDS, "socket_connect_timeout": 2}
)
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_CREATE_MISSING_QUEUES = False  # a typo must not make a queue

# The relay has no HTTP: where METRICS_PORT is set, it tells there what it counted.
METRICS_PORT = env.int("METRICS_PORT", default=0)
METRICS_HOST = env.str("HOST", default="127.0.0.1")

DJANGO_GUID = {
    "GUID_HEADER_NAME": "X-Request-ID",
    "VALIDATE_GUID": True,
    "INTEGRATIONS": [CeleryIntegration(use_django_logging=True)],
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
