import django.db.models.deletion
import leadpilot.lib.ids
import leadpilot.orgs.tenancy
from django.db import migrations, models

from leadpilot.orgs.protection import ProtectTenantTables, SystemFunction


class Migration(migrations.Migration):
    dependencies = [
        ("leads", "0003_row_level_security"),
        ("orgs", "0002_row_level_security"),
    ]

    operations = [
        migrations.RemoveField(
            model_name="leadimport",
            name="errors",
        ),
        migrations.CreateModel(
            name="ImportProblem",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=leadpilot.lib.ids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "outcome",
                    models.CharField(
                        choices=[("rejected", "Rejected"), ("skipped", "Skipped")], max_length=8
                    ),
                ),
                ("row", models.PositiveIntegerField()),
                ("field", models.CharField(max_length=40)),
                ("value", models.TextField(blank=True)),
                ("message", models.TextField()),
                (
                    "lead_import",
                    leadpilot.orgs.tenancy.TenantForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="problems",
                        to="leads.leadimport",
                    ),
                ),
                (
                    "org",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="orgs.organization"
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["org", "lead_import", "row"], name="problems_of_import")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("outcome__in", ["rejected", "skipped"])),
                        name="import_problem_outcome_known",
                    )
                ],
            },
        ),
        ProtectTenantTables("ImportProblem"),
        # A file is read back in pieces; packed, each piece would cost unpacking the whole.
        migrations.RunSQL(
            "ALTER TABLE leads_leadimport ALTER COLUMN content SET STORAGE EXTERNAL", migrations.RunSQL.noop
        ),
        SystemFunction(
            "leads_waiting_imports",
            "",
            "TABLE(org_id uuid, import_id uuid)",
            "SELECT org_id, id FROM leads_leadimport WHERE status = 'running' "
            "AND (lease_until IS NULL OR lease_until < clock_timestamp()) ORDER BY created_at LIMIT 100",
        ),
    ]
