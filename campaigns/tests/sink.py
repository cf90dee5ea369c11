"""An SMTP server that can answer anything at any verb and remembers what it accepted. Not part of the application."""

from __future__ import annotations

import hashlib
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

DEFAULTS = {
    "connect": b"220 sink ready\r\n",
    "EHLO": b"250-sink\r\n250-AUTH PLAIN LOGIN\r\n250-STARTTLS\r\n250 SIZE 30000000\r\n",
    "HELO": b"250 sink\r\n",
    "AUTH": b"235 2.7.0 welcome\r\n",
    "MAIL": b"250 2.1.0 ok\r\n",
    "RCPT": b"250 2.1.5 ok\r\n",
    "DATA": b"354 go on\r\n",
    "dot": b"250 2.0.0 taken\r\n",
    "RSET": b"250 2.0.0 ok\r\n",
    "QUIT": b"221 2.0.0 bye\r\n",
    "STARTTLS": b"220 2.0.0 go\r\n",
}
Action = bytes | Callable[["Talk"], None]


@dataclass
class Accepted:
    """One mail the sink said 250 to, as an oracle sees it."""

    mail_from: str
    rcpt_to: list[str]
    data: bytes
    at: float = field(default_factory=time.time)

    @property
    def message_id(self) -> str:
        match = re.search(rb"^Message-ID: (\S+)", self.data, re.M | re.I)
        return match[1].decode() if match else ""

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


@dataclass
class Talk:
    """One conversation; actions get it and may write, wait or hang up."""

    sock: socket.socket
    open: bool = True

    def write(self, data: bytes) -> None:
        self.sock.sendall(data)

    def hang_up(self) -> None:
        self.open = False
        self.sock.close()


def hang_up(talk: Talk) -> None:
    """Close without a word."""
    talk.hang_up()


def silence(talk: Talk) -> None:
    """Say nothing until the other side gives up."""
    talk.sock.settimeout(20)
    try:
        while talk.sock.recv(1000):
            pass
    except OSError:
        pass
    talk.hang_up()


def drip(data: bytes, pause: float = 0.2) -> Action:
    """One byte after the other."""

    def act(talk: Talk) -> None:
        for i in range(len(data)):
            talk.write(data[i : i + 1])
            time.sleep(pause)

    return act


class Sink:
    """`sink.answers["RCPT"] = [b"450 later\\r\\n"]`: planned answers are used up first, then the usual ones."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.answers: dict[str, list[Action]] = {}
        self.usual: dict[str, Action] = dict(DEFAULTS)
        self.accepted: list[Accepted] = []
        self.verbs: list[str] = []
        self.connections = 0
        self.delay_at_dot = 0.0
        self.before_accept: Callable[[], None] | None = None
        self._context = context
        self._lock = threading.Lock()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self.host = "127.0.0.1"
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._server.close()

    def _serve(self) -> None:
        while True:
            try:
                sock, _ = self._server.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections += 1
            threading.Thread(target=self._talk, args=(sock,), daemon=True).start()

    def _answer(self, talk: Talk, verb: str) -> bytes:
        with self._lock:
            planned = self.answers.get(verb)
            action = planned.pop(0) if planned else self.usual.get(verb, b"500 5.5.1 what?\r\n")
        if isinstance(action, bytes):
            talk.write(action)
            return action
        action(talk)
        return b""

    def _talk(self, sock: socket.socket) -> None:
        talk = Talk(sock)
        try:
            self._converse(talk)
        except (OSError, ValueError):
            pass
        finally:
            talk.sock.close()

    def _converse(self, talk: Talk) -> None:
        self._answer(talk, "connect")
        file = talk.sock.makefile("rb")
        mail_from, rcpt_to = "", []
        while talk.open and (line := file.readline()):
            verb = line.split(None, 1)[0].upper().decode("ascii", "replace").strip() if line.strip() else ""
            self.verbs.append(verb)
            said = self._answer(talk, verb)
            if verb == "STARTTLS" and said.startswith(b"220") and self._context:
                talk.sock = self._context.wrap_socket(talk.sock, server_side=True)
                file = talk.sock.makefile("rb")
            elif verb == "MAIL" and said.startswith(b"2"):
                mail_from, rcpt_to = _address(line), []
            elif verb == "RCPT" and said.startswith(b"2"):
                rcpt_to.append(_address(line))
            elif verb == "DATA" and said.startswith(b"354"):
                self._data(talk, file, mail_from, rcpt_to)
            elif verb == "QUIT":
                return

    def _data(self, talk: Talk, file: object, mail_from: str, rcpt_to: list[str]) -> None:
        data = b""
        while (line := file.readline()) not in (b".\r\n", b""):  # type: ignore[attr-defined]
            data += line[1:] if line.startswith(b".") else line
        if line == b"":
            return
        if self.delay_at_dot:
            time.sleep(self.delay_at_dot)
        if self.before_accept:
            self.before_accept()
        with self._lock:
            planned = self.answers.get("dot")
            accepts = not planned or (isinstance(planned[0], bytes) and planned[0].startswith(b"2"))
            accepts = accepts or getattr(planned[0], "accepts", False)
            if accepts:
                self.accepted.append(Accepted(mail_from, list(rcpt_to), data))
        self._answer(talk, "dot")


def accepting(action: Callable[[Talk], None]) -> Callable[[Talk], None]:
    """The mail was taken, though the answer may not arrive."""

    def act(talk: Talk) -> None:
        action(talk)

    act.accepts = True  # type: ignore[attr-defined]
    return act


def _address(line: bytes) -> str:
    match = re.search(rb"<([^>]*)>", line)
    return match[1].decode() if match else ""
