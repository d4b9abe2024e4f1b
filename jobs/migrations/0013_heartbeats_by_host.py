from django.db import migrations, models


class Migration(migrations.Migration):
    # A primary key cannot be changed in place; what the table held is written again within five seconds.
    dependencies = [("jobs", "0012_faces_and_audit")]

    operations = [
        migrations.DeleteModel("Heartbeat"),
        migrations.CreateModel(
            name="Heartbeat",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=60)),
                ("host", models.CharField(blank=True, db_default="", default="", max_length=40)),
                ("version", models.CharField(blank=True, db_default="", default="", max_length=40)),
                ("seen_at", models.DateTimeField()),
            ],
            options={"constraints": [models.UniqueConstraint(fields=("name", "host"), name="heartbeat_once")]},
        ),
    ]
