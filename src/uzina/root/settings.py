"""Django's names for our configuration. No value is decided here that a site would change."""

import os
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from django.utils.translation import gettext_lazy

from uzina.root import config as _config

UZINA = _config.current()

_var = UZINA.folders.var.absolute()


def _kept_secret(name: str) -> str:
    """Return a secret that is made once and kept beside the data, readable by its owner only."""
    path = _var / name
    if not path.exists():
        _var.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            pass
        else:
            with os.fdopen(handle, "w") as file:
                file.write(secrets.token_urlsafe(48))
    return path.read_text().strip()


SECRET_KEY = UZINA.site.secret_key or _kept_secret("secret-key")
UZINA_LOG_KEY = SECRET_KEY
DEBUG = UZINA.site.debug
_url = urlsplit(UZINA.site.url)
ALLOWED_HOSTS = sorted({_url.hostname or "localhost", UZINA.site.host, "localhost", "127.0.0.1"})
CSRF_TRUSTED_ORIGINS = [UZINA.site.url]
_is_https = _url.scheme == "https"

INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.forms",
    "uzina.core",
    "uzina.people",
    "uzina.ledger",
    "uzina.sizing",
    "uzina.calls",
    "uzina.catalogue",
    "uzina.compute",
    "uzina.training",
    "uzina.programme",
    "uzina.root",
]
MIDDLEWARE = [
    "uzina.root.middleware.RequestIdMiddleware",
    "uzina.root.middleware.ApiProblemMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "uzina.root.middleware.HeadersMiddleware",
    "django.middleware.gzip.GZipMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "uzina.root.middleware.RefusalMiddleware",
    "uzina.core.idempotency.IdempotencyMiddleware",
]
ROOT_URLCONF = "uzina.root.urls"
WSGI_APPLICATION = "uzina.root.wsgi.application"
AUTH_USER_MODEL = "people.Person"
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 10},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
]
LOGIN_URL = "/sign-in/"
LOGIN_REDIRECT_URL = "/"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "uzina.root.context.factory",
            ]
        },
    }
]
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"

_database = urlsplit(UZINA.database.url)
DATABASES: dict[str, Any]
if _database.scheme == "sqlite":
    _file = Path(unquote(_database.path.removeprefix("/")))
    _file = _file.absolute()
    DATABASES = {
        "default": {
            "ENGINE": "uzina.core.sqlite",
            "NAME": str(_file),
            "CONN_MAX_AGE": None,
            "OPTIONS": {
                "timeout": 20,
                "transaction_mode": "IMMEDIATE",
                "init_command": (
                    "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                    "PRAGMA journal_size_limit=67108864;"
                ),
            },
            "TEST": {"NAME": f"{_file}.test-{os.getpid()}"},
        }
    }
else:
    DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": unquote(_database.path.lstrip("/")),
            "USER": unquote(_database.username or ""),
            "PASSWORD": unquote(_database.password or ""),
            "HOST": _database.hostname or "",
            "PORT": str(_database.port or ""),
            "CONN_MAX_AGE": None,
            "CONN_HEALTH_CHECKS": True,
            "OPTIONS": {
                "options": (
                    "-c lock_timeout=5s -c statement_timeout=30s"
                    " -c idle_in_transaction_session_timeout=60s"
                )
            },
        }
    }
SESSION_ENGINE = "django.contrib.sessions.backends.db"
SESSION_COOKIE_AGE = 12 * 3600
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _is_https
SECURE_HSTS_SECONDS = 31_536_000 if _is_https else 0
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
# TLS ends at the proxy in front, which redirects; subdomains and preloading are the site's to decide.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W008", "security.W021"]
X_FRAME_OPTIONS = "DENY"
CSRF_FAILURE_VIEW = "uzina.root.views.csrf_failure"
DATA_UPLOAD_MAX_MEMORY_SIZE = 2_621_440
FILE_UPLOAD_HANDLERS = [
    "uzina.core.uploads.CappedUploadHandler",
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
    "django.core.files.uploadhandler.TemporaryFileUploadHandler",
]

LANGUAGE_CODE = "en"
LANGUAGES = [("en", gettext_lazy("English")), ("ro", gettext_lazy("Romanian"))]
USE_I18N = True
USE_TZ = True
TIME_ZONE = UZINA.site.timezone
STATIC_URL = "/static/"
STATIC_ROOT = _var / "static"
STATIC_ROOT.mkdir(parents=True, exist_ok=True)
# `uzina-admin serve` collects the files, compressed and named by their content, for ever cacheable.
# Without that (a test) they are served from where they lie.
_is_collected = (STATIC_ROOT / "staticfiles.json").exists()
WHITENOISE_USE_FINDERS = not _is_collected
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    # What applicants and entrants send. Never below a folder that a web server shows.
    "documents": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": UZINA.folders.var / "documents"},
    },
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if _is_collected
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

DEFAULT_FROM_EMAIL = UZINA.mail.sender
EMAIL_BACKEND = (
    "django.core.mail.backends.smtp.EmailBackend"
    if UZINA.mail.backend == "smtp"
    else "django.core.mail.backends.filebased.EmailBackend"
)
EMAIL_FILE_PATH = str(_var / "mail")
EMAIL_HOST, EMAIL_PORT = UZINA.mail.host, UZINA.mail.port
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = UZINA.mail.user, UZINA.mail.password
EMAIL_USE_TLS = UZINA.mail.security == "starttls"
EMAIL_USE_SSL = UZINA.mail.security == "tls"
EMAIL_TIMEOUT = UZINA.mail.timeout_s

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name} {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "INFO"},
    # What draws PDF files tells each step of each font, and each address that it was refused.
    "loggers": {"fontTools": {"level": "WARNING"}, "weasyprint": {"level": "ERROR"}},
}
