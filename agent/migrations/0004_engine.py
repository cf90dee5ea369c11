from django.db import migrations, models

from leadpilot.orgs.protection import SystemFunction

MAY_ACT = """
    SELECT FROM agent_agentconfig c
     WHERE c.org_id = o.id AND o.halted_at IS NULL AND c.is_enabled AND c.status = 'running'
"""
DUE = f"""
SELECT o.id FROM orgs_organization o
 WHERE EXISTS (SELECT FROM agent_agenttask t
                WHERE t.org_id = o.id AND t.status = 'pending' AND t.scheduled_for <= moment
                  AND (t.task_type = ANY(quiet) OR EXISTS ({MAY_ACT})))
    OR EXISTS (SELECT FROM agent_agenttask t
                WHERE t.org_id = o.id AND t.status = 'running' AND t.lease_until < clock_timestamp())
"""
RUNNING = f"""
SELECT o.id FROM orgs_organization o
 WHERE EXISTS ({MAY_ACT})
    OR EXISTS (SELECT FROM campaigns_inboundmessage m WHERE m.org_id = o.id AND m.classification = '')
"""
FORBID = """
CREATE OR REPLACE FUNCTION agent_written_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = current_user AND (rolsuper OR rolbypassrls)) THEN
        RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
    END IF;
    RAISE EXCEPTION 'Rows of % are written once and never changed.', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$
"""
ONCE = [
    f"CREATE TRIGGER written_once BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION agent_written_once()"
    for table in ("agent_agentlog", "agent_decision")
]
AGAIN = [f"DROP TRIGGER written_once ON {table}" for table in ("agent_agentlog", "agent_decision")]


class Migration(migrations.Migration):
    dependencies = [("agent", "0003_row_level_security"), ("campaigns", "0003_row_level_security")]

    operations = [
        migrations.AddIndex(
            model_name="agenttask",
            index=models.Index(
                fields=["org", "-priority", "scheduled_for"],
                condition=models.Q(("attempts__gt", 0), ("status", "pending")),
                name="task_again",
            ),
        ),
        SystemFunction("agent_due_orgs", "moment timestamptz, quiet text[]", "SETOF uuid", DUE),
        SystemFunction("agent_running_orgs", "", "SETOF uuid", RUNNING),
        migrations.RunSQL([FORBID, *ONCE], [*AGAIN, "DROP FUNCTION agent_written_once()"]),
    ]
