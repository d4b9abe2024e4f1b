"""The index by which the figures of a minute find the attempts that ended in it."""

from django.db import migrations, models

from providers.schema import AddIndexOnline


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("jobs", "0018_staff_notes")]

    operations = [
        AddIndexOnline(
            model_name="attempt",
            index=models.Index(
                name="attempt_ended", fields=["finished_at"], condition=models.Q(("finished_at__isnull", False))
            ),
        ),
    ]
