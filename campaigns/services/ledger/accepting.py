"""A mail was accepted: what `outcomes.sent` does for one, in one statement, since every mail waits for it.

Rows are locked as everywhere: the message, its lead, its sequence, then thread and mailbox.
"""

from __future__ import annotations

from datetime import datetime

from psycopg.types.json import Jsonb

from campaigns.models import MessageStatus
from campaigns.services.ledger.claim import Claim
from campaigns.services.transitions import sources_sql
from campaigns.smtp import Result
from leadpilot.lib import clock, failpoints
from leadpilot.lib.ids import new_id
from leadpilot.orgs import statements
from leads.services.leads import BEFORE_MAILED

_EARLY = ", ".join(f"'{status}'" for status in BEFORE_MAILED)
# Nothing happens when the message is not ours any more, or when the steps are not those that were planned with.
_ACCEPTED = f"""
WITH done AS (
    UPDATE campaigns_message m
       SET status = 'sent', status_reason = %(said)s, sent_at = %(now)s, lease_until = NULL
     WHERE m.org_id = %(org)s AND m.id = %(id)s AND m.lease_owner = %(owner)s AND m.attempts = %(attempt)s
       AND m.status IN ({sources_sql(MessageStatus.SENT)})
       AND (NOT %(planned)s::bool OR %(plan)s = coalesce((
            SELECT s.number || ':' || s.delay_days FROM campaigns_sequencestep s
             WHERE s.org_id = m.org_id AND s.campaign_id = m.campaign_id AND s.number > m.email_sequence
             ORDER BY s.number LIMIT 1), ''))
    RETURNING m.id, m.lead_id, m.enrollment_id, m.email_sequence, m.thread_id, m.mailbox_id
), attempt AS (
    UPDATE campaigns_sendattempt a
       SET outcome = 'sent', phase = %(phase)s, smtp_code = %(code)s, answer = %(said)s, finished_at = %(now)s
      FROM done WHERE a.org_id = %(org)s AND a.message_id = done.id AND a.number = %(attempt)s
), event AS (
    INSERT INTO campaigns_messageevent (id, org_id, message_id, kind, dedupe_key, data, happened_at)
    SELECT %(event)s, %(org)s, done.id, 'sent', 'sent', %(data)s, %(now)s FROM done
    ON CONFLICT (org_id, message_id, dedupe_key) DO NOTHING
), lead AS (
    UPDATE leads_lead l
       SET status = CASE WHEN l.status IN ({_EARLY}) THEN 'emailed' ELSE l.status END, last_interaction_at = %(now)s
      FROM done WHERE l.org_id = %(org)s AND l.id = done.lead_id
    RETURNING done.enrollment_id, done.email_sequence, done.thread_id, done.mailbox_id
), sequence AS (
    UPDATE campaigns_enrollment e
       SET status = CASE WHEN %(next)s::int IS NULL THEN 'completed' ELSE e.status END,
           finished_at = CASE WHEN %(next)s::int IS NULL THEN %(now)s ELSE e.finished_at END,
           next_step = coalesce(%(next)s::int, e.next_step),
           next_step_at = %(due)s::timestamptz,
           next_reason = CASE WHEN %(next)s::int IS NULL OR e.status = 'active' THEN %(why)s ELSE e.next_reason END
      FROM lead WHERE %(planned)s::bool AND e.org_id = %(org)s AND e.id = lead.enrollment_id
       AND e.next_step = lead.email_sequence AND e.status IN ('active', 'paused')
), thread AS (
    UPDATE campaigns_thread t SET last_message_at = %(now)s FROM lead WHERE t.org_id = %(org)s AND t.id = lead.thread_id
), mailbox AS (
    UPDATE campaigns_mailbox b SET last_sent_at = %(now)s, send_failures = 0
      FROM lead WHERE b.org_id = %(org)s AND b.id = lead.mailbox_id
)
SELECT done.id FROM done
"""  # noqa: S608 - constants only


def accept(claim: Claim, result: Result) -> bool:
    """Write down that a mail was accepted, with all that follows. False, and nothing done: see `accepted_statement`."""
    failpoints.hit("ledger.before_finish_commit")
    [accepted] = statements.run(claim.org_id, accepted_statement(claim, result, clock.now()))
    if accepted:
        failpoints.hit("ledger.after_finish")
    return bool(accepted)


def accepted_statement(claim: Claim, result: Result, now: datetime) -> statements.Statement:
    """Returns a row, or none when the lease was lost or the campaign's steps were changed since the claim."""
    plan = claim.following
    due, why = plan.when(now) if plan else (None, "")
    return _ACCEPTED, {
        "org": claim.org_id,
        "id": claim.message_id,
        "owner": claim.owner,
        "attempt": claim.attempt,
        "now": now,
        "said": result.text,
        "phase": result.phase,
        "code": result.code,
        "event": new_id(),
        "data": Jsonb({"proof": f"{result.code} {result.text}"}),
        "planned": plan is not None,
        "plan": plan.key if plan else "",
        "next": plan.number if plan else None,
        "due": due,
        "why": why,
    }
