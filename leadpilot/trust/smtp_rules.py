"""What a strict SMTP server takes and refuses (RFC 5321, RFC 4954): a state machine without any input or output."""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass, field

LONGEST_COMMAND = 512  # octets with CRLF, RFC 5321 4.5.3.1.4
LONGEST_LINE = 1000  # octets with CRLF, 4.5.3.1.6
MOST_RECIPIENTS = 100
_PATH = re.compile(r"<([!#-'*+\-/-9=?A-Z^-~.]+@[A-Za-z0-9.-]+)?>((?: [A-Za-z0-9-]+(?:=[!-<>-~]+)?)*)")
_DOMAIN = re.compile(r"[A-Za-z0-9.\[\]:-]+")
_BARE = re.compile(rb"(?<!\r)\n|\r(?!\n)")
Effect = Callable[[], None]


@dataclass(frozen=True)
class Judged:
    """What a command is worth: the usual answer, what it changes when that is given, and whether it broke a rule."""

    verb: str
    answer: str
    effect: Effect | None = None
    offence: bool = False


@dataclass
class Session:
    """One connection's state. `users` are names and passwords."""

    users: dict[str, str]
    size_limit: int = 10_000_000
    helo: str = ""
    user: str = ""
    mail_from: str | None = None
    rcpt_to: list[str] = field(default_factory=list)
    eight_bit: bool = False
    login: list[str] | None = None  # the half of AUTH LOGIN that was given

    def judge(self, line: bytes) -> Judged:
        """Look at one command line with its line end. Nothing changes until `effect` is called."""
        fault = line_fault(line)
        if fault:
            return Judged("bad", fault, offence=True)
        text = line[:-2].decode("ascii")
        if self.login is not None:
            return self._login(text)
        verb, _, rest = text.partition(" ")
        verb = verb.upper()
        known = getattr(self, f"_on_{verb.lower()}", None) if verb.isalpha() else None
        if known is None:
            return Judged("bad", "500 5.5.1 no such command", offence=True)
        judged: Judged = known(rest)
        return judged

    def _wrong(self, verb: str, answer: str) -> Judged:
        return Judged(verb, answer, offence=True)

    def _on_ehlo(self, rest: str) -> Judged:
        if not _DOMAIN.fullmatch(rest):
            return self._wrong("EHLO", "501 5.5.4 EHLO needs your name")
        lines = ("oracle", "8BITMIME", f"SIZE {self.size_limit}", "ENHANCEDSTATUSCODES")
        said = "\r\n".join(f"250-{line}" for line in lines) + "\r\n250 AUTH PLAIN LOGIN"
        return Judged("EHLO", said, lambda: self._greet(rest))

    def _on_helo(self, rest: str) -> Judged:
        if not _DOMAIN.fullmatch(rest):
            return self._wrong("HELO", "501 5.5.4 HELO needs your name")
        return Judged("HELO", "250 oracle", lambda: self._greet(rest))

    def _greet(self, name: str) -> None:
        self.helo = name
        self.reset()

    def _on_auth(self, rest: str) -> Judged:
        how, _, given = rest.partition(" ")
        if not self.helo or self.user or self.mail_from is not None:
            return self._wrong("AUTH", "503 5.5.1 AUTH comes once, after EHLO and before MAIL")
        if how.upper() == "PLAIN" and given:
            parts = _decoded(given).split("\0")
            return self._checked(*parts[1:3]) if len(parts) == 3 else self._checked("", "")
        if how.upper() == "LOGIN":
            if given:
                return Judged("AUTH", "334 UGFzc3dvcmQ6", lambda: self._half([_decoded(given)]))
            return Judged("AUTH", "334 VXNlcm5hbWU6", lambda: self._half([]))
        return self._wrong("AUTH", "504 5.5.4 PLAIN with its answer, or LOGIN")

    def _half(self, given: list[str]) -> None:
        self.login = given

    def _login(self, text: str) -> Judged:
        assert self.login is not None
        given, self.login = [*self.login, _decoded(text)], None
        if len(given) == 1:
            return Judged("AUTH", "334 UGFzc3dvcmQ6", lambda: self._half(given))
        return self._checked(*given)

    def _checked(self, user: str, password: str) -> Judged:
        right = user in self.users and hmac.compare_digest(self.users[user].encode(), password.encode())
        if not right:
            return Judged("AUTH", "535 5.7.8 wrong name or password")
        return Judged("AUTH", "235 2.7.0 welcome", lambda: setattr(self, "user", user))

    def _on_mail(self, rest: str) -> Judged:
        path = _PATH.fullmatch(rest[5:]) if rest.upper().startswith("FROM:") else None
        if not self.helo:
            return self._wrong("MAIL", "503 5.5.1 EHLO first")
        if not self.user:
            return self._wrong("MAIL", "530 5.7.0 authentication required")
        if self.mail_from is not None:
            return self._wrong("MAIL", "503 5.5.1 one MAIL at a time")
        if path is None:
            return self._wrong("MAIL", "501 5.5.4 MAIL FROM:<address>")
        asked = dict(part.upper().partition("=")[::2] for part in path[2].split())
        if set(asked) - {"SIZE", "BODY"} or asked.get("BODY", "7BIT") not in ("7BIT", "8BITMIME"):
            return self._wrong("MAIL", "555 5.5.4 an extension that was not offered")
        if asked.get("SIZE", "0").isdigit() and int(asked.get("SIZE", "0")) > self.size_limit:
            return Judged("MAIL", "552 5.3.4 too big")
        sender, eight = path[1] or "", asked.get("BODY") == "8BITMIME"
        return Judged("MAIL", "250 2.1.0 ok", lambda: self._from(sender, eight))

    def _from(self, sender: str, eight_bit: bool) -> None:
        self.mail_from, self.eight_bit, self.rcpt_to = sender, eight_bit, []

    def _on_rcpt(self, rest: str) -> Judged:
        path = _PATH.fullmatch(rest[3:]) if rest.upper().startswith("TO:") else None
        if self.mail_from is None:
            return self._wrong("RCPT", "503 5.5.1 MAIL first")
        if path is None or not path[1] or path[2]:
            return self._wrong("RCPT", "501 5.5.4 RCPT TO:<address>")
        if len(self.rcpt_to) >= MOST_RECIPIENTS:
            return Judged("RCPT", "452 4.5.3 too many recipients")
        address = path[1]
        return Judged("RCPT", "250 2.1.5 ok", lambda: self.rcpt_to.append(address))

    def _on_data(self, rest: str) -> Judged:
        if rest:
            return self._wrong("DATA", "501 5.5.4 DATA alone")
        if not self.rcpt_to:
            return self._wrong("DATA", "503 5.5.1 RCPT first")
        return Judged("DATA", "354 go on")

    def _on_rset(self, rest: str) -> Judged:
        return Judged("RSET", "250 2.0.0 ok", self.reset)

    def _on_noop(self, rest: str) -> Judged:
        return Judged("NOOP", "250 2.0.0 ok")

    def _on_quit(self, rest: str) -> Judged:
        return Judged("QUIT", "221 2.0.0 bye")

    def reset(self) -> None:
        """Forget the mail that was begun."""
        self.mail_from, self.rcpt_to, self.eight_bit = None, [], False


def line_fault(line: bytes) -> str:
    """Why a command line is refused, "" for a good one."""
    if not line.endswith(b"\r\n") or _BARE.search(line):
        return "500 5.5.2 lines end with CRLF"
    if len(line) > LONGEST_COMMAND:
        return "500 5.5.6 the line is too long"
    if any(octet < 32 or octet > 126 for octet in line[:-2]):
        return "500 5.5.2 commands are printable ASCII"
    return ""


def data_fault(data: bytes, *, eight_bit: bool) -> str:
    """Why a mail's data (as it came, before the last dot) is refused, "" for a good one."""
    if _BARE.search(data):
        return "550 5.6.0 bare CR or LF in the data"
    if b"\0" in data:
        return "550 5.6.0 NUL in the data"
    if max((len(line) for line in data.split(b"\n")), default=0) + 1 > LONGEST_LINE:
        return "550 5.6.0 a line is too long"
    if not eight_bit and not data.isascii():
        return "554 5.6.3 eight bits without BODY=8BITMIME"
    return ""


def unstuffed(data: bytes) -> bytes:
    """The mail's own bytes: one dot fewer where a line begins with one."""
    return re.sub(rb"(?m)^\.", b"", data)


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, ValueError):
        return ""
