"""The short look at the world between a claim and the last dot (DESIGN 1.2): what has come up since every check passed.

In the statement that commits the intent, and once more before the last dot of a conversation that took its time.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from leads.models.lead import CLOSED_STATUSES

_CLOSED = ", ".join(f"'{status}'" for status in CLOSED_STATUSES)
# One query; no row when the message is not ours any more.
IN_THE_WAY = f"""
SELECT CASE
    WHEN o.halted_at IS NOT NULL THEN 'halted'
    WHEN b.status <> 'connected' THEN 'mailbox'
    WHEN l.status IN ({_CLOSED}) THEN 'lead_closed'
    WHEN m.in_reply_to_id IS NULL AND c.status <> 'active' THEN 'campaign'
    WHEN m.in_reply_to_id IS NULL AND e.status <> 'active' THEN 'enrollment'
    WHEN EXISTS (SELECT FROM leads_suppression s WHERE s.org_id = m.org_id AND s.value = ANY(%(values)s))
        THEN 'suppressed'
    WHEN EXISTS (SELECT FROM campaigns_inboundmessage i
                  WHERE i.org_id = m.org_id AND i.lead_id = m.lead_id AND NOT i.is_automatic
                    AND i.created_at > greatest(m.approved_at, e.resumed_at))
        THEN 'answered'
    WHEN EXISTS (SELECT FROM jsonb_array_elements(m.reserved) place
                   JOIN campaigns_quota q
                     ON q.org_id = m.org_id AND q.scope = place ->> 0 AND q.period = place ->> 1
                  WHERE q.used > CASE split_part(q.scope, ':', 1) WHEN 'mailbox' THEN b.daily_cap
                        WHEN 'campaign' THEN c.daily_cap WHEN 'org' THEN o.max_emails_per_day
                        ELSE coalesce(q.cap, q.used) END)
        THEN 'cap'
    ELSE '' END AS code
  FROM campaigns_message m
  JOIN orgs_organization o ON o.id = m.org_id
  JOIN campaigns_mailbox b ON b.org_id = m.org_id AND b.id = m.mailbox_id
  JOIN leads_lead l ON l.org_id = m.org_id AND l.id = m.lead_id
  LEFT JOIN campaigns_campaign c ON c.org_id = m.org_id AND c.id = m.campaign_id
  LEFT JOIN campaigns_enrollment e ON e.org_id = m.org_id AND e.id = m.enrollment_id
 WHERE m.org_id = %(org)s AND m.id = %(id)s AND m.status = %(status)s
   AND m.lease_owner = %(owner)s AND m.attempts = %(attempt)s AND m.lease_until > clock_timestamp()
"""  # noqa: S608 - constants only


def way_of(*, message_id: UUID, to_email: str, status: str, owner: str, attempt: int) -> dict[str, Any]:
    """The parameters of IN_THE_WAY, but for the organization's."""
    return {
        "values": suppression_values(to_email),
        "id": message_id,
        "status": status,
        "owner": owner,
        "attempt": attempt,
    }


def suppression_values(email: str) -> list[str]:
    """The entries of the suppression list that would forbid an address: itself, its domain, and those above it."""
    address = email.strip().lower()
    labels = address.rpartition("@")[2].split(".")
    return [address, *(".".join(labels[i:]) for i in range(len(labels)))]
