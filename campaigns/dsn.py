"""Delivery reports: RFC 3464 read by ourselves, the many home-made ones by flufl.bounce, complaints by RFC 5965."""

from __future__ import annotations

import email.message
import logging
import re
from dataclasses import dataclass

from flufl.bounce import all_failures

from campaigns.faults import Fault, classify
from campaigns.parsing import clean, header, one_line
from campaigns.smtp import enhanced_code

log = logging.getLogger(__name__)

_ID = re.compile(rb"<[^<>\s@]{1,200}@[^<>\s]{1,200}>")
_CODE = re.compile(r"\b([45]\d\d)\b")
_LOOKS_LIKE_ONE = re.compile(
    r"undeliver|returned mail|return(ed)? to sender|deliver(y|ed)? (status|fail|problem|report|incomplete)|failure notice"
    r"|mail delivery|could not be delivered|delivery has failed|unzustellbar|nicht zugestellt|non remis|mail system error",
    re.I,
)
_DAEMON = re.compile(r"(mailer-?daemon|postmaster|mail-daemon)", re.I)


@dataclass(frozen=True)
class Failure:
    """One recipient that was not reached. `status` is an enhanced code like 5.1.1; `hard` means the address is dead."""

    email: str
    status: str
    said: str
    fault: Fault
    delayed: bool = False

    @property
    def hard(self) -> bool:
        return self.fault is Fault.RECIPIENT and not self.delayed


@dataclass(frozen=True)
class Report:
    """What a report says: who failed, or who complained, and the Message-IDs it speaks of."""

    failures: tuple[Failure, ...]
    message_ids: tuple[str, ...]
    complaint: bool = False


def read_report(message: email.message.Message, raw: bytes, sender: str, subject: str) -> Report | None:
    """A bounce or complaint, or None for every other mail. Reports of success and delay-only notices have no failures."""
    kind = str(message.get_param("report-type") or "").lower()
    is_report = message.get_content_type() == "multipart/report"
    ids = _message_ids(message, raw)
    if is_report and kind == "feedback-report":
        return Report((), ids, complaint=True)
    blocks = [part for part in message.walk() if part.get_content_type() == "message/delivery-status"]
    if blocks:
        return Report(tuple(_failures(blocks)), ids)
    if _DAEMON.match(sender) or (_LOOKS_LIKE_ONE.search(subject) and _from_nobody(message)):
        found = tuple(_by_flufl(message, raw))
        return Report(found, ids) if found else None
    return None


def _from_nobody(message: email.message.Message) -> bool:
    return header(message, "return-path").strip() == "<>" or bool(header(message, "x-failed-recipients"))


def _failures(parts: list[email.message.Message]) -> list[Failure]:
    found: dict[str, Failure] = {}
    for part in parts:
        payload = part.get_payload()
        for block in payload if isinstance(payload, list) else []:
            failure = _failure(block) if isinstance(block, email.message.Message) else None
            if failure is not None:
                found.setdefault(failure.email, failure)
    return list(found.values())


def _failure(block: email.message.Message) -> Failure | None:
    action = one_line(header(block, "action")).lower()
    recipient = header(block, "original-recipient") or header(block, "final-recipient")
    address = one_line(recipient.rpartition(";")[2]).strip("<> ").lower()
    if action not in ("failed", "delayed") or "@" not in address:
        return None
    said = one_line(header(block, "diagnostic-code").partition(";")[2]) or one_line(header(block, "status"))
    status = enhanced_code(one_line(header(block, "status"))) or enhanced_code(said)
    if status[2:] in ("0.0", "1.0", ""):  # says nothing; the server's own words may
        status = enhanced_code(said) or status
    return _judged(address, status, said, delayed=action == "delayed")


def _judged(address: str, status: str, said: str, *, delayed: bool = False) -> Failure:
    match = _CODE.search(said)
    code = int(match[1]) if match else (400 if status.startswith("4") else 550)
    fault = classify(code=code, enhanced=status, text=said, phase="bounce")
    if status.startswith("4") or (not status and code < 500):
        fault = Fault.TEMPORARY
    return Failure(address, status, said[:500], fault, delayed)


def _by_flufl(message: email.message.Message, raw: bytes) -> list[Failure]:
    try:
        temporary, permanent = all_failures(message)
    except Exception:  # its detectors meet mails nobody foresaw
        log.exception("A bounce could not be read")
        return []
    said = clean(raw[:20_000].decode("utf-8", "replace"))
    words = one_line(said[said.find("\n\n") :])[:3000]
    soft = [
        Failure(_text(a), "", "Reported as a passing failure.", Fault.TEMPORARY) for a in sorted(temporary)
    ]
    return soft + [_judged(_text(a), _status_in(words), words) for a in sorted(permanent)]


def _status_in(words: str) -> str:
    match = re.search(r"\b5\.\d{1,3}\.\d{1,3}\b", words)
    return match[0] if match else ""


def _text(address: bytes | str) -> str:
    return (
        (address.decode("ascii", "replace") if isinstance(address, bytes) else address).strip("<> ").lower()
    )


def _message_ids(message: email.message.Message, raw: bytes) -> tuple[str, ...]:
    """Message-IDs a report speaks of: of the mail it returns, else whatever looks like one."""
    for part in message.walk():
        kind = part.get_content_type()
        if kind == "message/rfc822" and isinstance(part.get_payload(), list) and part.get_payload():
            inner = one_line(header(part.get_payload()[0], "message-id"))  # type: ignore[index,arg-type]
            if inner:
                return (inner,)
    found = [match.decode("ascii", "replace") for match in _ID.findall(raw[:200_000])]
    return tuple(dict.fromkeys(found))[:50]
