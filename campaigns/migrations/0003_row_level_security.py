from django.db import migrations

from leadpilot.orgs.protection import ProtectTenantTables


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0002_relations"), ("leads", "0003_row_level_security")]

    operations = [
        ProtectTenantTables(
            "Mailbox",
            "Campaign",
            "CampaignMailbox",
            "SequenceStep",
            "Enrollment",
            "Thread",
            "Message",
            "SendAttempt",
            "MessageEvent",
            "InboundMessage",
            "Quota",
        ),
    ]
