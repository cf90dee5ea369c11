"""Every setting, in one file, from the environment. What is missing or wrong stops the start with a sentence."""

import base64
import contextlib
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import django_stubs_ext
import environ
from django.core.exceptions import ImproperlyConfigured

from leadpilot import postgres
from leadpilot.lib import encryption, logs
from leadpilot.lib.q_settings import Q_CLUSTER as Q_CLUSTER

BASE_DIR = Path(__file__).resolve().parent.parent
django_stubs_ext.monkeypatch()  # so that ModelAdmin[…] and ModelForm[…] can say at run time what they hold
env = environ.Env()
env_file = BASE_DIR / ".env"
if env_file.exists():
    env.read_env(env_file)

VAR = Path(env.str("LEADPILOT_VAR", default=str(BASE_DIR / "var")))
DEBUG = env.bool("DEBUG", default=False)
PROCESS = env.str("LEADPILOT_PROCESS", default="command")  # web, worker, sandbox or command
PORT = env.int("PORT", default=8000)
PUBLIC_URL = env.str("PUBLIC_URL", default=f"http://127.0.0.1:{PORT}").rstrip("/")
IS_LOCAL = PUBLIC_URL.startswith(("http://127.0.0.1", "http://localhost"))


def _kept_secret(name: str, make: Callable[[], str]) -> str:
    """A secret from the environment; on a developer's machine one is made once and kept under var/secrets."""
    if value := env.str(name, default=""):
        return str(value)
    if not IS_LOCAL:
        raise ImproperlyConfigured(f"Set {name}: PUBLIC_URL is {PUBLIC_URL}, so no secret is made up here.")
    kept = VAR / "secrets" / name.lower()
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        new = kept.with_suffix(f".{secrets.token_hex(4)}")
        new.touch(mode=0o600)
        new.write_text(make())
        with contextlib.suppress(FileExistsError):  # the first of several processes wins
            kept.hardlink_to(new)
        new.unlink()
    return kept.read_text().strip()


SECRET_KEY = _kept_secret("SECRET_KEY", lambda: secrets.token_urlsafe(50))
ENCRYPTION_KEYS = encryption.parse_keys(
    [
        key.strip()
        for key in _kept_secret("ENCRYPTION_KEYS", lambda: f"k1:{encryption.generate_key()}").split(",")
    ]
)

ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[PUBLIC_URL])

INSTALLED_APPS = [
    "leadpilot.orgs",
    "leads",
    "campaigns",
    "agent",
    "leadpilot.sandbox",
    "leadpilot.bench",
    "leadpilot.run",
    "leadpilot.trust",
    "leadpilot.ops",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.humanize",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "leadpilot.admin_site.LeadPilotAdminConfig",
    "django_htmx",
    "template_partials.apps.SimpleAppConfig",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "csp",
    "django_q",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "leadpilot.static_files.StaticFilesMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "leadpilot.orgs.middleware.SystemDatabaseMiddleware",
    "leadpilot.orgs.middleware.OrgMiddleware",
]

ROOT_URLCONF = "leadpilot.urls"
WSGI_APPLICATION = None
ASGI_APPLICATION = "leadpilot.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "leadpilot.orgs.context.shell",
            ],
            "loaders": [
                (
                    "template_partials.loader.Loader",
                    [
                        (
                            "django.template.loaders.cached.Loader",
                            [
                                "django.template.loaders.filesystem.Loader",
                                "django.template.loaders.app_directories.Loader",
                            ],
                        )
                    ],
                )
            ],
            "builtins": [
                "template_partials.templatetags.partials",
                "leadpilot.orgs.templatetags.ui",
                "django.templatetags.static",
            ],
        },
    }
]


def _database_urls() -> dict[str, str]:
    if url := env.str("DATABASE_URL", default=""):
        missing = [n for n in ("DATABASE_OWNER_URL", "DATABASE_SYSTEM_URL") if not env.str(n, default="")]
        if missing:
            raise ImproperlyConfigured(
                f"DATABASE_URL is set, {' and '.join(missing)} not: three roles are needed, see .env.example."
            )
        return {
            "default": url,
            "owner": env.str("DATABASE_OWNER_URL"),
            "system": env.str("DATABASE_SYSTEM_URL"),
        }
    private = postgres.urls(VAR / "postgres")
    if private is None:
        private = postgres.ensure(VAR / "postgres")
    return {"default": private.app, "owner": private.owner, "system": private.system}


def _database(url: str) -> dict[str, Any]:
    config: dict[str, Any] = {**environ.Env.db_url_config(url), "ENGINE": "django.db.backends.postgresql"}
    host = env.db_url_config(url).get("HOST") or ""
    config["HOST"] = host
    if PROCESS == "web":
        config.setdefault("OPTIONS", {})["pool"] = {"min_size": 1, "max_size": 16, "timeout": 10}
    elif PROCESS == "worker":
        config["CONN_MAX_AGE"] = 60
    config["CONN_HEALTH_CHECKS"] = PROCESS in ("web", "worker")  # a restarted database leaves dead ones
    if test_name := env.str("TEST_DATABASE_NAME", default=""):
        config["TEST"] = {"NAME": test_name}
    return config


DATABASES = {alias: _database(url) for alias, url in _database_urls().items()}
DATABASE_ROUTERS = ["leadpilot.orgs.routers.SystemRouter"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "orgs.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = env.str(
    "ACCOUNT_EMAIL_VERIFICATION", default="none" if IS_LOCAL else "mandatory"
)
ACCOUNT_ADAPTER = "leadpilot.orgs.accounts.AccountAdapter"
MFA_ADAPTER = "leadpilot.orgs.mfa.MFAAdapter"
ACCOUNT_LOGOUT_ON_GET = False
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes", "webauthn"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = IS_LOCAL

SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = not IS_LOCAL
SESSION_COOKIE_NAME = "leadpilot_session"
SECURE_SSL_REDIRECT = not IS_LOCAL and env.bool("SECURE_SSL_REDIRECT", default=True)
SECURE_REDIRECT_EXEMPT = [r"^(healthz|readyz|metrics)$"]  # asked from inside, without TLS
SECURE_HSTS_SECONDS = 0 if IS_LOCAL else 31536000
SECURE_PROXY_SSL_HEADER = (
    ("HTTP_X_FORWARDED_PROTO", "https") if env.bool("BEHIND_PROXY", default=False) else None
)
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "SAMEORIGIN"
CSRF_FAILURE_VIEW = "leadpilot.orgs.views.csrf_failure"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "frame-src": ["'self'"],
        "frame-ancestors": ["'self'"],
        "form-action": ["'self'"],
        "base-uri": ["'none'"],
        "manifest-src": ["'self'"],
    }
}

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False
STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
# A checkout serves the files where they lie; an image collects, compresses and names them by content.
WHITENOISE_USE_FINDERS = not env.bool("STATIC_COLLECTED", default=False)
STATIC_ROOT = None
if not WHITENOISE_USE_FINDERS:
    STATIC_ROOT = VAR / "static"
    STORAGES = {
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
        "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
    }
MEDIA_ROOT = VAR / "media"
DATA_UPLOAD_MAX_MEMORY_SIZE = 12_000_000
FILE_UPLOAD_MAX_MEMORY_SIZE = 2_500_000
DATA_UPLOAD_MAX_NUMBER_FIELDS = 5000

CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
EMAIL_CONFIG = env.email_url("EMAIL_URL", default="consolemail://")
vars().update(EMAIL_CONFIG)
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="LeadPilot <noreply@localhost>")

# The outbound door (leadpilot.lib.outbound): private addresses are refused but for these.
OUTBOUND_ALLOW = env.list("OUTBOUND_ALLOW", default=[])
# http://user:password@host:port of proxies to go out through, tried in turn when a site blocks one.
OUTBOUND_PROXIES = env.list("OUTBOUND_PROXIES", default=[])
OUTBOUND_USER_AGENT = env.str(
    "OUTBOUND_USER_AGENT", default="LeadPilot/1.0" if IS_LOCAL else f"LeadPilot/1.0 (+{PUBLIC_URL})"
)
SANDBOX: dict[str, Any] = {
    "enabled": env.bool("LEADPILOT_SANDBOX", default=False),
    "web_port": env.int("SANDBOX_WEB_PORT", default=PORT + 1),
    "smtp_port": env.int("SANDBOX_SMTP_PORT", default=PORT + 2),
    "home": VAR / "sandbox",
    "smtp_user": "alex@northbeam.example",
    "smtp_password": "sandbox-only",
}
OUTBOUND_SANDBOX = (
    {
        "suffix": ".example",
        "web": f"127.0.0.1:{SANDBOX['web_port']}",
        "smtp": f"127.0.0.1:{SANDBOX['smtp_port']}",
    }
    if SANDBOX["enabled"]
    else None
)
CHROMIUM = env.str("LEADPILOT_CHROMIUM", default="")

# Who may read /metrics: whoever sends this token. Unset, there is no such page.
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")

# The model. Without a key the offline writer is used.
OPENAI_API_KEY = env.str("OPENAI_API_KEY", default="")
OPENAI_BASE_URL = env.str("OPENAI_BASE_URL", default="")
LEADPILOT_MODEL = env.str("LEADPILOT_MODEL", default="gpt-5-mini")

LOGGING_CONFIG = "logging.config.dictConfig"
# Hidden in logs and in the queue's records wherever they stand, whatever they look like.
KNOWN_SECRETS = [
    value
    for value in (
        SECRET_KEY,
        OPENAI_API_KEY,
        METRICS_TOKEN,
        EMAIL_CONFIG.get("EMAIL_HOST_PASSWORD"),
        *(config["PASSWORD"] for config in DATABASES.values()),
        *(base64.b64encode(key.secret).decode() for key in ENCRYPTION_KEYS),
        *(unquote(urlsplit(proxy).password or "") for proxy in OUTBOUND_PROXIES),
    )
    if value
]
LOGGING = logs.configure(json=not IS_LOCAL, level=env.str("LOG_LEVEL", default="INFO"), known=KNOWN_SECRETS)

# Rate limits (seed 000, section 7.2).
MAX_EMAILS_PER_DAY = env.int("MAX_EMAILS_PER_DAY", default=500)
RESEARCH_CACHE_DAYS = env.int("RESEARCH_CACHE_DAYS", default=7)
MAX_RESEARCH_PER_MINUTE = env.int("MAX_RESEARCH_PER_MINUTE", default=10)
UNDO_SECONDS = env.int("UNDO_SECONDS", default=10)

SILENCED_SYSTEM_CHECKS: list[str] = []
