from django.db import migrations

from leadpilot.orgs.protection import WrittenOnce


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0005_finders"), ("orgs", "0003_audit_written_once")]

    operations = [WrittenOnce("campaigns_messageevent")]
