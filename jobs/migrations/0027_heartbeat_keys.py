from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0026_look_versions")]

    operations = [
        migrations.AddField(
            model_name="heartbeat",
            name="keys",
            field=models.CharField(
                blank=True, db_default="", default="", help_text="`providers.keys.digest_of_own`", max_length=16
            ),
        ),
    ]
