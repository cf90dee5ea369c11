"""Whose fault a permanent refusal is: the recipient's, ours, or the content's (RFC 3463 enhanced status codes)."""

from __future__ import annotations

import re
from enum import StrEnum


class Fault(StrEnum):
    """What a refusal asks for: suppress, pause the mailbox, warn the campaign, or wait and try again."""

    RECIPIENT = "recipient"
    OURS = "ours"
    CONTENT = "content"
    TEMPORARY = "temporary"


_OURS = re.compile(
    r"spf|dkim|dmarc|authenticat|relay|block(ed|list)|black ?list|\brbl\b|dnsbl|spamhaus|barracuda|reputation|policy"
    r"|rate limit|too many|sender (address )?(rejected|denied|verify)|not (allowed|permitted|authori[sz]ed)"
    r"|access denied|banned|reverse dns|\bptr\b",
    re.IGNORECASE,
)
_CONTENT = re.compile(
    r"spam(?!haus|cop)|virus|malware|phish|content|attachment|message (too large|size|exceeds)|suspicious",
    re.IGNORECASE,
)
_FULL = re.compile(
    r"over ?quota|quota (exceeded|full)|mailbox (is )?full|insufficient storage", re.IGNORECASE
)
_UNKNOWN_USER = re.compile(
    r"(no such|unknown|invalid|nonexistent|non-existent|undeliverable) (user|recipient|mailbox|address|account)"
    r"|(user|recipient|mailbox|address|account)\S* (is )?(unknown|not found|unavailable|rejected|disabled|inactive"
    r"|does ?n[o']t exist|not exist)|does not (exist|have an account)|user unknown",
    re.IGNORECASE,
)
# RFC 3463: class.subject.detail; the most telling ones by their last two numbers.
_BY_CODE = {
    "1.7": Fault.OURS,  # bad sender's address
    "1.8": Fault.OURS,
    "2.2": Fault.TEMPORARY,  # mailbox full: it may be emptied
    "2.3": Fault.CONTENT,  # too long for this recipient
    "3.4": Fault.CONTENT,  # too big for this system
    "4.6": Fault.OURS,
    "7.0": None,
    "7.1": None,  # used for everything; the words decide
}
_BY_SUBJECT = {
    "1": Fault.RECIPIENT,
    "2": Fault.RECIPIENT,
    "4": Fault.RECIPIENT,
    "6": Fault.CONTENT,
    "7": Fault.OURS,
}


def classify(*, code: int, enhanced: str, text: str, phase: str) -> Fault:
    """Whose fault a 5xx answer (or a bounce with status 5.x.x) is.

    `phase` is `mail`, `rcpt`, `data`, `after_dot` or `bounce`. The enhanced code decides; where it is missing or means
    anything (5.7.1, 5.0.0), the words do, and then the phase.
    """
    if phase in ("mail", "ehlo", "auth", "tls", "greeting", "rset"):
        return Fault.CONTENT if code == 552 else Fault.OURS
    if code in (530, 534, 535, 538):
        return Fault.OURS
    detail = enhanced.partition(".")[2]
    if detail in _BY_CODE:
        fault = _BY_CODE[detail]
        if fault is not None:
            return fault
    elif detail.partition(".")[0] in _BY_SUBJECT:
        return _BY_SUBJECT[detail.partition(".")[0]]
    return _by_words(code, text, phase, is_policy=detail.startswith("7."))


def _by_words(code: int, text: str, phase: str, *, is_policy: bool) -> Fault:
    if _FULL.search(text):
        return Fault.TEMPORARY
    if _UNKNOWN_USER.search(text) and not _OURS.search(text):
        return Fault.RECIPIENT
    if (
        phase in ("data", "after_dot", "bounce")
        and _CONTENT.search(text)
        and not re.search(r"spf|dkim|dmarc", text, re.I)
    ):
        return Fault.CONTENT
    if is_policy or _OURS.search(text):
        return Fault.OURS
    if phase in ("rcpt", "bounce"):
        return Fault.CONTENT if code == 552 else Fault.RECIPIENT
    return Fault.CONTENT
