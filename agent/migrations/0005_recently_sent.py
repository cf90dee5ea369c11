from django.db import migrations

from leadpilot.orgs.protection import SystemFunction

# Also organizations whose agent does not run but whose drafts have left: people approve by hand.
RUNNING = """
SELECT o.id FROM orgs_organization o
 WHERE EXISTS (SELECT FROM agent_agentconfig c
                WHERE c.org_id = o.id AND o.halted_at IS NULL AND c.is_enabled AND c.status = 'running')
    OR EXISTS (SELECT FROM campaigns_inboundmessage m
                WHERE m.org_id = o.id AND m.classification = '' AND m.lead_id IS NOT NULL)
    OR EXISTS (SELECT FROM campaigns_message m
                WHERE m.org_id = o.id AND m.sent_at > moment - interval '1 day' AND m.status = 'sent'
                  AND EXISTS (SELECT FROM agent_draft d
                               WHERE d.org_id = m.org_id AND d.message_id = m.id AND d.status = 'approved'))
"""


class Migration(migrations.Migration):
    dependencies = [("agent", "0004_engine")]

    operations = [
        migrations.RunSQL("DROP FUNCTION IF EXISTS agent_running_orgs()", migrations.RunSQL.noop),
        SystemFunction("agent_running_orgs", "moment timestamptz", "SETOF uuid", RUNNING),
    ]
