from django.db import migrations

from leadpilot.orgs.protection import WrittenOnce


class Migration(migrations.Migration):
    dependencies = [("orgs", "0002_row_level_security")]

    operations = [WrittenOnce("orgs_auditentry")]
