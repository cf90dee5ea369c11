from django.db import migrations

from leadpilot.orgs.protection import SystemFunction

# Names become numbers by their place in these lists, 0 for any other; leadpilot.ops.counts turns them back.
TASKS = "ARRAY['pending','running','awaiting_approval','completed','failed','cancelled']"
MESSAGES = (
    "ARRAY['held','queued','claimed','sending','sent','deferred','refused','unknown','not_sent','cancelled']"
)
OUTCOMES = "ARRAY['intent','sent','deferred','refused','unknown','not_sent']"
MAILBOXES = "ARRAY['connected','paused','error']"


def age(moment: str) -> str:
    return f"greatest(0, extract(epoch FROM clock_timestamp() - {moment}))::integer"


class Migration(migrations.Migration):
    dependencies = [
        ("orgs", "0004_org_leads_every_index"),
        ("campaigns", "0007_org_leads_every_index"),
        ("agent", "0009_org_leads_every_index"),
        ("django_q", "0019_alter_task_options_alter_ormq_key_alter_ormq_lock_and_more"),
    ]

    operations = [
        SystemFunction(
            "ops_counts",
            "",
            "TABLE (family smallint, kind smallint, amount integer)",
            f"""
            SELECT 1::smallint, coalesce(array_position({TASKS}, t.status::text), 0)::smallint, count(*)::integer
              FROM agent_agenttask t GROUP BY 2
            UNION ALL
            SELECT 2::smallint, 0::smallint, {age("min(t.scheduled_for)")}
              FROM agent_agenttask t
              JOIN agent_agentconfig c ON c.org_id = t.org_id AND c.is_enabled AND c.status = 'running'
              JOIN orgs_organization o ON o.id = t.org_id AND o.halted_at IS NULL
             WHERE t.status = 'pending' AND t.scheduled_for <= clock_timestamp()
            UNION ALL
            SELECT 3::smallint, coalesce(array_position({MESSAGES}, m.status::text), 0)::smallint, count(*)::integer
              FROM campaigns_message m GROUP BY 2
            UNION ALL
            SELECT 4::smallint, 0::smallint, {age("min(m.scheduled_for)")}
              FROM campaigns_message m
              JOIN campaigns_mailbox b ON b.org_id = m.org_id AND b.id = m.mailbox_id AND b.status = 'connected'
              JOIN orgs_organization o ON o.id = m.org_id AND o.halted_at IS NULL
             WHERE m.status IN ('queued', 'deferred') AND m.scheduled_for <= clock_timestamp()
            UNION ALL
            SELECT 5::smallint, coalesce(array_position({OUTCOMES}, a.outcome::text), 0)::smallint, count(*)::integer
              FROM campaigns_sendattempt a
             WHERE a.started_at > clock_timestamp() - interval '1 hour' GROUP BY 2
            UNION ALL
            SELECT 6::smallint, coalesce(array_position({MAILBOXES}, b.status::text), 0)::smallint, count(*)::integer
              FROM campaigns_mailbox b GROUP BY 2
            UNION ALL
            SELECT 7::smallint, 0::smallint, count(*)::integer
              FROM campaigns_inboundmessage i WHERE i.classification = ''
            UNION ALL
            SELECT 8::smallint, CASE WHEN q.lock <= clock_timestamp() THEN 1 ELSE 2 END::smallint, count(*)::integer
              FROM django_q_ormq q GROUP BY 2
            UNION ALL
            SELECT 9::smallint, 0::smallint, {age("r.last_started_at")}
              FROM orgs_recurringjob r
             WHERE r.name = 'leadpilot.schedules.dispatch' AND r.last_started_at IS NOT NULL
            UNION ALL
            SELECT 10::smallint, CASE WHEN o.halted_at IS NULL THEN 1 ELSE 2 END::smallint, count(*)::integer
              FROM orgs_organization o GROUP BY 2
            """,
        )
    ]
