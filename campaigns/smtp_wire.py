"""The bytes of an SMTP conversation: each write and each answer before a deadline, and none of any length in memory."""

from __future__ import annotations

import smtplib
import time
from typing import Any

from campaigns.mail_servers import ProtocolError, clean
from leadpilot.lib.masking import mask

_KEPT_TEXT = 2000  # characters of a reply
_MOST_REPLY = 16_000_000  # bytes; more is not a mail server


class Wire(smtplib.SMTP):
    """A connection that is given so many seconds at a time (`_begin`). `secret` is masked in what the server says."""

    def __init__(self, local_hostname: str, secret: str = "") -> None:
        super().__init__(local_hostname=local_hostname)
        self._secret = secret
        self._buffer = b""
        self._until = 0.0

    def _begin(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds

    def _left(self) -> float:
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError("the time is up")
        return left

    def send(self, s: Any) -> None:
        """Write everything before the deadline; raises OSError."""
        if self.sock is None:
            raise smtplib.SMTPServerDisconnected("the connection is closed")
        self.sock.settimeout(self._left())
        self.sock.sendall(s.encode("ascii") if isinstance(s, str) else s)

    def getreply(self) -> tuple[int, bytes]:
        """Read one answer of any length before the deadline and keep its beginning; raises OSError or ProtocolError."""
        code, kept, size = 0, b"", 0
        while True:
            line, length = self._line(_MOST_REPLY - size)
            size += length
            if (
                not line[:3].isdigit()
                or line[3:4] not in (b" ", b"-", b"")
                or (code and int(line[:3]) != code)
            ):
                raise ProtocolError(f"not an SMTP answer: {clean(self._without_secrets(line))}")
            code = int(line[:3])
            if len(kept) < _KEPT_TEXT:
                kept += line[4:] + b"\n"
            if line[3:4] != b"-":
                return code, self._without_secrets(kept[:_KEPT_TEXT].strip())

    def _without_secrets(self, said: bytes) -> bytes:
        """Some servers repeat the login they refuse; what they say is shown and kept."""
        if not self._secret:
            return said
        return mask(said.decode("utf-8", "surrogateescape"), self._secret).encode("utf-8", "surrogateescape")

    def _line(self, most: int) -> tuple[bytes, int]:
        """The beginning of the next line, and the line's whole length."""
        kept, length = b"", 0
        while True:
            head, newline, rest = self._buffer.partition(b"\n")
            kept = (kept + head)[:_KEPT_TEXT]
            length += len(head) + len(newline)
            if newline:
                self._buffer = rest
                return kept.rstrip(b"\r"), length
            if length > most:
                raise ProtocolError("the answer does not end")
            assert self.sock is not None
            self.sock.settimeout(self._left())
            self._buffer = self.sock.recv(65536)
            if not self._buffer:
                raise smtplib.SMTPServerDisconnected("the server hung up")

    @property
    def usable(self) -> bool:
        """Whether another mail can be tried on this connection."""
        return self.sock is not None

    def close(self) -> None:
        """Hang up without a word."""
        sock, self.sock = self.sock, None
        self._buffer = b""
        if sock is not None:
            sock.close()
