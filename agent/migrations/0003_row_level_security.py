from django.db import migrations

from leadpilot.orgs.protection import ProtectTenantTables


class Migration(migrations.Migration):
    dependencies = [("agent", "0002_relations"), ("campaigns", "0003_row_level_security")]

    operations = [
        ProtectTenantTables("AgentConfig", "Agent", "AgentTask", "Draft", "AgentLog", "Decision"),
    ]
