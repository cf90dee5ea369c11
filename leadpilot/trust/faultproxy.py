"""A TCP proxy that breaks connections on command, in front of SMTP, IMAP and PostgreSQL: `-m leadpilot.trust.faultproxy`.

Its configuration is one JSON argument: `lines`, names to targets ("127.0.0.1:25" or the path of a Unix socket), and
`log`. What it is told to break is a rule; each rule acts once, on the first connection that meets it.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from leadpilot.trust import control
from leadpilot.trust.ledgerbook import Ledgerbook
from leadpilot.trust.rule import Rule

CHUNK = 65536


@dataclass(eq=False)  # a pair is itself and equal to no other
class Pair:
    """A client's connection and ours to the server."""

    line: str
    writers: dict[str, asyncio.StreamWriter]  # by direction: to whom the bytes of that direction go
    tails: dict[str, bytes] = field(default_factory=lambda: {"up": b"", "down": b""})
    swallow: set[str] = field(default_factory=set)

    def cut(self) -> None:
        """Reset both sides."""
        for writer in self.writers.values():
            control.reset(writer)


class FaultProxy:
    """All lines of a campaign, their living connections, and the rules that wait."""

    def __init__(self, lines: dict[str, str], log: Path) -> None:
        self.lines = lines
        self.log = Ledgerbook(log)
        self.rules: list[Rule] = []
        self.pairs: set[Pair] = set()
        self.fired: list[int] = []

    def order(self, request: dict[str, Any]) -> dict[str, Any]:
        """The control port: `rule`, `cut` all of a line now, `clear` (of one rule or all), `state`. Raises ValueError."""
        what = request.pop("do")
        if what == "rule":
            rule = Rule(**request)
            if rule.line not in self.lines:
                raise ValueError(f"there is no line {rule.line}")
            self.rules.append(rule)
        elif what == "cut":
            pairs = [pair for pair in self.pairs if pair.line == request["line"]]
            for pair in pairs:
                pair.cut()
            return {"cut": len(pairs)}
        elif what == "clear":
            self.rules = [rule for rule in self.rules if rule.id != request.get("id", rule.id)]
        elif what != "state":
            raise ValueError(f"no such order: {what}")
        return {"waiting": [rule.id for rule in self.rules], "fired": self.fired, "open": len(self.pairs)}

    async def listen(self) -> dict[str, int]:
        """Open a port for every line; returns them by name."""
        ports = {}
        for name in self.lines:
            server = await asyncio.start_server(self._taker(name), "127.0.0.1", 0)
            ports[name] = int(server.sockets[0].getsockname()[1])
        return ports

    def _taker(self, name: str) -> Any:
        async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                up_reader, up_writer = await _open(self.lines[name])
            except OSError:  # the server is away: so are we
                writer.transport.abort()
                return
            pair = Pair(name, {"up": up_writer, "down": writer})
            self.pairs.add(pair)
            try:
                await asyncio.gather(self._pump(pair, "up", reader), self._pump(pair, "down", up_reader))
            finally:
                self.pairs.discard(pair)
                writer.close()
                up_writer.close()

        return take

    async def _pump(self, pair: Pair, direction: str, reader: asyncio.StreamReader) -> None:
        writer = pair.writers[direction]
        try:
            while data := await reader.read(CHUNK):
                if direction in pair.swallow:
                    pair.swallow.discard(direction)
                    continue
                if not await self._pass(pair, direction, data):
                    break
            if writer.can_write_eof() and not writer.is_closing():
                writer.write_eof()
        except OSError:
            pair.cut()

    async def _pass(self, pair: Pair, direction: str, data: bytes) -> bool:
        """Hand on what came, unless a rule says otherwise; False when nothing more goes this way."""
        writer = pair.writers[direction]
        for rule in [r for r in self.rules if r.line == pair.line and r.direction == direction]:
            place = rule.place(pair.tails[direction], data)
            if place is None:
                continue
            self.rules.remove(rule)
            self._note(rule)
            writer.write(data[:place])
            await writer.drain()
            return await self._act(rule, pair, direction, data[place:])
        pair.tails[direction] = (pair.tails[direction] + data)[-128:]
        writer.write(data)
        await writer.drain()
        return True

    async def _act(self, rule: Rule, pair: Pair, direction: str, rest: bytes) -> bool:
        pair.tails[direction] = b""
        writer = pair.writers[direction]
        if rule.action == "cut":
            await asyncio.sleep(rule.seconds)  # what was passed on may arrive before
            pair.cut()
            return False
        if rule.action == "half_close":
            return False
        if rule.action == "drop":
            return True
        if rule.action == "drop_reply":
            pair.swallow.add("down" if direction == "up" else "up")
        else:
            await asyncio.sleep(rule.seconds)
        writer.write(rest)
        await writer.drain()
        return True

    def _note(self, rule: Rule) -> None:
        self.fired.append(rule.id)
        self.log.add(at=time.time(), id=rule.id, line=rule.line, action=rule.action, pattern=rule.pattern)


async def _open(target: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if target.startswith("/"):
        return await asyncio.open_unix_connection(target)
    host, _, port = target.rpartition(":")
    return await asyncio.open_connection(host, int(port))


async def serve(config: dict[str, Any]) -> None:
    """Serve until whoever started us is gone."""
    proxy = FaultProxy(config["lines"], Path(config["log"]))
    ports = await proxy.listen()
    control.say_ready(**ports, control=await control.listen(proxy.order))
    await control.until_orphaned()


if __name__ == "__main__":
    asyncio.run(serve(json.loads(sys.argv[1])))
