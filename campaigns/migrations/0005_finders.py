from django.db import migrations

from leadpilot.orgs.protection import SystemFunction

TWO_IDS = "TABLE (org_id uuid, mailbox_id uuid)"


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0004_ledger_details")]

    operations = [
        SystemFunction(
            "campaigns_due_mailboxes",
            "moment timestamptz",
            TWO_IDS,
            """
            SELECT b.org_id, b.id
              FROM campaigns_mailbox b JOIN orgs_organization o ON o.id = b.org_id
             WHERE b.status = 'connected' AND o.halted_at IS NULL
               AND (b.next_send_at IS NULL OR b.next_send_at <= moment)
               AND EXISTS (
                   SELECT FROM campaigns_message m
                     LEFT JOIN campaigns_campaign c ON c.id = m.campaign_id AND c.org_id = m.org_id
                    WHERE m.org_id = b.org_id AND m.mailbox_id = b.id
                      AND m.status IN ('queued', 'deferred') AND m.scheduled_for <= moment
                      AND (m.campaign_id IS NULL OR m.in_reply_to_id IS NOT NULL OR c.status = 'active'))
             ORDER BY b.next_send_at NULLS FIRST, b.id
             LIMIT 500
            """,
        ),
        SystemFunction(
            "campaigns_due_enrollments",
            "moment timestamptz",
            "TABLE (org_id uuid)",
            """
            SELECT DISTINCT e.org_id
              FROM campaigns_enrollment e
              JOIN orgs_organization o ON o.id = e.org_id
              JOIN campaigns_campaign c ON c.id = e.campaign_id AND c.org_id = e.org_id
             WHERE e.status = 'active' AND e.next_step_at <= moment
               AND o.halted_at IS NULL AND c.status = 'active'
               AND EXISTS (
                   SELECT FROM campaigns_message m
                    WHERE m.org_id = e.org_id AND m.enrollment_id = e.id
                      AND m.email_sequence = e.next_step AND m.status = 'held')
            """,
        ),
        SystemFunction(
            "campaigns_expired_leases",
            "",
            "TABLE (org_id uuid)",
            """
            SELECT DISTINCT m.org_id FROM campaigns_message m
             WHERE m.status IN ('claimed', 'sending') AND m.lease_until < clock_timestamp()
            """,
        ),
        SystemFunction(
            "campaigns_mailboxes_to_poll",
            "",
            TWO_IDS,
            """
            SELECT b.org_id, b.id FROM campaigns_mailbox b
             WHERE b.inbound_kind <> 'none'
               AND (b.poll_lease_until IS NULL OR b.poll_lease_until < clock_timestamp())
             ORDER BY b.last_polled_at NULLS FIRST
             LIMIT 500
            """,
        ),
        SystemFunction(
            "campaigns_unsettled_mailboxes",
            "",
            TWO_IDS,
            """
            SELECT DISTINCT m.org_id, m.mailbox_id
              FROM campaigns_message m
              JOIN campaigns_mailbox b ON b.id = m.mailbox_id AND b.org_id = m.org_id
             WHERE m.status = 'unknown' AND b.inbound_kind = 'imap'
             LIMIT 500
            """,
        ),
    ]
