"""A mail server that takes everything as fast as one process can: `python -m leadpilot.bench.sink`.

It prints its port. For each line on its standard input it prints, as JSON, the Message-IDs of what it took since the
last one; at the end of its input it ends.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from types import TracebackType
from typing import Self

_ID = re.compile(rb"^Message-ID:\s*(<[^>]*>)", re.MULTILINE | re.IGNORECASE)
_EHLO = b"250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 30000000\r\n"
_ANSWERS = {
    b"EHLO": _EHLO,
    b"HELO": b"250 sink\r\n",
    b"MAIL": b"250 2.1.0 ok\r\n",
    b"RCPT": b"250 2.1.5 ok\r\n",
    b"RSET": b"250 2.0.0 ok\r\n",
    b"NOOP": b"250 2.0.0 ok\r\n",
    b"QUIT": b"221 2.0.0 bye\r\n",
}
taken: list[str] = []


class Conversation(asyncio.Protocol):
    """One client: commands line by line, and mails up to their last dot."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._out, self._buffer, self._in_mail = transport, b"", False
        transport.write(b"220 sink\r\n")

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while self._step():
            pass

    def _step(self) -> bool:
        """Deal with one command or one mail, if it is there whole."""
        if self._in_mail:
            body, end, rest = self._buffer.partition(b"\r\n.\r\n")
            if not end:
                return False
            found = _ID.search(body[:4000])
            taken.append(found[1].decode() if found else "")
            self._buffer, self._in_mail = rest, False
            self._out.write(b"250 2.0.0 taken\r\n")
            return True
        line, end, rest = self._buffer.partition(b"\r\n")
        if not end:
            return False
        self._buffer = rest
        verb = line[:4].upper()
        self._in_mail = verb == b"DATA"
        self._out.write(b"354 go on\r\n" if self._in_mail else _ANSWERS.get(verb, b"500 5.5.1 what?\r\n"))
        if verb == b"QUIT":
            self._out.close()
        return True


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Conversation, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201
    while await loop.run_in_executor(None, sys.stdin.readline):
        print(json.dumps(taken), flush=True)  # noqa: T201
        taken.clear()


class Sink:
    """The server in a process of its own, for the length of a block."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "leadpilot.bench.sink"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.port = int(self._read())
        return self

    def _read(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def taken(self) -> list[str]:
        """The Message-IDs of what it took since the last call."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        found: list[str] = json.loads(self._read())
        return found

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)


if __name__ == "__main__":
    asyncio.run(_serve())
