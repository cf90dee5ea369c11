"""One SMTP conversation, in which it is known at every moment whether the body's last dot was written (DESIGN 5)."""

from __future__ import annotations

import base64
import contextlib
import re
import smtplib
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from campaigns.mail_servers import (
    ConnectFailed,
    Kind,
    ProtocolError,
    clean,
    enhanced_code,
    explain,
    tls_context,
)
from campaigns.smtp_wire import Wire
from leadpilot.lib import failpoints, outbound, pace

__all__ = [
    "ConnectFailed",
    "Connection",
    "Limits",
    "Outcome",
    "ProtocolError",
    "Result",
    "Server",
    "clean",
    "enhanced_code",
    "explain",
    "tls_context",
]
_DOT = re.compile(rb"(?m)^\.")
_TAKEN = {"mail": 2, "rcpt": 2, "data": 3}  # the first digit of the answer that lets a conversation go on


@dataclass(frozen=True)
class Server:
    """Where to send, and as whom."""

    host: str
    port: int
    security: str
    username: str
    password: str
    helo: str

    def __repr__(self) -> str:
        return f"Server({self.host}:{self.port})"


@dataclass(frozen=True)
class Limits:
    """Seconds for the way to a logged-in connection, for a mail up to its last dot, and for the answer to it."""

    connect: float = pace.seconds("smtp_connect", 30)
    before_dot: float = pace.seconds("smtp_before_dot", 30)
    after_dot: float = pace.seconds("smtp_after_dot", 60)


class Outcome(StrEnum):
    """What became of one try. Only `sent` and `unknown` may have left."""

    SENT = "sent"
    RETRY = "retry"
    DEFERRED = "deferred"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Result:
    """`phase` is the last thing that was begun; `code` is 0 when no answer was read."""

    outcome: Outcome
    phase: str
    code: int = 0
    text: str = ""

    @property
    def enhanced(self) -> str:
        """The enhanced status code of RFC 3463, like 5.7.1, or "" when the answer has none."""
        return enhanced_code(self.text)


class Connection(Wire):
    """A logged-in connection that carries one mail after the other; one thread at a time."""

    def __init__(self, server: Server, limits: Limits | None = None) -> None:
        super().__init__(server.helo or "localhost", server.password)
        self.server = server
        self.limits = limits or Limits()
        self.phase = "connect"
        self.delivered = 0
        self._dirty = False

    # -- opening --------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Connect, greet, encrypt and log in. Raises ConnectFailed with a sentence for people."""
        self._begin(self.limits.connect)
        server = self.server
        try:
            self.sock = outbound.connect(server.host, server.port, timeout=self._left(), purpose="mail")
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if server.security == "tls":
                self._encrypt()
            self._expect(220, *self.getreply(), phase="greeting")
            self._hello()
            if server.security == "starttls":
                self._starttls()
            if server.username:
                self._log_in()
        except ConnectFailed:
            self.close()
            raise
        except (OSError, smtplib.SMTPException, outbound.OutboundError, ValueError) as error:
            self.close()
            raise explain(error, server.host, server.port, self.phase) from error

    def _expect(self, wanted: int, code: int, text: bytes, *, phase: str) -> None:
        if code == wanted:
            return
        host, said = self.server.host, f"{code} {clean(text)}"
        kind: Kind = "busy" if 400 <= code < 500 else "protocol"
        raise ConnectFailed(
            kind, f"{host} does not take our mail now: {said}", permanent=code >= 500, phase=phase, code=code
        )

    def _hello(self) -> None:
        self.phase = "ehlo"
        code, text = self.ehlo()
        if code // 100 == 5:
            code, text = self.helo()
        self._expect(250, code, text, phase="ehlo")

    def _encrypt(self) -> None:
        self.phase = "tls"
        assert self.sock is not None
        self.sock.settimeout(self._left())
        self.sock = tls_context().wrap_socket(self.sock, server_hostname=self.server.host)

    def _starttls(self) -> None:
        self.phase = "tls"
        code, text = self.docmd("STARTTLS")
        if code != 220:
            message = (
                f"{self.server.host} does not offer STARTTLS on port {self.server.port}: {code} {clean(text)}"
            )
            raise ConnectFailed("tls", message, permanent=code >= 500, phase="tls", code=code)
        if self._buffer:  # words said before encryption must not count after it
            raise ConnectFailed(
                "tls", f"{self.server.host} spoke before encryption began.", permanent=True, phase="tls"
            )
        self._encrypt()
        self._hello()

    def _log_in(self) -> None:
        self.phase = "auth"
        assert self.sock is not None
        if not isinstance(self.sock, ssl.SSLSocket) and not self.sock.getpeername()[0].startswith(
            ("127.", "::1")
        ):
            raise ConnectFailed(
                "tls",
                "A password is not sent without encryption; choose TLS or STARTTLS.",
                permanent=True,
                phase="auth",
            )
        offered = self.esmtp_features.get("auth", "").upper().split()
        user, password = self.server.username.encode(), self.server.password.encode()
        if "PLAIN" in offered or "LOGIN" not in offered:
            code, text = self.docmd("AUTH", "PLAIN " + _b64(b"\0" + user + b"\0" + password))
        else:
            code, text = self.docmd("AUTH", "LOGIN " + _b64(user))
            if code == 334:
                code, text = self.docmd(_b64(password))
        if code == 235:
            return
        said = f"{code} {clean(text)}"
        if 400 <= code < 500:
            message = f"{self.server.host} cannot check the login now: {said}"
            raise ConnectFailed("busy", message, permanent=False, phase="auth", code=code)
        message = f"{self.server.host} does not accept this user name and password: {said}"
        raise ConnectFailed("password", message, permanent=True, phase="auth", code=code)

    # -- a mail ---------------------------------------------------------------------------------------------------

    def deliver(
        self, mail_from: str, rcpt_to: str, raw: bytes, before_dot: Callable[[], bool] = lambda: True
    ) -> Result:
        """Try to hand over one mail with CRLF lines, and say what became of it; never raises.

        `before_dot` is asked once the body is written: False ends the connection, and nothing was sent.
        """
        self._begin(self.limits.before_dot)
        self.phase = "mail"  # what is left of the mail before must not make this one unknown
        try:
            refused = self._envelope(mail_from, rcpt_to)
            if refused is not None:
                return refused
            self._enter("body")
            self.send(_DOT.sub(b"..", raw))
            failpoints.hit("smtp.before_dot")
            if not before_dot():
                self.close()
                return Result(Outcome.RETRY, "body", text="stopped before the last dot")
            self._enter("dot")
            self._begin(self.limits.after_dot)
            self.send(b".\r\n")
            self._enter("after_dot")
            return self._judge(*self.getreply())
        except Exception as error:  # whatever it is, the phase says whether the mail can have left
            self.close()
            outcome = Outcome.UNKNOWN if self.phase in ("dot", "after_dot") else Outcome.RETRY
            return Result(outcome, self.phase, text=clean(str(error) or type(error).__name__))

    def _enter(self, phase: str) -> None:
        """Begin a phase. An answer nobody asked for would be taken for the next one's: then nothing more is said."""
        if self._buffer:
            raise ProtocolError(f"an answer that nothing was asked for: {clean(self._buffer[:200])}")
        self.phase = phase
        failpoints.hit(f"smtp.{phase}")

    def _envelope(self, mail_from: str, rcpt_to: str) -> Result | None:
        """MAIL, RCPT and DATA; a result when one of them was not taken."""
        if self._dirty:
            self._enter("rset")
            self.docmd("RSET")
        self._dirty = True
        commands = {"mail": f"MAIL FROM:<{mail_from}>", "rcpt": f"RCPT TO:<{rcpt_to}>", "data": "DATA"}
        if "pipelining" in self.esmtp_features:
            return self._in_one_go(commands)
        for phase, command in commands.items():
            self._enter(phase)
            code, text = self.docmd(command)
            if code // 100 != _TAKEN[phase]:
                return self._judge(code, text)
        return None

    def _in_one_go(self, commands: dict[str, str]) -> Result | None:
        """The same without waiting between them (RFC 2920). A server that refused one of the first may take DATA all the
        same, and then waits for a body: it gets none, the connection ends.
        """
        self._enter("mail")
        if any("\r" in command or "\n" in command for command in commands.values()):
            raise ValueError("an address with a line break")
        self.send("".join(f"{command}\r\n" for command in commands.values()))
        for phase in commands:
            self.phase = phase
            if phase != "mail":
                failpoints.hit(f"smtp.{phase}")
            code, text = self.getreply()
            if code // 100 != _TAKEN[phase]:
                refused = self._judge(code, text)
                self._skip(2 - list(commands).index(phase))
                return refused
        return None

    def _skip(self, answers: int) -> None:
        """Read what is still to come to a group of which one was refused; the last of them is DATA's."""
        code = 0
        try:
            for _ in range(answers if self.usable else 0):
                code, _ = self.getreply()
        except (OSError, smtplib.SMTPException):
            self.close()
        if code // 100 == _TAKEN["data"]:
            self.close()

    def _judge(self, code: int, text: bytes) -> Result:
        """What an answer means; one that makes no sense here ends the connection."""
        said = clean(text)
        after = self.phase == "after_dot"
        if code // 100 == 2 and after:
            self._dirty = False
            self.delivered += 1
            return Result(Outcome.SENT, self.phase, code, said)
        if code == 421 or code // 100 not in (4, 5):
            self.close()
        if code // 100 == 4:
            return Result(Outcome.DEFERRED, self.phase, code, said)
        if code // 100 == 5:
            return Result(Outcome.REFUSED, self.phase, code, said)
        return Result(Outcome.UNKNOWN if after else Outcome.RETRY, self.phase, code, said)

    def quit(self) -> None:  # type: ignore[override]
        """Say goodbye, without waiting long for an answer."""
        if self.sock is None:
            return
        self._begin(2)
        with contextlib.suppress(OSError, smtplib.SMTPException):
            self.docmd("QUIT")
        self.close()


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
