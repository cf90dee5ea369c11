from django.db import migrations

from leadpilot.orgs.protection import CURRENT_ORG, CURRENT_USER, ProtectTable, ProtectTenantTables, SystemFunction


class Migration(migrations.Migration):
    dependencies = [("orgs", "0001_accounts")]

    operations = [
        ProtectTable(
            "orgs_membership",
            using=f"org_id = {CURRENT_ORG} OR user_id = {CURRENT_USER}",
            check=f"org_id = {CURRENT_ORG}",
        ),
        ProtectTable(
            "orgs_organization",
            using=(
                f"id = {CURRENT_ORG} OR EXISTS (SELECT FROM orgs_membership m "
                f"WHERE m.org_id = orgs_organization.id AND m.user_id = {CURRENT_USER})"
            ),
            check=f"id = {CURRENT_ORG}",
        ),
        ProtectTenantTables("AuditEntry", "Notification"),
        SystemFunction(
            "orgs_organization_id",
            "short_name text",
            "uuid",
            "SELECT id FROM orgs_organization WHERE slug = short_name",
        ),
    ]
