from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0027_heartbeat_keys")]

    operations = [
        migrations.AddField(
            model_name="webhookdelivery",
            name="is_progress",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="It was applied and told only how far its prediction was.",
            ),
        ),
    ]
