"""Real helpers on loopback for these tests."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from leadpilot.trust import ledgerbook
from leadpilot.trust.control import Helper

USERS = {"ada@firm.example": "secret"}
LOGIN = b"AUTH PLAIN AGFkYUBmaXJtLmV4YW1wbGUAc2VjcmV0\r\n"


class Client:
    """A client that says exactly what it is told, and reads one answer at a time."""

    def __init__(self, port: int) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.file = self.sock.makefile("rb")

    def hear(self) -> bytes:
        """One whole answer; b"" when the other side is gone."""
        said = b""
        while line := self.file.readline():
            said += line
            if line[3:4] != b"-":
                break
        return said

    def say(self, *lines: bytes) -> bytes:
        """Write each, hear each; returns the last answer."""
        said = b""
        for line in lines:
            self.sock.sendall(line)
            said = self.hear()
        return said

    def log_in(self) -> None:
        """As far as a mail may begin."""
        assert self.hear().startswith(b"220")
        assert self.say(b"EHLO me.example\r\n").startswith(b"250")
        assert self.say(LOGIN).startswith(b"235")

    def send(self, data: bytes, to: bytes = b"bob@other.example") -> bytes:
        """One mail with these data; the last answer that was heard."""
        for line in (b"MAIL FROM:<ada@firm.example>\r\n", b"RCPT TO:<" + to + b">\r\n", b"DATA\r\n"):
            said = self.say(line)
            if said[:1] not in (b"2", b"3"):
                return said
        return self.say(data)

    def close(self) -> None:
        self.file.close()
        self.sock.close()


@pytest.fixture
def clients() -> Iterator[Callable[[int], Client]]:
    with ExitStack() as stack:

        def connect(port: int) -> Client:
            client = Client(port)
            stack.callback(client.close)
            return client

        yield connect


@pytest.fixture(scope="module")
def helpers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Helper]]:
    """`helpers("oracle", users=…)` → that helper in a process of its own, with its log in `.log_path`."""
    with ExitStack() as stack:

        def start(name: str, **config: Any) -> Helper:
            folder = tmp_path_factory.mktemp(name)
            config["log"] = str(folder / "log.jsonl")
            return stack.enter_context(Helper(f"leadpilot.trust.{name}", config, folder / "errors.log"))

        yield start


def log_of(helper: Helper) -> list[dict[str, Any]]:
    """What a helper has written down."""
    return ledgerbook.read(Path(helper.config["log"]))
