from __future__ import annotations

import json
import logging
import logging.config
import time
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
import structlog
from django.http import HttpResponse
from django.test import RequestFactory
from django.utils.log import log_response

from leadpilot.lib import encryption
from leadpilot.lib.logs import HIDDEN, ClientErrors, Redactor, configure

KNOWN = "a-secret-that-looks-like-nothing"


@pytest.fixture
def log() -> Iterator[Any]:
    """`log()` returns what was written since, as JSON objects; structlog and the standard library write into it."""
    before = structlog.get_config()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = StringIO()
    config = configure(json=True, level="info", known=[KNOWN])
    config["handlers"]["stderr"]["stream"] = stream
    logging.config.dictConfig(config)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    structlog.configure(**before)
    root.handlers[:], root.level = handlers, level


def test_a_line_is_json_with_time_level_and_name(log: Any) -> None:
    structlog.get_logger("campaigns.sending").info("message sent", message_id="m1", attempts=2)
    (line,) = log()
    assert line["event"] == "message sent"
    assert (line["level"], line["logger"], line["message_id"], line["attempts"]) == (
        "info",
        "campaigns.sending",
        "m1",
        2,
    )
    assert line["timestamp"].endswith("Z")


def test_the_standard_library_takes_the_same_way(log: Any) -> None:
    logging.getLogger("django.request").warning("Not Found: %s", "/x", extra={"status_code": 404})
    (line,) = log()
    assert line["event"] == "Not Found: /x"
    assert line["status_code"] == 404


@pytest.mark.parametrize(("status", "level"), [(404, "info"), (422, "info"), (500, "error"), (503, "error")])
def test_what_people_mistype_is_no_warning_and_what_we_break_is_an_error(
    log: Any, status: int, level: str
) -> None:
    log_response("%s", "answer", response=HttpResponse(status=status), request=RequestFactory().get("/x"))
    (line,) = log()
    assert (line["level"], line["logger"], line["status_code"]) == (level, "django.request", status)


def test_mistakes_of_people_are_left_out_where_only_warnings_are_wanted() -> None:
    record = logging.makeLogRecord({"levelno": logging.WARNING, "levelname": "WARNING", "status_code": 404})
    assert not ClientErrors("WARNING").filter(record)
    record = logging.makeLogRecord({"levelno": logging.ERROR, "levelname": "ERROR", "status_code": 500})
    assert ClientErrors("WARNING").filter(record)


def test_lines_below_the_level_are_left_out(log: Any) -> None:
    structlog.get_logger("x").debug("no")
    logging.getLogger("y").debug("no")
    logging.getLogger("httpx2").info("GET https://a.example/?key=1")
    assert log() == []


def test_context_goes_along(log: Any) -> None:
    with structlog.contextvars.bound_contextvars(org="acme"):
        structlog.get_logger("x").info("a")
        logging.getLogger("y").info("b")
    assert [line["org"] for line in log()] == ["acme", "acme"]


SECRET_NAMES = [
    "password", "smtp_password", "Password", "passwd", "passphrase", "secret", "client_secret", "SECRET_KEY", "token",
    "access_token", "refresh_token", "api_key", "apikey", "API-Key", "authorization", "Authorization", "cookie",
    "set_cookie", "credential", "private_key", "session_id", "sessionid", "csrfmiddlewaretoken", "ENCRYPTION_KEYS", "otp",
]  # fmt: skip


@pytest.mark.parametrize("name", SECRET_NAMES)
def test_what_stands_under_a_telling_name_is_hidden(log: Any, name: str) -> None:
    structlog.get_logger("x").info("a", **{name: "hunter2"})
    structlog.get_logger("x").info("b", nested={"deep": [{name: "hunter2"}]})
    logging.getLogger("y").info("c", extra={name: "hunter2"})
    logging.getLogger("y").info("d %s", {"x": 1}, extra={"data": {name: ["hunter2"]}})
    assert "hunter2" not in json.dumps(log())
    assert log()[0][name] == HIDDEN


@pytest.mark.parametrize(
    "name",
    [
        "total_tokens",
        "token_count",
        "tokens",
        "prompt_tokens",
        "credential_id",
        "credential_health",
        "passed",
        "option",
    ],
)
def test_harmless_names_stay(log: Any, name: str) -> None:
    structlog.get_logger("x").info("a", **{name: "12"})
    assert log()[0][name] == "12"


def test_empty_secrets_and_numbers_stay_readable(log: Any) -> None:
    structlog.get_logger("x").info("a", password="", token=None, secret=True)
    assert (log()[0]["password"], log()[0]["token"], log()[0]["secret"]) == ("", None, True)


PLANTED = {
    "bearer": "Authorization: Bearer abc.def-ghi_jkl",
    "bearer alone": "sent bearer abcdefghijklmnop to it",
    "basic": "Basic dXNlcjpodW50ZXIy",
    "openai": "key sk-proj-abcdefghijklmnopqrstuvwxyz0123",
    "anthropic": "sk-ant-api03-abcdefghijkl",
    "stripe": "sk_live_abcdefghijklmn",
    "google": "AIzaSyA1234567890abcdefghijklmnopqrstuv",
    "google token": "ya29.a0AfH6SMBabcdefghijkl",
    "github": "ghp_abcdefghijklmnopqrstuvwxyz",
    "slack": "xoxb-123456789012-abcdef",
    "aws": "AKIAIOSFODNN7EXAMPLE",
    "sendgrid": "SG.abcdefghijklm.nopqrstuv",
    "apify": "apify_api_abcdefghijklmnop",
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0abc.c2lnbmF0dXJl",
    "address": "postgres://leadpilot:hunter2hunter2@db:5432/x",
    "smtp address": "smtp+tls://me%40x.example:hunter2@mail.example:587",
    "assignment": "password=hunter2 next",
    "quoted": '{"smtp_password": "hunter2", "host": "h"}',
    "python": "{'api_key': 'hunter2'}",
    "query": "GET /v1/places?key_token=hunter2&x=1",
    "option": "--token=hunter2",
    "header": "X-Api-Key: hunter2",
    "sign-in link": "http://127.0.0.1:8000/enter/abcdefghijklmnop/",
    "unsubscribe link": "http://127.0.0.1:8000/u/abcdefghijklmnop/",
    "password link": "http://127.0.0.1:8000/accounts/password/reset/key/3-abcdefghijklmnop/",
    "known": f"it was {KNOWN}!",
    "private key": "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkq\n-----END PRIVATE KEY-----",
}
PARTS = (
    "abc.def", "abcdefgh", "dXNlcjpodW50", "hunter2", "c2lnbmF0", "A1234567890", "IOSFODNN7", "a0AfH6SMB", "123456789012",
    KNOWN,
    "MIIEvQ",
)  # fmt: skip


@pytest.mark.parametrize("kind", PLANTED)
def test_what_looks_like_a_secret_is_hidden_wherever_it_stands(log: Any, kind: str) -> None:
    text = PLANTED[kind]
    structlog.get_logger("x").info(text)
    structlog.get_logger("x").info(
        "a", detail=text, many=[text], deep={"a": {"b": (text,)}}, raw=text.encode()
    )
    logging.getLogger("y").warning("got %s and %s", text, 1)
    logging.getLogger("y").warning("b", extra={"detail": text})
    try:
        raise ValueError(text)
    except ValueError:
        structlog.get_logger("x").exception("c")
        logging.getLogger("y").exception("d")
    written = json.dumps(log())
    assert len(log()) == 6
    assert HIDDEN in written
    assert not [part for part in PARTS if part in written]


def test_a_traceback_shows_no_local_variables(log: Any) -> None:
    def fail(smtp_login: str) -> None:
        local_value = smtp_login[::-1]
        raise RuntimeError(f"no way with {len(local_value)} letters")

    try:
        fail("zyxwvut")
    except RuntimeError:
        structlog.get_logger("x").exception("a")
    (line,) = log()
    assert "RuntimeError: no way with 7 letters" in line["exception"]
    assert "tuvwxyz" not in json.dumps(line)
    assert "Traceback" in line["exception"]


def test_stored_ciphertext_is_hidden(log: Any, settings: Any) -> None:
    settings.ENCRYPTION_KEYS = encryption.parse_keys([f"k1:{encryption.generate_key()}"])
    token = encryption.encrypt("hunter2", tenant="t", table="a", column="b", row="r")
    structlog.get_logger("x").info("row", value=f"<{token}>")
    assert token not in json.dumps(log())


def test_a_request_with_a_secret_in_its_path_is_hidden(log: Any) -> None:
    request = RequestFactory().get("/enter/abcdefghijklmnop/?password=hunter2")
    logging.getLogger("django.request").error(
        "Internal Server Error: %s", request.path, extra={"request": request}
    )
    assert "abcdefgh" not in json.dumps(log())
    assert "hunter2" not in json.dumps(log())


@pytest.mark.parametrize(
    "text",
    [
        "https://northbeam.example/about?page=2",
        "The token expired; sign in again.",
        "Password is too short.",
        "2 messages sent to mia@team.example at 10:15",
        "mailto:mia@team.example",
        "task-1234567890-abcdefghij",
        "Leads imported: 12, secrets none",
        "http://127.0.0.1:8000/leads/0192f0c1-7b1c-7cc0-8f00-000000000001/",
    ],
)
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert Redactor().text(text) == text


def test_redaction_takes_linear_time_and_bounds_what_it_prints() -> None:
    redactor = Redactor(["x" * 10])
    for piece in (
        "a://",
        "token=",
        "-----BEGIN PRIVATE KEY-----",
        "eyJa.",
        "sk-",
        "bearer ",
        "x" * 9 + " ",
        "password password ",
    ):
        began = time.monotonic()
        assert len(redactor.text(piece * 200_000)) < 200_000
        assert time.monotonic() - began < 5
    deep: Any = "end"
    for _ in range(50):
        deep = {"a": deep}
    assert "end" not in str(redactor(None, "info", {"event": "x", "deep": deep}))


def test_short_values_are_no_known_secrets() -> None:
    assert Redactor(["a", "", "short"]).text("a short text") == "a short text"


def test_the_console_is_readable_and_hides_the_same(log: Any) -> None:
    stream = StringIO()
    config = configure(json=False, level="DEBUG")
    config["handlers"]["stderr"]["stream"] = stream
    logging.config.dictConfig(config)
    logging.getLogger("x").debug("hello", extra={"password": "hunter2", "n": 3})
    try:
        raise ValueError("password=hunter2")
    except ValueError:
        logging.getLogger("x").exception("broken")
    text = stream.getvalue()
    assert "hello" in text
    assert "Traceback" in text
    assert "hunter2" not in text
    assert not text.startswith("{")


def test_a_wrong_level_stops_the_start() -> None:
    with pytest.raises(ValueError, match="LOG_LEVEL is LOUD"):
        configure(json=True, level="loud")
