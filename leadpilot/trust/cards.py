"""What can go wrong and what people can do: the cards that a plan is drawn from."""

from __future__ import annotations

from typing import Any

CLUSTERS = 3
SLOWEST = 8.0  # seconds of the slow answer that is a trap: longer than the grace of a stop
PLACES = (
    "ledger.before_claim_commit",
    "ledger.before_intent_commit",
    "ledger.after_intent",
    "smtp.mail",
    "smtp.rcpt",
    "smtp.data",
    "smtp.body",
    "smtp.before_dot",
    "smtp.dot",
    "smtp.after_dot",
    "ledger.before_finish_commit",
    "ledger.after_finish",
    "smtp.rset",
    "inbound.before_commit",
)
ACTIONS = ("kill", "kill", "kill", "kill", "exit", "raise", "sleep:1.5")
_DOT = "\r\n.\r\n"
TRAPS = ("", "", "connect", "RCPT", "DATA", "commit")

# Of a hundred faults, about so many of each kind. Whole clusters are dear to start, so few of them die.
WEIGHTS = {
    "failpoint": 38,
    "worker": 9,
    "cluster": 5,
    "smtp": 17,
    "postgres": 13,
    "oracle": 15,
    "imap": 2,
    "restart": 1,
}
ACT_WEIGHTS = {
    "pause_campaign": 4,
    "pause_mailbox": 4,
    "halt": 1,
    "opt_out": 5,
    "withdraw": 3,
    "reply": 4,
    "lower_cap": 4,
}
FAULTS_PER_ACT = 4
FAULTS_PER_TRAP = 20
TRAPPED = ("lower_cap", "opt_out", "pause_mailbox", "pause_campaign")

SMTP: tuple[dict[str, Any], ...] = (
    *(
        {"action": "cut", "pattern": pattern, "forward": forward, "seconds": 0.05 if forward else 0.0}
        for pattern in ("MAIL FROM", "RCPT TO", "DATA\r\n", "Message-ID", _DOT)
        for forward in (False, True)
    ),
    {"action": "cut", "direction": "down", "pattern": "220 "},
    {"action": "cut", "direction": "down", "pattern": "354"},
    {"action": "cut", "direction": "down", "pattern": "250 2.0.0 taken"},
    {"action": "drop", "direction": "down", "pattern": "250 2.0.0 taken"},
    {"action": "drop_reply", "pattern": "RCPT TO"},
    {"action": "drop_reply", "pattern": _DOT},
    {"action": "half_close", "pattern": "DATA\r\n", "forward": True},
    {"action": "half_close", "direction": "down", "pattern": "354"},
    {"action": "half_close", "pattern": _DOT, "forward": True},
    {"action": "delay", "pattern": "MAIL FROM", "seconds": 1.5},
    {"action": "delay", "direction": "down", "pattern": "354", "seconds": 2.0},
    {"action": "delay", "direction": "down", "pattern": "250 2.0.0 taken", "seconds": 2.0},
)
# `claimed` stands in what begins a mail (its intent), `taken as number` in what finishes one that was accepted.
POSTGRES: tuple[dict[str, Any], ...] = (
    *(
        {"action": "cut", "pattern": pattern, "forward": forward, "seconds": 0.1 if forward else 0.0}
        for pattern in ("COMMIT", "claimed", "taken as number")
        for forward in (False, True)
    ),
    {"action": "cut", "pattern": "COMMIT", "nth": 7, "forward": True, "seconds": 0.1},
    {"action": "cut", "pattern": "campaigns_quota", "nth": 3},
    {"action": "cut", "pattern": "FOR UPDATE"},
    {"action": "cut", "direction": "down", "pattern": "COMMIT"},
    {"action": "delay", "pattern": "COMMIT", "seconds": 2.0},
    {"action": "delay", "pattern": "claimed", "seconds": 2.0},
    {"action": "half_close", "pattern": "COMMIT", "forward": True},
    {"action": "cut_all"},
)
ORACLE: tuple[dict[str, Any], ...] = (
    {"verb": "connect", "say": "421 4.3.2 too busy", "then": "cut"},
    {"verb": "connect", "then": "silence"},
    {"verb": "EHLO", "say": "421 4.7.0 not now"},
    {"verb": "AUTH", "say": "454 4.7.0 later"},
    {"verb": "AUTH", "say": "535 5.7.8 wrong name or password"},
    {"verb": "MAIL", "say": "421 4.4.2 closing", "then": "cut"},
    {"verb": "MAIL", "say": "451 4.3.0 later"},
    {"verb": "MAIL", "say": "550 5.7.1 we do not like you"},
    {"verb": "RCPT", "say": "450 4.2.0 greylisted"},
    {"verb": "RCPT", "say": "452 4.2.2 full"},
    {"verb": "RCPT", "say": "550 5.1.1 no such user"},
    {"verb": "RCPT", "say": "550-5.1.1 no\r\n550 5.1.1 such \xe9 user"},
    {"verb": "RCPT", "then": "silence"},
    {"verb": "DATA", "say": "451 4.3.0 later"},
    {"verb": "DATA", "say": "554 5.7.1 no"},
    {"verb": "dot", "say": "451 4.3.0 later"},
    {"verb": "dot", "say": "552 5.2.2 too big"},
    {"verb": "dot", "say": "554 5.7.1 spam"},
    {"verb": "dot", "then": "silence", "accept": True},
    {"verb": "dot", "then": "silence", "accept": False},
    {"verb": "dot", "then": "cut", "accept": True},
    {"verb": "dot", "say": "421 4.3.0 going down", "then": "cut"},
    {"verb": "dot", "say": "hello?", "accept": True},
    {"verb": "dot", "drip": 0.2},
    {"verb": "dot", "say": "250-2.0.0 taken\r\n250 2.0.0 \xff\xfe", "accept": True},
    {"verb": "dot", "delay": 1.5},
)
CLUSTER = (
    ("parent", "KILL"),
    ("parent", "TERM"),
    ("group", "KILL"),
    ("group", "TERM"),
    ("sentinel", "KILL"),
    ("helper", "KILL"),
)
