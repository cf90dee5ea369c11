"""How the campaign talks to its helpers, which are processes of their own: one line of JSON asked, one answered.

A helper listens on a port of the loopback, says which in its first line of output, and ends when its standard input
does, so that none outlives whoever started it.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[2]
Answer = Callable[[dict[str, Any]], dict[str, Any]]


class HelperError(RuntimeError):
    """A helper that did not start, or refused what it was asked."""


async def listen(answer: Answer) -> int:
    """Answer requests on a free port, which is returned. What `answer` raises as ValueError is told to the asker."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                try:
                    said = {"ok": True, **answer(json.loads(line))}
                except (ValueError, KeyError, TypeError) as error:
                    said = {"ok": False, "error": f"{type(error).__name__}: {error}"}
                writer.write(json.dumps(said).encode() + b"\n")
                await writer.drain()
        except ConnectionError:
            pass  # the asker is gone
        finally:
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    return int(server.sockets[0].getsockname()[1])


async def until_orphaned() -> None:
    """Return when standard input ends: the campaign is over, or dead."""
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.buffer.read)


def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection with RST, as a crash does; over a Unix socket it is simply gone."""
    sock = writer.get_extra_info("socket")
    if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
        with suppress(OSError):  # it is closed already
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def say_ready(**ports: int) -> None:
    """The first line of output."""
    sys.stdout.write(json.dumps(ports) + "\n")
    sys.stdout.flush()


class Helper:
    """`with Helper("leadpilot.trust.oracle", {...}) as oracle: oracle.ask(do="state")`; `ports` is what it said."""

    def __init__(self, module: str, config: dict[str, Any], log: Path) -> None:
        self.module, self.config, self.log = module, config, log
        self.ports: dict[str, int] = {}

    def __enter__(self) -> Self:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", self.module, json.dumps(self.config)],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        assert self.process.stdout is not None
        first = self.process.stdout.readline()
        if not first:
            self.close()
            raise HelperError(f"{self.module} did not start; see {self.log}")
        self.ports = json.loads(first)
        return self

    def ask(self, **request: Any) -> dict[str, Any]:
        """One request, its answer. Raises HelperError when it is refused."""
        with socket.create_connection(("127.0.0.1", self.ports["control"]), timeout=10) as sock:
            sock.sendall(json.dumps(request).encode() + b"\n")
            said: dict[str, Any] = json.loads(sock.makefile("rb").readline() or b'{"ok": false}')
        if not said.pop("ok"):
            raise HelperError(f"{self.module} refused {request}: {said.get('error', 'without a word')}")
        return said

    def close(self) -> None:
        """End it."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
