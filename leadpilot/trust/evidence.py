"""What the database says when all has come to rest, as plain rows for the checker; and a message's whole history."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from django.db.models import Count, Q

from campaigns import clearance
from campaigns.models import Message, MessageEvent, SendAttempt
from leadpilot.lib import clock
from leadpilot.orgs.tenancy import org_context
from leadpilot.trust import ledgerbook
from leadpilot.trust.acts import People
from leadpilot.trust.population import Population
from leadpilot.trust.testimony import OPEN, Accepted, Evidence, Row

GOOD_REASONS = {
    *("cap", "spacing", "answered", "enrollment_paused", "enrollment_over", "lead_closed", "suppressed"),
    *("not_its_turn", "earlier_step", "step_over"),
}


def accepted(log: Path) -> list[Accepted]:
    """The oracle's log."""
    return [
        Accepted(
            at=line["at"],
            message_id=line["message_id"],
            sender=line["mail_from"],
            to=",".join(line["rcpt_to"]),
            sha256=line["sha256"],
            subject=line["subject"],
        )
        for line in ledgerbook.read(log)
    ]


def gather(people: People, log: Path) -> Evidence:
    """Everything the checker needs."""
    org = people.population.org
    return Evidence(
        accepted=accepted(log),
        rows=rows(people.population),
        stops=people.stops,
        caps=people.caps,
        zone=org.time_zone,
        now=time.time(),
    )


def rows(population: Population) -> list[Row]:
    """Every message of the organization."""
    org, now = population.org, clock.now()
    with org_context(org.pk):
        unknown = set(
            MessageEvent.objects.for_org(org)
            .filter(kind=MessageEvent.Kind.UNKNOWN)
            .values_list("message_id", flat=True)
        )
        intents = Count("send_attempts", filter=Q(send_attempts__outcome="intent"))
        found = Message.objects.for_org(org).select_related("mailbox").annotate(intents=intents)
        return [_row(population, message, message.pk in unknown, now) for message in found.defer("raw")]


def _row(population: Population, message: Any, was_unknown: bool, now: Any) -> Row:
    why, codes = _why_it_waits(message, now) if message.status in OPEN else ("", set())
    return Row(
        message_id=message.message_id,
        status=message.status,
        to=message.to_email,
        mailbox=message.mailbox.email,
        campaign=str(message.campaign_id),
        lead=str(message.lead_id),
        step=message.email_sequence,
        sha256=message.raw_hash,
        approved=population.approved.get(message.message_id, ""),
        explained=why,
        soon=codes <= {"spacing"},
        reason=message.status_reason,
        lease_until=message.lease_until.timestamp() if message.lease_until else None,
        was_unknown=was_unknown,
        open_intents=message.intents if message.status != "sending" else 0,
    )


def _why_it_waits(message: Any, now: Any) -> tuple[str, set[str]]:
    """Why it does not go, in the application's own words, asked anew; nothing when it may, or for a reason that is none.

    Whatever people did is undone by then, so only what remains counts: a cap, an answer, an opt-out, its turn.
    """
    verdict = clearance.clear(message, now)
    codes = set() if verdict.allowed else {reason.code for reason in verdict.reasons}
    if codes - GOOD_REASONS:
        return "", codes
    return " ".join(reason.text for reason in verdict.reasons) if codes else "", codes


def history(population: Population, message_id: str, folder: Path) -> list[str]:
    """All that happened to a message: attempts, events, what the oracle heard, and the faults around it."""
    org = population.org
    lines: list[tuple[float, str]] = []
    with org_context(org.pk):
        message = Message.objects.for_org(org).filter(message_id=message_id).first()
        if message is not None:
            for a in SendAttempt.objects.for_org(org).filter(message=message):
                said = f"attempt {a.number} by {a.lease_owner}: {a.outcome} {a.phase} {a.smtp_code or ''} {a.answer}"
                lines.append((a.started_at.timestamp(), said))
            for e in MessageEvent.objects.for_org(org).filter(message=message):
                lines.append((e.happened_at.timestamp(), f"event {e.kind} {e.data}"))
    for mail in accepted(folder / "oracle.jsonl"):
        if mail.message_id == message_id:
            lines.append((mail.at, f"ACCEPTED from {mail.sender} for {mail.to}"))
    if lines:
        begin, end = min(at for at, _ in lines) - 2, max(at for at, _ in lines) + 2
        for name in ("faults", "acts"):
            around = [
                entry for entry in ledgerbook.read(folder / f"{name}.jsonl") if begin < entry["at"] < end
            ]
            lines += [(entry["at"], f"  ({name}) {entry}") for entry in around]
    return [
        f"{time.strftime('%H:%M:%S', time.gmtime(at))}.{int(at % 1 * 1000):03} {said}"
        for at, said in sorted(lines)
    ]
