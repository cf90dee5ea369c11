
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('campaigns', '0003_row_level_security'),
        ('leads', '0003_row_level_security'),
        ('orgs', '0002_row_level_security'),
    ]

    operations = [
        migrations.AddField(
            model_name='enrollment',
            name='resumed_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='inboundmessage',
            name='digest',
            field=models.CharField(blank=True, max_length=64),
        ),
        migrations.AddField(
            model_name='mailbox',
            name='poll_failures',
            field=models.PositiveSmallIntegerField(default=0),
        ),
        migrations.AddField(
            model_name='mailbox',
            name='poll_problem',
            field=models.TextField(blank=True),
        ),
        migrations.AddField(
            model_name='mailbox',
            name='send_failures',
            field=models.PositiveSmallIntegerField(default=0),
        ),
        migrations.AddField(
            model_name='message',
            name='reserved',
            field=models.JSONField(blank=True, default=list),
        ),
        migrations.AddConstraint(
            model_name='inboundmessage',
            constraint=models.UniqueConstraint(condition=models.Q(('digest', ''), _negated=True), fields=('org', 'mailbox', 'digest'), name='inbound_same_bytes_once'),
        ),
    ]
