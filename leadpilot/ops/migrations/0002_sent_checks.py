import django.db.models.deletion
import leadpilot.lib.clock
import leadpilot.lib.ids
import leadpilot.orgs.tenancy
from django.conf import settings
from django.db import migrations, models

from leadpilot.orgs.protection import ProtectTenantTables, SystemFunction


class Migration(migrations.Migration):

    dependencies = [
        ('campaigns', '0007_org_leads_every_index'),
        ('ops', '0001_counts'),
        ('orgs', '0004_org_leads_every_index'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='SentCheck',
            fields=[
                ('id', models.UUIDField(default=leadpilot.lib.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('status', models.CharField(choices=[('waiting', 'Not compared yet'), ('compared', 'Compared'), ('released', 'Released by a person')], default='waiting', max_length=8)),
                ('problem', models.TextField(blank=True)),
                ('bookmark', models.JSONField(blank=True, default=dict)),
                ('found', models.PositiveIntegerField(default=0)),
                ('unknown_found', models.PositiveIntegerField(default=0)),
                ('backup_at', models.DateTimeField()),
                ('tried_at', models.DateTimeField(blank=True, null=True)),
                ('finished_at', models.DateTimeField(blank=True, null=True)),
                ('created_at', models.DateTimeField(default=leadpilot.lib.clock.now, editable=False)),
                ('finished_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('mailbox', leadpilot.orgs.tenancy.TenantForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='sent_checks', to='campaigns.mailbox')),
                ('org', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='orgs.organization')),
            ],
            options={
                'constraints': [models.UniqueConstraint(condition=models.Q(('status', 'waiting')), fields=('org', 'mailbox'), name='sent_check_once'), models.CheckConstraint(condition=models.Q(('status__in', ['waiting', 'compared', 'released'])), name='sent_check_status_known')],
            },
        ),
        ProtectTenantTables("SentCheck"),
        SystemFunction(
            "ops_unchecked_mailboxes",
            "",
            "TABLE (org_id uuid, mailbox_id uuid)",
            """
            SELECT c.org_id, c.mailbox_id FROM ops_sentcheck c
             WHERE c.status = 'waiting'
               AND (c.tried_at IS NULL OR c.tried_at < clock_timestamp() - interval '5 minutes')
             ORDER BY c.tried_at NULLS FIRST
             LIMIT 500
            """,
        ),
        SystemFunction(
            "ops_waiting_checks",
            "",
            "integer",
            "SELECT count(*)::integer FROM ops_sentcheck c WHERE c.status = 'waiting'",
        ),
    ]
