from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("agent", "0007_webhook_is_a_secret")]

    operations = [
        migrations.AddIndex(
            model_name="draft",
            index=models.Index(
                fields=["org", "status"],
                condition=models.Q(status__in=["draft", "pending_approval", "approved"]),
                name="draft_open",
            ),
        ),
    ]
