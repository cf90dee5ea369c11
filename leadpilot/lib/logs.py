"""Structured logs without secrets: one pipeline for structlog and the standard library, redacted at its very end."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any

import structlog

HIDDEN = "[hidden]"
_DEEPEST = 6
_LONGEST = 20_000

_SECRET_KEY = re.compile(
    r"(?i)(?:pass(?:word|wd|phrase)|secret|token|api[_-]?key|apikey|authorization|cookie|credential|private[_-]?key"
    r"|session[_-]?id|sessionid|csrf|signature|encryption_keys?|(?:^|_)(?:dsn|otp)$)"
)
# Names that hold such a word and no secret.
_HARMLESS_KEY = re.compile(
    r"(?i)(?:_count|_tokens|tokens_.*|^tokens|_at|(?<!session)_id|_health|_kind|_provider)$"
)
_REPLACEMENTS: list[tuple[re.Pattern[str], str]] = [
    # user:password@ in an address
    (re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]{1,20}://[^\s/:@'\"]{0,200}):[^\s/@'\"]{1,200}@"), rf"\1:{HIDDEN}@"),
    # Authorization headers
    (re.compile(r"(?i)\b(bearer|basic|token|apikey)\s+[A-Za-z0-9._~+/=-]{8,}"), rf"\1 {HIDDEN}"),
    # keys of well-known services
    (
        re.compile(
            r"\b(?:sk|pk|rk|whsec|ghp|gho|glpat|xox[abprs]|apify_api|SG|ya29)[-_.][A-Za-z0-9._-]{10,}"
            r"|\bAIza[A-Za-z0-9_-]{30,}|\b(?:AKIA|ASIA)[A-Z0-9]{12,}|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"
            r"|\bv1\.[A-Za-z0-9_-]{1,32}\.[A-Za-z0-9_-]{38,}"
        ),
        HIDDEN,
    ),
    # password=…, "api_key": "…", --token …
    (
        re.compile(
            r"(?i)([\w-]{0,30}(?:password|passwd|secret|api[_-]?key|token|authorization)[\w-]{0,20}[\"']?\s{0,3}[=:]\s{0,3}[\"']?)"
            r"(?!\[hidden\]|bearer \[|basic \[)[^\s\"'&,;)}\]]+"
        ),
        rf"\1{HIDDEN}",
    ),
    # sign-in and unsubscribe links
    (
        re.compile(r"(/enter/|/u/|/password/reset/key/|/confirm-email/)[A-Za-z0-9_:.-]{8,}"),
        rf"\1{HIDDEN}",
    ),
    # what PostgreSQL quotes in its errors: whole rows, keys, values, lines of a file
    (
        re.compile(
            r"(Failing row contains )\(.*?(?=(?: : |\n)Traceback|\n(?:The above|During handling|CONTEXT:)|\s*\Z)",
            re.DOTALL,
        ),
        rf"\1({HIDDEN}).",
    ),
    (
        re.compile(
            r"(Key \([^\n]{1,200}?\)=)\(.{0,2000}?\)(?= (?:already|is not present|is still|conflicts))",
            re.DOTALL,
        ),
        rf"\1({HIDDEN})",
    ),
    (re.compile(r'((?:invalid input [^\n"]{1,60}|value out of range): )"[^\n]*"'), rf'\1"{HIDDEN}"'),
    (re.compile(r"(CONTEXT:  )(?:COPY|unnamed|portal|JSON)[^\n]*"), rf"\1{HIDDEN}"),
    # what people searched for
    (re.compile(r"(<\w{0,20}Request: [A-Z]{1,10} '[^'?\n]{0,2000})\?[^'\n]*"), rf"\1?{HIDDEN}"),
    (
        re.compile(
            r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----[A-Za-z0-9+/=\s\\n]{0,8000}(?:-----END [A-Z ]{0,30}KEY-----)?"
        ),
        HIDDEN,
    ),
]


class Redactor:
    """A structlog processor that hides secrets by the name they stand under, by their look, or by being known."""

    def __init__(self, known: Iterable[str] = ()) -> None:
        self._known = sorted({value for value in known if len(value) >= 8}, key=len, reverse=True)

    def __call__(self, logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """Return the event with its values cleaned; structlog's own entries stay as they are."""
        return {
            key: value if key.startswith("_") else self._value(key, value, 0) for key, value in event.items()
        }

    def text(self, text: str) -> str:
        """Clean one text."""
        text = text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
        for value in self._known:
            text = text.replace(value, HIDDEN)
        for pattern, replacement in _REPLACEMENTS:
            text = pattern.sub(replacement, text)
        return text

    def _value(self, key: str, value: Any, depth: int) -> Any:
        if value is None or isinstance(value, bool | int | float):
            return value
        if _SECRET_KEY.search(key) and not _HARMLESS_KEY.search(key):
            return HIDDEN if value else value
        if isinstance(value, str):
            return self.text(value)
        if depth >= _DEEPEST:
            return "…"
        if isinstance(value, Mapping):
            return {str(k): self._value(str(k), v, depth + 1) for k, v in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self._value("", item, depth + 1) for item in value]
        return self.text(value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value))


_current = Redactor()


def clean(text: str) -> str:
    """A text as the logs would show it, for errors that are kept elsewhere."""
    return _current.text(text)


class ClientErrors(logging.Filter):
    """Makes Django's warnings of 4xx answers what they are, an information: somebody mistyped, or has to sign in."""

    def __init__(self, level: str) -> None:
        super().__init__()
        self._level = logging.getLevelNamesMapping()[level]

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is still to be written."""
        if 400 <= getattr(record, "status_code", 0) < 500:
            record.levelno, record.levelname = logging.INFO, "INFO"
        return record.levelno >= self._level


_SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.stdlib.ExtraAdder(),
]
# They write headers, addresses with their queries, the values of variables and of SQL at DEBUG and INFO.
_TELL_TOO_MUCH = (
    "django.template",
    "django.db.backends",
    "httpx2",
    "httpcore2",
    "httpx",
    "httpcore",
    "openai",
    "asyncio",
)


def configure(json: bool, level: str, known: Iterable[str] = ()) -> dict[str, Any]:
    """Set structlog up and return Django's LOGGING: JSON lines, or a readable console. `known` are secrets to hide.

    Tracebacks are plain text without the values of local variables, and are redacted as well.
    """
    level = level.upper()
    if level not in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"):
        raise ValueError(f"LOG_LEVEL is {level}; use DEBUG, INFO, WARNING, ERROR or CRITICAL.")
    global _current
    _current = Redactor(known)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_SHARED,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"leadpilot": _formatter(_current, json=json)},
        "filters": {"client_errors": {"()": ClientErrors, "level": level}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "leadpilot"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            "django": {"handlers": [], "level": level, "propagate": True},
            "django.server": {"handlers": [], "level": level, "propagate": True},
            "django.request": {"level": level, "filters": ["client_errors"], "propagate": True},
            **{name: {"level": "WARNING"} for name in _TELL_TOO_MUCH},
        },
    }


def _formatter(redactor: Redactor, *, json: bool) -> dict[str, Any]:
    return {
        "()": structlog.stdlib.ProcessorFormatter,
        "foreign_pre_chain": _SHARED,
        "processors": [
            structlog.processors.format_exc_info,  # plain text: structlog's richer ones print local variables
            structlog.processors.StackInfoRenderer(),
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            redactor,
            structlog.processors.JSONRenderer() if json else _console(),
        ],
    }


def _console() -> Any:
    return structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
    )
