"""The people of the sandbox read their mail and answer, each in their own way, once, also after kill -9."""

import hashlib
import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from leadpilot.lib import clock
from leadpilot.sandbox import one_click
from leadpilot.sandbox.bounces import write_bounce
from leadpilot.sandbox.complaints import write_complaint
from leadpilot.sandbox.journal import Journal
from leadpilot.sandbox.maildir import BadAddress, deliver, maildir_of
from leadpilot.sandbox.replies import Original, read_original, write_reply
from leadpilot.sandbox.world import Answer, Person, World

logger = logging.getLogger(__name__)

STOP_KINDS = ("unsubscribe", "angry")
ONE_CLICK_TRIES = 5
ONE_CLICK_PAUSE = 3.0  # seconds between tries
IDLE_SECONDS = 1.0


@dataclass
class Memory:
    """What the people have done so far, replayed from the journal at the start."""

    handled: set[tuple[str, str]] = field(default_factory=set)  # address, file
    seen_ids: set[tuple[str, str]] = field(default_factory=set)  # address, Message-ID
    counts: dict[str, int] = field(default_factory=dict)  # mails that came to somebody's attention
    stopped: dict[str, tuple[int, str]] = field(default_factory=dict)  # when (ns), why

    def take(self, entry: dict[str, Any]) -> None:
        """Learn from one line of the journal."""
        person = entry["person"]
        self.handled.add((person, entry["file"]))
        if entry["message_id"]:
            self.seen_ids.add((person, entry["message_id"]))
        if entry["event"] in ("ignored", "answered", "silent", "one_click"):
            self.counts[person] = self.counts.get(person, 0) + 1
        if entry.get("stop"):
            self.stopped.setdefault(person, (entry["at_ns"], entry["stop"]))


class People:
    """Everybody with a mailbox, in one thread."""

    def __init__(
        self, home: Path, world: Callable[[], World], *, delay: tuple[float, float], seed: int = 1
    ) -> None:
        """`delay` is the shortest and longest time somebody takes to answer, in seconds."""
        self.home = home
        self.world = world
        self.delay = delay
        self.seed = seed
        self.journal = Journal(home / "people.jsonl")
        self.violations = Journal(home / "violations.jsonl")
        self.memory = Memory()
        for entry in self.journal.read():
            self.memory.take(entry)
        self._tries: dict[str, tuple[int, float]] = {}
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="sandbox-people", daemon=True)

    def start(self) -> None:
        """Begin to read and answer."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the mail at hand and stop."""
        self._stopping = True
        self._wake.set()
        self._thread.join(timeout=15)

    def wake(self) -> None:
        """Say that a mail has come."""
        self._wake.set()

    def step(self) -> float:
        """Handle every mail that is due; returns the seconds until the next one may be."""
        wait = IDLE_SECONDS
        for person in self.world().people:
            for path in sorted((maildir_of(self.home, person.email) / "new").glob("*")):
                due = self._due(person, path) - time.time()
                if due > 0:
                    wait = min(wait, due)
                    break
                self._handle(person, path)
        return wait

    def _run(self) -> None:
        while not self._stopping:
            self._wake.clear()
            wait = self.step()
            self._wake.wait(wait)

    def _due(self, person: Person, path: Path) -> float:
        if path.name in self._tries:
            return self._tries[path.name][1]
        low, high = self.delay
        digest = hashlib.sha256(f"{self.seed} {person.email} {path.name}".encode()).digest()
        share = int.from_bytes(digest[:4]) / 0xFFFFFFFF
        return _arrived(path) / 1e9 + low + (high - low) * share

    def _handle(self, person: Person, path: Path) -> None:
        if (person.email, path.name) not in self.memory.handled:
            message = message_from_bytes(path.read_bytes(), policy=policy.default)
            assert isinstance(message, EmailMessage)
            try:
                entry = self._react(person, path, read_original(message))
            except Exception as error:  # one odd mail must not silence the town
                logger.exception("%s could not read %s", person.email, path.name)
                entry = {"event": "failed", "why": repr(error)}
            if entry is None:
                return  # to be tried again
            self._note(person, path, str(message.get("Message-ID", "")).strip(), entry)
        path.rename(path.parent.parent / "cur" / f"{path.name}:2,S")

    def _react(self, person: Person, path: Path, original: Original) -> dict[str, Any] | None:
        """Do what this person does with this mail; the returned entry says what it was, None: try later."""
        stopped = self.memory.stopped.get(person.email)
        if stopped and _arrived(path) > stopped[0]:
            return self._violation(person, path, original, stopped)
        if stopped:
            return {"event": "left_alone", "why": f"came before: {stopped[1]}"}
        if _is_automatic(original):
            return {"event": "left_alone", "why": "automatic mail"}
        if (person.email, original.message_id) in self.memory.seen_ids:
            return {"event": "left_alone", "why": "seen before"}
        if person.fate == "bounces":
            return self._report(person, path, original, write_bounce, "bounced")
        if person.fate == "complains":
            return self._report(person, path, original, write_complaint, "complained")
        count = self.memory.counts.get(person.email, 0)
        if count < person.ignores:
            return {"event": "ignored"}
        if count - person.ignores >= len(person.answers):
            return {"event": "silent"}
        answer = person.answers[count - person.ignores]
        if answer.kind == "one_click":
            return self._one_click(path, original)
        return self._answer(person, answer, path, original)

    def _answer(self, person: Person, answer: Answer, path: Path, original: Original) -> dict[str, Any]:
        mail = write_reply(self.world(), person, answer, original, clock.now())
        envelope = f"Return-Path: <{person.email}>\r\n".encode()
        self._deliver(original.answer_to, path, envelope + mail.as_bytes())
        entry = {"event": "answered", "kind": answer.kind, "reply_id": str(mail["Message-ID"])}
        return {**entry, "stop": answer.kind} if answer.kind in STOP_KINDS else entry

    def _report(
        self, person: Person, path: Path, original: Original, write: Callable[..., bytes], event: str
    ) -> dict[str, Any]:
        """What a mail server says about a mail, to its envelope sender."""
        sender = self._envelope_sender(path)
        if not sender:
            return {"event": "left_alone", "why": "no envelope sender"}
        report = write(person, original, sender, clock.now())
        self._deliver(sender, path, b"Return-Path: <>\r\n" + report)
        return {"event": event, "stop": event}

    def _envelope_sender(self, path: Path) -> str:
        """From the mail server's log: a report goes to MAIL FROM, whatever the headers say."""
        for entry in Journal(self.home / "accepted.jsonl").read():
            if entry["file"] == path.name:
                return str(entry["mail_from"])
        return ""

    def _one_click(self, path: Path, original: Original) -> dict[str, Any] | None:
        """Press the mail program's own unsubscribe button (RFC 8058)."""
        tries = self._tries.get(path.name, (0, 0.0))[0] + 1
        outcome = one_click.unsubscribe(original.message)
        if outcome.done:
            return {"event": "one_click", "address": outcome.address, "stop": "one_click"}
        if tries < ONE_CLICK_TRIES and outcome.again:
            self._tries[path.name] = (tries, time.time() + ONE_CLICK_PAUSE)
            return None
        return {"event": "one_click", "address": outcome.address, "failed": outcome.problem}

    def _violation(
        self, person: Person, path: Path, original: Original, stopped: tuple[int, str]
    ) -> dict[str, Any]:
        self.violations.add(
            at=clock.now().isoformat(),
            reason=f"after_{stopped[1]}",
            rcpt=person.email,
            message_id=original.message_id,
            file=path.name,
            seconds_after=round((_arrived(path) - stopped[0]) / 1e9, 3),
        )
        return {"event": "violation", "reason": f"after_{stopped[1]}"}

    def _deliver(self, address: str, path: Path, mail: bytes) -> None:
        with suppress(BadAddress):  # answers leave the sandbox for nowhere
            deliver(self.home, address, f"{path.name}.reply", mail)

    def _note(self, person: Person, path: Path, message_id: str, entry: dict[str, Any]) -> None:
        line = {
            "at_ns": time.time_ns(),
            "person": person.email,
            "file": path.name,
            "message_id": message_id,
            **entry,
        }
        self.journal.add(**line)
        self.memory.take(line)


def _arrived(path: Path) -> int:
    """When a mail was accepted, in nanoseconds since 1970, from its file name."""
    return int(path.name.partition(".")[0])


def _is_automatic(original: Original) -> bool:
    """RFC 3834: what a machine sent is not answered; neither is mail with nobody to answer to."""
    automatic = str(original.message.get("Auto-Submitted", "no")).split(";")[0].strip().lower()
    return automatic != "no" or not original.answer_to
