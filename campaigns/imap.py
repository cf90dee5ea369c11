"""Reading a mailbox by IMAP without touching it: EXAMINE and PEEK only, through the outbound door, with a time limit."""

from __future__ import annotations

import contextlib
import imaplib
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.parser import BytesHeaderParser
from email.utils import parseaddr, parsedate_to_datetime
from types import TracebackType
from typing import Any, Self

from imap_tools import BaseMailBox
from imap_tools.errors import ImapToolsError

from campaigns.smtp import ConnectFailed, clean, explain, tls_context
from leadpilot.lib import clock, outbound
from leadpilot.lib.masking import mask

MOST_BYTES = 2_000_000  # of one mail; attachments beyond that are not needed
_SENT_NAMES = (
    "sent",
    "sent items",
    "sent mail",
    "sent messages",
    "gesendet",
    "gesendete elemente",
    "envoyés",
    "enviados",
)
_LITERAL = re.compile(rb"\bUID (\d+)")
_INTERNALDATE = re.compile(rb'INTERNALDATE "([^"]{20,30})"')
_WHOLE_ID = re.compile(r"<[^<>\s]{1,240}>")
HEADERS_AT_ONCE = 200
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True)
class ImapServer:
    """Where to read, and as whom."""

    host: str
    port: int
    security: str
    username: str
    password: str

    def __repr__(self) -> str:
        return f"ImapServer({self.host}:{self.port})"


@dataclass(frozen=True)
class SentMail:
    """A mail in the Sent folder. `to_email` is lower case, `at` when the server took it in, else what it says itself."""

    uid: int
    message_id: str
    to_email: str
    at: datetime

    @classmethod
    def read(cls, uid: int, said: bytes, headers: bytes) -> Self:
        """From what FETCH says beside the headers, and these; what is missing is ""."""
        parsed = BytesHeaderParser().parsebytes(headers)
        match = re.search(_WHOLE_ID, str(parsed.get("Message-ID", "")))
        return cls(
            uid=uid,
            message_id=match[0] if match else "",
            to_email=parseaddr(str(parsed.get("To", "")))[1].lower(),
            at=_taken_in(said) or _dated(str(parsed.get("Date", ""))) or clock.now(),
        )


def _taken_in(said: bytes) -> datetime | None:
    """The INTERNALDATE of an answer."""
    match = _INTERNALDATE.search(said)
    try:
        return datetime.strptime(match[1].decode().strip(), "%d-%b-%Y %H:%M:%S %z") if match else None
    except ValueError:
        return None


def _dated(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


class _Checked(imaplib.IMAP4):
    """imaplib over a socket from the outbound door, which is shown to `keep` as soon as it is open."""

    def __init__(self, server: ImapServer, timeout: float, keep: Callable[[socket.socket], None]) -> None:
        self._server, self._keep = server, keep
        super().__init__(server.host, server.port, timeout)

    def _create_socket(self, timeout: float | None) -> socket.socket:
        server = self._server
        seconds = timeout or 30.0
        sock = outbound.connect(server.host, server.port, timeout=seconds, purpose="mail")
        sock.settimeout(seconds)
        self._keep(sock)
        if server.security == "tls":
            sock = tls_context().wrap_socket(sock, server_hostname=server.host)
            self._keep(sock)
        return sock


class _Box(BaseMailBox):
    def __init__(self, server: ImapServer, timeout: float, keep: Callable[[socket.socket], None]) -> None:
        self._server, self._timeout, self._keep = server, timeout, keep
        super().__init__()

    def _get_mailbox_client(self) -> imaplib.IMAP4:
        client = _Checked(self._server, self._timeout, self._keep)
        if self._server.security == "starttls":
            client.starttls(tls_context())
            self._keep(client.sock)
        return client


class Inbox:
    """An open connection: `with Inbox(server) as inbox`. Everything raises ConnectFailed with a sentence for people.

    `seconds` bounds the whole visit, also against a server that sends a byte a second.
    """

    def __init__(self, server: ImapServer, *, seconds: float = 90, timeout: float = 20) -> None:
        self.server, self.seconds, self.timeout = server, seconds, timeout
        self._box: _Box | None = None
        self._sock: socket.socket | None = None
        self._timer: threading.Timer | None = None
        self.late = False

    def __enter__(self) -> Self:
        try:
            self._timer = threading.Timer(self.seconds, self._cut)
            self._timer.daemon = True
            self._timer.start()
            self._box = _Box(self.server, min(self.timeout, self.seconds), self._keep)
            self._log_in()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._close()

    def _log_in(self) -> None:
        assert self._box is not None
        sock = self._box.client.sock
        if not isinstance(sock, ssl.SSLSocket) and not sock.getpeername()[0].startswith(("127.", "::1")):
            raise ConnectFailed(
                "tls",
                "A password is not sent without encryption; choose TLS or STARTTLS.",
                permanent=True,
                phase="login",
            )
        plain = (self.server.username + self.server.password).isascii()
        log_in = self._box.login if plain else self._box.login_utf8
        try:
            log_in(self.server.username, self.server.password, initial_folder=None)
        except (ImapToolsError, imaplib.IMAP4.error) as error:
            if isinstance(error, imaplib.IMAP4.abort):
                raise
            said = clean(mask(str(error), self.server.password))[:200]
            message = f"{self.server.host} does not accept this user name and password: {said}"
            # Without the cause: servers repeat the login they refuse, and tracebacks would show it.
            raise ConnectFailed("password", message, permanent=True, phase="login") from None

    def _cut(self) -> None:
        """The time is up: whatever waits on the socket now fails."""
        self.late = True
        if self._sock is not None:
            with contextlib.suppress(OSError):  # it is closed already
                self._sock.shutdown(socket.SHUT_RDWR)

    def _keep(self, sock: socket.socket) -> None:
        """Remember the socket, so that `_cut` can reach it from the first byte on."""
        self._sock = sock

    def _close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        box, self._box = self._box, None
        if box is None:
            if self._sock is not None:
                self._sock.close()
            return
        try:
            box.client.sock.settimeout(2)
            box.client.logout()
        except Exception:  # saying goodbye may fail in any way
            box.client.shutdown()

    @property
    def _client(self) -> Any:
        assert self._box is not None, "use it in a with block"
        return self._box.client

    def inbox_state(self) -> tuple[int, int]:
        """(UIDVALIDITY, the next UID) of INBOX, which is selected read-only by this."""
        return self._examine("INBOX")

    def _examine(self, folder: str) -> tuple[int, int]:
        assert self._box is not None
        self._box.folder.set(folder, readonly=True)
        status = self._box.folder.status(folder, ["UIDVALIDITY", "UIDNEXT"])
        return int(status["UIDVALIDITY"]), int(status["UIDNEXT"])

    def uids_after(self, last: int) -> list[int]:
        """UIDs above `last` in the selected folder, lowest first. (`UID n:*` always gives the last one, too.)"""
        return self._search(f"UID {last + 1}:*", above=last)

    def uids_since(self, day: datetime) -> list[int]:
        """UIDs of mails that came on or after this day."""
        return self._search(f"SINCE {day.day:02d}-{_MONTHS[day.month - 1]}-{day.year}", above=0)

    def _search(self, criteria: str, *, above: int) -> list[int]:
        kind, data = self._client.uid("SEARCH", criteria)
        if kind != "OK":
            raise imaplib.IMAP4.error(f"SEARCH {kind}")
        found = b" ".join(part for part in data if part).split()
        return sorted({int(uid) for uid in found if int(uid) > above})

    def fetch(self, uids: list[int]) -> Iterator[tuple[int, bytes]]:
        """(UID, the mail's first 2 MB), one by one; a mail that has vanished meanwhile is left out."""
        for uid in uids:
            kind, data = self._client.uid("FETCH", str(uid), f"(UID BODY.PEEK[]<0.{MOST_BYTES}>)")
            if kind != "OK":
                raise imaplib.IMAP4.error(f"FETCH {kind}")
            for part in data:
                if isinstance(part, tuple) and _says_uid(part, data, uid):
                    yield uid, part[1]
                    break

    def in_sent(self, message_ids: list[str]) -> set[str] | None:
        """Which of these Message-IDs are in the Sent folder; None when there is no such folder."""
        folder = self._sent_folder()
        if folder is None:
            return None
        self._examine(folder)
        found = set()
        for message_id in message_ids:
            plain = message_id.strip("<>")
            if '"' in plain or "\\" in plain or not plain.isascii():
                continue
            if self._search(f'HEADER Message-ID "{plain}"', above=0):
                found.add(message_id)
        return found

    def sent_since(self, day: datetime) -> list[SentMail] | None:
        """What the Sent folder holds from this day on, by its headers; None when there is no such folder.

        Leaves that folder selected, so that `fetch` gives the mails themselves.
        """
        folder = self._sent_folder()
        if folder is None:
            return None
        self._examine(folder)
        uids = self.uids_since(day)
        found: list[SentMail] = []
        for start in range(0, len(uids), HEADERS_AT_ONCE):
            found += self._headers(uids[start : start + HEADERS_AT_ONCE])
        return found

    def _headers(self, uids: list[int]) -> Iterator[SentMail]:
        wanted = "(UID INTERNALDATE BODY.PEEK[HEADER.FIELDS (MESSAGE-ID TO DATE)])"
        kind, data = self._client.uid("FETCH", ",".join(map(str, uids)), wanted)
        if kind != "OK":
            raise imaplib.IMAP4.error(f"FETCH {kind}")
        for place, part in enumerate(data):
            if isinstance(part, tuple):
                after = data[place + 1] if place + 1 < len(data) else b""
                said = part[0] + (after if isinstance(after, bytes) else b"")
                if match := _LITERAL.search(said):
                    yield SentMail.read(int(match[1]), said, part[1])

    def _sent_folder(self) -> str | None:
        assert self._box is not None
        folders = self._box.folder.list()
        for folder in folders:
            if "\\Sent" in folder.flags:
                return str(folder.name)
        for folder in folders:
            last = re.split(r"[/.]", folder.name)[-1].lower()
            if last in _SENT_NAMES:
                return str(folder.name)
        return None


def _says_uid(part: tuple[bytes, bytes], data: list[Any], uid: int) -> bool:
    """Whether an answer is about this UID: it stands before the literal or after it."""
    texts = [part[0], *(other for other in data if isinstance(other, bytes))]
    found = {int(match[1]) for text in texts for match in _LITERAL.finditer(text)}
    return uid in found


def failure(
    error: Exception, server: ImapServer, *, phase: str = "reading", late: bool = False
) -> ConnectFailed:
    """Whatever went wrong, as a sentence with the server's name."""
    if isinstance(error, ConnectFailed):
        return error
    if late:
        return ConnectFailed(
            "timeout", f"{server.host} took too long while {phase}.", permanent=False, phase=phase
        )
    if isinstance(error, (OSError, outbound.OutboundError)):
        return explain(error, server.host, server.port, phase)
    said = clean(mask(str(error), server.password))[:200]
    message = f"{server.host} answered in a way that is not IMAP: {said}"
    return ConnectFailed("protocol", message, permanent=False, phase=phase)


# What a visit can raise; `failure` turns each into a ConnectFailed.
FAILURES = (
    OSError,
    imaplib.IMAP4.error,
    ImapToolsError,
    outbound.OutboundError,
    ConnectFailed,
    ValueError,
    KeyError,
)
