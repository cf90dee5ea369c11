from django.db import migrations

from leadpilot.orgs.protection import ProtectTenantTables


class Migration(migrations.Migration):
    dependencies = [("leads", "0002_relations"), ("orgs", "0002_row_level_security")]

    operations = [
        ProtectTenantTables(
            "Company", "LeadImport", "Lead", "Note", "Suppression", "Page", "LeadResearch", "Fact", "ApiUsage"
        ),
    ]
