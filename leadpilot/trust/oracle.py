"""The oracle: a strict SMTP server of its own process whose log says what was accepted. `python -m leadpilot.trust.oracle`

Its configuration is one JSON argument: `log` (path), `users` (names and passwords), `sent` (a MailStore, optional),
`size_limit`. It can be told to answer anything at any verb; a line of the log is on the disk before the 250 is written.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import sys
import time
from collections import deque
from pathlib import Path
from typing import Any

from leadpilot.trust import control, smtp_rules
from leadpilot.trust.ledgerbook import Ledgerbook
from leadpilot.trust.sent import MailStore
from leadpilot.trust.smtp_rules import Judged, Session
from leadpilot.trust.wire import Answer, HungUp, Wire

_MESSAGE_ID = re.compile(rb"^Message-ID:\s*(<[^>\r\n]+>)", re.M | re.I)
_SUBJECT = re.compile(rb"^Subject: ([^\r\n]*)", re.M | re.I)


class Oracle:
    """The server; `accepted` and `offences` count, `planned` holds the answers to come by verb."""

    def __init__(self, log: Path, users: dict[str, str], store: MailStore | None, size_limit: int) -> None:
        self.log = Ledgerbook(log)
        self.faults = Ledgerbook(log.with_name("offences.jsonl"))
        self.users, self.store, self.size_limit = users, store, size_limit
        self.planned: dict[str, deque[Answer]] = {}
        self.accepted = self.connections = self.offences = 0
        self.used: list[int] = []

    def order(self, request: dict[str, Any]) -> dict[str, Any]:
        """The control port: `plan` an answer, `clear` them, tell the `state`. Raises ValueError."""
        what = request.pop("do")
        if what == "plan":
            answer = Answer(**request)
            self.planned.setdefault(answer.verb, deque()).append(answer)
        elif what == "clear":
            self.planned.clear()
        elif what != "state":
            raise ValueError(f"no such order: {what}")
        waiting = sum(map(len, self.planned.values()))
        counts = {"accepted": self.accepted, "connections": self.connections, "offences": self.offences}
        return {**counts, "used": self.used, "waiting": waiting}

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One conversation, from greeting to the end."""
        self.connections += 1
        wire, session = Wire(reader, writer), Session(self.users, self.size_limit)
        try:
            await self._answer(wire, Judged("connect", "220 oracle ESMTP"))
            while await self._command(wire, session):
                pass
        except (HungUp, ConnectionError):
            pass  # clients that die in mid-sentence are what this is for
        finally:
            writer.close()

    async def _command(self, wire: Wire, session: Session) -> bool:
        line = await wire.until(b"\n", smtp_rules.LONGEST_COMMAND * 4)
        judged = session.judge(line)
        if wire.rest and not judged.offence:
            judged = Judged("bad", "503 5.5.0 wait for the answer", offence=True)
            await self._answer(wire, judged, said=line)
            return False
        taken = await self._answer(wire, judged, said=line)
        if judged.verb == "DATA" and taken and not judged.offence:
            await self._mail(wire, session)
        return judged.verb != "QUIT"

    async def _answer(self, wire: Wire, judged: Judged, said: bytes = b"") -> bool:
        """Give the planned or the usual answer; True when the command was taken. An offence is never planned away."""
        if judged.offence:
            self._offence(judged.answer, said)
            await wire.say(judged.answer)
            return False
        plan = self._next(judged.verb)
        if plan is None:
            if judged.effect:
                judged.effect()
            await wire.say(judged.answer)
            return True
        if plan.takes and judged.effect:
            judged.effect()
        await asyncio.sleep(plan.delay)
        await self._perform(wire, plan, judged.answer)
        return plan.takes

    async def _perform(self, wire: Wire, plan: Answer, usual: str) -> None:
        if plan.then == "go" or plan.say is not None:
            await wire.say(usual if plan.say is None else plan.say, plan.drip)
        if plan.then == "cut":
            if plan.say is None:  # after words it is a goodbye: a reset would take them back
                wire.cut()
            raise HungUp
        if plan.then == "silence":
            while True:  # until the client hangs up
                wire.rest.clear()
                await wire.until(b"\n", 1000)

    def _next(self, verb: str) -> Answer | None:
        waiting = self.planned.get(verb)
        if not waiting:
            return None
        answer = waiting.popleft()
        self.used.append(answer.id)
        return answer

    def _offence(self, answer: str, said: bytes) -> None:
        self.offences += 1
        self.faults.add(at=time.time(), answer=answer, said=said[:300].decode("latin-1"))

    async def _mail(self, wire: Wire, session: Session) -> None:
        data = await wire.data(self.size_limit)
        fault = smtp_rules.data_fault(data, eight_bit=session.eight_bit)
        if wire.rest:
            fault = fault or "554 5.5.0 something came after the last dot"
        if len(data) > self.size_limit:
            await wire.say("552 5.3.4 too big")
        elif fault:
            self._offence(fault, data[-300:])
            await wire.say(fault)
        else:
            await self._dot(wire, session, smtp_rules.unstuffed(data))
        session.reset()

    async def _dot(self, wire: Wire, session: Session, mail: bytes) -> None:
        plan = self._next("dot")
        if plan:
            await asyncio.sleep(plan.delay)
        if plan is None or plan.takes:
            self._accept(session, mail)
        usual = f"250 2.0.0 taken as number {self.accepted}"
        if plan is None:
            await wire.say(usual)
        else:
            await self._perform(wire, plan, usual)

    def _accept(self, session: Session, mail: bytes) -> None:
        """Write it down for good. Only after this returns may anybody be told."""
        self.accepted += 1
        at, digest = time.time(), hashlib.sha256(mail).hexdigest()
        self.log.add(
            at=at,
            user=session.user,
            mail_from=session.mail_from,
            rcpt_to=session.rcpt_to,
            message_id=_first(_MESSAGE_ID, mail),
            subject=_first(_SUBJECT, mail),
            sha256=digest,
            size=len(mail),
        )
        if self.store:
            self.store.file(session.user, "Sent", f"{int(at * 1e6)}.{self.accepted}.oracle", mail)


def _first(pattern: re.Pattern[bytes], mail: bytes) -> str:
    match = pattern.search(mail.partition(b"\r\n\r\n")[0])
    return match[1].decode("latin-1").strip() if match else ""


async def serve(config: dict[str, Any]) -> None:
    """Serve until whoever started us is gone."""
    sent = config.get("sent")
    store = MailStore(Path(sent["root"]), sent["uid"], sent["gid"]) if sent else None
    oracle = Oracle(Path(config["log"]), config["users"], store, config.get("size_limit", 10_000_000))
    server = await asyncio.start_server(oracle.talk, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    control.say_ready(smtp=port, control=await control.listen(oracle.order))
    await control.until_orphaned()


if __name__ == "__main__":
    asyncio.run(serve(json.loads(sys.argv[1])))
