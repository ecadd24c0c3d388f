"""Everything that differs between laptop, CI and production, read from the environment.

Any variable may be given as a file instead: `SECRET_KEY_FILE=/run/secrets/order_secret_key`.
"""

import atexit
import os
import re
import secrets
import shutil
import tempfile
from pathlib import Path
from typing import Any

import environ
from celery.schedules import crontab
from django.core.exceptions import ImproperlyConfigured
from django.urls import reverse_lazy
from django_guid.integrations import CeleryIntegration
from kombu import Exchange, Queue

from order_project import keys
from order_project.engines import MONGODB, database_at, readable

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
    "USER_PUBLIC_KEYS",
    "USER_URL",
    "PRODUCT_URL",
    "INVENTORY_URL",
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
    "customers",
    "orders",
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

ROOT_URLCONF = "order_project.urls"
WSGI_APPLICATION = "order_project.wsgi.application"

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

DATABASES = {
    "default": database_at(
        env.str("DATABASE_URL", default="").strip() or f"sqlite:///{BASE_DIR / 'db.sqlite3'}",
        pool_size=int(one_like("8", "DATABASE_POOL_SIZE", r"[1-9]\d*")),
    )
}

# What is cached is JSON, not pickles: whoever can write to the cache cannot run code here. A cache
# that is away raises RedisError, so that its reader decides what to do without it.
CACHE_OPTIONS = {
    "django_redis.cache.RedisCache": {
        "SERIALIZER": "django_redis.serializers.json.JSONSerializer",
        "SOCKET_CONNECT_TIMEOUT": 0.5,  # seconds; a cache is worth less than the wait for it
        "SOCKET_TIMEOUT": 0.5,
    },
}
CACHE_URL = env.str("CACHE_URL", default="") or "locmemcache://"
CACHE = environ.Env.cache_url_config(
    readable(CACHE_URL, "CACHE_URL", "redis", "rediss", "locmemcache")
)
CACHES = {
    "default": CACHE
    | {
        "KEY_PREFIX": "order",
        "OPTIONS": CACHE_OPTIONS.get(CACHE["BACKEND"], {}) | CACHE.get("OPTIONS", {}),
    }
}

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
MIGRATION_MODULES: dict[str, str] = {}
if DATABASES["default"]["ENGINE"] == MONGODB:
    DEFAULT_AUTO_FIELD = "django_mongodb_backend.fields.ObjectIdAutoField"
    for app, config in (
        ("admin", "AdminConfig"),
        ("auth", "AuthConfig"),
        ("contenttypes", "ContentTypesConfig"),
    ):
        position = INSTALLED_APPS.index(f"django.contrib.{app}")
        INSTALLED_APPS[position] = f"order_project.mongodb.apps.{config}"
        MIGRATION_MODULES[app] = f"order_project.mongodb.migrations.{app}"

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
SESSION_COOKIE_NAME = "order_sessionid"  # cookies know no ports: four admins may share a host
CSRF_COOKIE_NAME = "order_csrftoken"
DATA_UPLOAD_MAX_MEMORY_SIZE = 256 * 1024  # bytes; the largest honest body is a few kB
LOGIN_URL = reverse_lazy("admin:login")

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "rest_framework_simplejwt.authentication.JWTStatelessUserAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": [
        "order_project.renderers.JSONRenderer",
        "rest_framework.renderers.BrowsableAPIRenderer",
    ],
    "DEFAULT_PARSER_CLASSES": ["order_project.parsers.JSONParser"],
    "EXCEPTION_HANDLER": "order_project.errors.exception_handler",
    "DEFAULT_FILTER_BACKENDS": ["rest_framework.filters.SearchFilter"],
    "DEFAULT_PAGINATION_CLASS": "rest_framework.pagination.PageNumberPagination",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "PAGE_SIZE": 50,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}

SPECTACULAR_SETTINGS = {
    "TITLE": "order_project",
    "DESCRIPTION": "Owns what was bought.",
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
            f"{name} is not a key set as .env.example describes it: {error}"
        ) from error


# The first of its own signs what this service asks of the others.
SIGNING_KEYS: keys.PrivateKeySet = (
    key_set("SIGNING_KEYS", keys.PrivateKeySet) or keys.generate_key_set()
)
USER_PUBLIC_KEYS: keys.PublicKeySet = key_set(
    "USER_PUBLIC_KEYS", keys.PublicKeySet
) or keys.PublicKeySet(keys=[])
SIMPLE_JWT = {
    "AUTH_TOKEN_CLASSES": ("order_project.tokens.PersonToken",),
    "ALGORITHM": "RS256",
    "USER_ID_CLAIM": "sub",
}

# The broker. RabbitMQ has the queues that `manage.py declare_queues` made, counts deliveries and
# dead-letters what is rejected; Redis has queues as soon as someone consumes, and does neither.
BROKER_URL = readable(
    env.str("BROKER_URL", default="") or "redis://127.0.0.1:6379/0",
    "BROKER_URL",
    *("amqp", "amqps", "pyamqp", "redis", "rediss"),
)
BROKER_DEAD_LETTERS = BROKER_URL.startswith(("amqp", "pyamqp"))
DEAD_LETTERS = Queue("order.dead", queue_arguments={"x-queue-type": "quorum"})
QUEUE_OPTIONS: dict[str, Any] = (
    {
        "no_declare": True,
        "queue_arguments": {
            "x-queue-type": "quorum",
            "x-delivery-limit": 20,
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": DEAD_LETTERS.name,
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",  # which that strategy requires
        },
    }
    if BROKER_DEAD_LETTERS
    else {}
)
CELERY_BROKER_URL = BROKER_URL
CELERY_BROKER_CONNECTION_TIMEOUT = 2  # seconds
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CHANNEL_ERROR_RETRY = True
CELERY_BROKER_TRANSPORT_OPTIONS = (
    {"confirm_publish": True, "confirm_timeout": 5, "read_timeout": 5, "write_timeout": 5}
    if BROKER_DEAD_LETTERS
    else {
        "socket_timeout": 5,
        "socket_connect_timeout": 2,
        # Seconds until what a killed worker held is delivered again.
        "visibility_timeout": env.int("VISIBILITY_SECONDS", default=60),
        "unacked_restore_interval": 5,  # seconds between looks for it
        "unacked_restore_throttle": 1,
    }
)
# Topics both: instead of a direct exchange Celery takes the default one, which reaches any queue.
CELERY_TASK_QUEUES = (
    Queue("order.user-events", Exchange("events", "topic"), "user.#", **QUEUE_OPTIONS),
    Queue("order.tasks", Exchange("order", "topic"), "order.tasks", **QUEUE_OPTIONS),
)
CELERY_TASK_DEFAULT_QUEUE = "order.tasks"
CELERY_TASK_CREATE_MISSING_QUEUES = False  # a typo must not make a queue
CELERY_TASK_ACKS_ON_FAILURE = False  # these three concern tasks that acknowledge late
CELERY_TASK_ACKS_ON_TIMEOUT = False
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_IMPORTS = ["order_project.metrics"]
CELERY_WORKER_CONSUMER = "customers.consumer:Consumer"
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = True  # they are delivered again
CELERY_DB_REUSE_MAX = 1000  # tasks a database connection; Celery's default is one

RESUME_SECONDS = env.int("RESUME_SECONDS", default=5)
VERIFY_RECENT_SECONDS = env.int("VERIFY_RECENT_SECONDS", default=300)
COPY_LAG_SECONDS = env.float("COPY_LAG_SECONDS", default=2)  # by when an event has arrived
DEAD_LETTERS_SECONDS = env.int("DEAD_LETTERS_SECONDS", default=60)
CELERY_BEAT_SCHEDULER = "order_project.beat:Scheduler"
CELERY_BEAT_SCHEDULE = {
    "resume pending orders": {
        "task": "orders.tasks.resume_orders",
        "schedule": RESUME_SECONDS,
        "options": {"expires": RESUME_SECONDS},  # a worker that was away has one to do, not all
    },
    "verify recent customers": {
        "task": "customers.tasks.verify_recent_customers",
        "schedule": VERIFY_RECENT_SECONDS,
        "options": {"expires": VERIFY_RECENT_SECONDS},
    },
    "verify all customers": {
        "task": "customers.tasks.verify_all_customers",
        "schedule": crontab(hour="3", minute="30"),
        "options": {"expires": 3600},
    },
}
if BROKER_DEAD_LETTERS:
    CELERY_BEAT_SCHEDULE["collect dead letters"] = {
        "task": "customers.tasks.collect_dead_letters",
        "schedule": DEAD_LETTERS_SECONDS,
        "options": {"expires": DEAD_LETTERS_SECONDS},
    }

# The other services, and how long to wait for them.
USER_URL = env.str("USER_URL", default="http://127.0.0.1:8001")
PRODUCT_URL = env.str("PRODUCT_URL", default="http://127.0.0.1:8003")
INVENTORY_URL = env.str("INVENTORY_URL", default="http://127.0.0.1:8004")
CLIENT_CONNECT_SECONDS = env.float("CLIENT_CONNECT_SECONDS", default=1.0)
CLIENT_READ_SECONDS = env.float("CLIENT_READ_SECONDS", default=2.0)
CLIENT_RETRIES = env.int("CLIENT_RETRIES", default=2)  # of calls that are safe to repeat
BREAKER_FAILURES = env.int("BREAKER_FAILURES", default=5)  # in a row, until nobody asks any more
BREAKER_RESET_SECONDS = env.int("BREAKER_RESET_SECONDS", default=5)  # until one asks again

# How old a price may be when an order is placed at it; and, if ORDER_AT_STALE_PRICES says that
# orders may go on while product_project is down, how old it may be then.
PRODUCT_CACHE_SECONDS = env.int("PRODUCT_CACHE_SECONDS", default=30)
PRODUCT_STALE_SECONDS = env.int("PRODUCT_STALE_SECONDS", default=86_400)
ORDER_AT_STALE_PRICES = env.bool("ORDER_AT_STALE_PRICES", default=False)

# When an order that inventory_project did not answer for is tried again: first after so many
# seconds, more than a request can take, then after twice as many each time, up to the limit.
RETRY_SECONDS = env.int("RETRY_SECONDS", default=15)
RETRY_LIMIT_SECONDS = env.int("RETRY_LIMIT_SECONDS", default=300)

# The worker has no HTTP: where METRICS_PORT is set, its main process answers there for its pool,
# whose processes count in files. Prometheus' client looks for their folder when it is imported.
METRICS_PORT = env.int("METRICS_PORT", default=0)
METRICS_HOST = env.str("HOST", default="127.0.0.1")
if METRICS_PORT and "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix="order-metrics-")
    atexit.register(shutil.rmtree, os.environ["PROMETHEUS_MULTIPROC_DIR"], ignore_errors=True)

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
        "urllib3": {"level": "ERROR"},  # it warns of each retry; clients.http tells how they ended
        "django_guid": {"level": "WARNING"},  # it would log each id twice more
        "celery.worker.strategy": {"level": "WARNING"},  # tasks say themselves what they did
        "celery.app.trace": {"level": "WARNING"},
        "celery.beat": {"level": "WARNING"},
    },
}
