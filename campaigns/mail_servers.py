"""What mail servers of both kinds do wrong, and how it is said: SMTP and IMAP share it."""

from __future__ import annotations

import re
import smtplib
import ssl
from functools import cache
from typing import Literal

from leadpilot.lib import outbound

Kind = Literal["refused", "dns", "timeout", "connection", "tls", "password", "protocol", "busy"]
_ENHANCED = re.compile(r"\b([245])\.(\d{1,3})\.(\d{1,3})\b")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


class ConnectFailed(Exception):
    """No usable connection, so nothing was sent. `str()` is for people; `permanent`: trying again will not help."""

    def __init__(self, kind: Kind, message: str, *, permanent: bool, phase: str, code: int = 0) -> None:
        super().__init__(message)
        self.kind = kind
        self.permanent = permanent
        self.phase = phase
        self.code = code


class ProtocolError(smtplib.SMTPException):
    """The other side does not speak SMTP, or too much of it."""


def enhanced_code(text: str) -> str:
    """The first code like 5.1.1 among the first words of an answer."""
    match = _ENHANCED.search(text[:80])
    return match[0] if match else ""


@cache
def tls_context() -> ssl.SSLContext:
    """The system's certificates, checked against the host's name."""
    return ssl.create_default_context()


def explain(error: Exception, host: str, port: int, phase: str) -> ConnectFailed:
    """A connection's failure as a sentence that names what to change."""
    if isinstance(error, outbound.NameUnknown):
        return ConnectFailed("dns", str(error), permanent=error.permanent, phase="connect")
    if isinstance(error, outbound.OutboundError):
        return ConnectFailed("refused", str(error), permanent=error.permanent, phase="connect")
    if isinstance(error, ssl.SSLCertVerificationError):
        message = f"The certificate of {host} cannot be trusted: {error.verify_message}."
        return ConnectFailed("tls", message, permanent=True, phase="tls")
    if isinstance(error, ssl.SSLError):
        message = f"{host} does not speak TLS on port {port}; is it STARTTLS, or another port?"
        return ConnectFailed("tls", message, permanent=True, phase="tls")
    if isinstance(error, TimeoutError):
        message = f"{host} did not answer on port {port} in time (while: {phase})."
        return ConnectFailed("timeout", message, permanent=False, phase=phase)
    if isinstance(error, ConnectionRefusedError):
        message = f"Nothing listens on port {port} of {host}."
        return ConnectFailed("connection", message, permanent=False, phase="connect")
    if isinstance(error, ProtocolError):
        message = f"{host} does not speak SMTP on port {port}: {clean(str(error))}"
        return ConnectFailed("protocol", message, permanent=False, phase=phase)
    message = f"The connection to {host} broke (while: {phase}): {clean(str(error))}"
    return ConnectFailed("connection", message, permanent=False, phase=phase)


def clean(text: bytes | str) -> str:
    """A stranger's words as one printable line of bounded length."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    return _UNPRINTABLE.sub(" ", text)[:500].strip()
