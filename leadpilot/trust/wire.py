"""The oracle's end of a connection, and what it can be told to say there."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from leadpilot.trust import control

IDLE = 300.0  # seconds without a word after which the oracle hangs up
THEN = ("go", "cut", "silence")


@dataclass
class Answer:
    """One planned answer: at `verb` (connect, EHLO, …, DATA, dot) say this instead of the usual.

    `say` None keeps the usual words. `then`: go on, cut the connection (RST, but after words FIN), or fall silent.
    `drip` and `delay` are seconds: between single bytes, and before the answer (at `dot`: before the mail is looked
    at). `accept` says whether the mail at `dot` is taken; without it a 2xx takes it. `id` is told back once used.
    """

    verb: str
    say: str | None = None
    then: str = "go"
    drip: float = 0.0
    delay: float = 0.0
    accept: bool | None = None
    id: int = 0

    def __post_init__(self) -> None:
        if self.then not in THEN:
            raise ValueError(f"then is one of {', '.join(THEN)}")

    @property
    def takes(self) -> bool:
        """Whether the usual effect of the verb comes about."""
        if self.accept is not None:
            return self.accept
        return self.say is None or self.say[:1] in ("2", "3")


class HungUp(Exception):
    """The conversation is over."""


@dataclass
class Wire:
    """A connection read by lines, with nothing hidden in buffers that are not ours."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    rest: bytearray = field(default_factory=bytearray)

    async def until(self, end: bytes, most: int) -> bytes:
        """Everything up to and with `end`, or the first `most` octets without one. Raises HungUp."""
        start = 0
        while (found := self.rest.find(end, max(0, start - len(end)))) < 0 and len(self.rest) <= most:
            start = len(self.rest)
            self.rest += await self._more()
        size = found + len(end) if found >= 0 else len(self.rest)
        taken = bytes(self.rest[:size])
        del self.rest[:size]
        return taken

    async def data(self, most: int) -> bytes:
        """A mail's data up to the last dot, which is not returned. Raises HungUp; more than `most` is read, not kept."""
        self.rest[:0] = b"\r\n"  # a dot alone in the first line ends the data, too
        while (found := self.rest.find(b"\r\n.\r\n")) < 0:
            if len(self.rest) > most + 70_000:
                del self.rest[most + 10 : -10]
            self.rest += await self._more()
        taken = bytes(self.rest[2 : found + 2])
        del self.rest[: found + 5]
        return taken

    async def _more(self) -> bytes:
        try:
            data = await asyncio.wait_for(self.reader.read(65536), IDLE)
        except (TimeoutError, ConnectionError) as error:
            raise HungUp from error
        if not data:
            raise HungUp
        return data

    async def say(self, text: str, drip: float = 0.0) -> None:
        """Write an answer and its line end, if told so one byte after the other."""
        data = text.encode("latin-1") + b"\r\n"
        pieces = [data[i : i + 1] for i in range(len(data))] if drip else [data]
        for piece in pieces:
            self.writer.write(piece)
            try:
                await self.writer.drain()
            except ConnectionError as error:
                raise HungUp from error
            if drip:
                await asyncio.sleep(drip)

    def cut(self) -> None:
        """RST, without a word."""
        control.reset(self.writer)
