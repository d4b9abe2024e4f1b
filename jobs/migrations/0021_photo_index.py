"""The index by which photos of ended jobs are found when their hour has come."""

from django.db import migrations, models

from jobs.models import HAS_ENDED_WITH_PHOTO
from providers.schema import AddIndexOnline


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("jobs", "0020_consent_and_photos")]

    operations = [
        AddIndexOnline(
            model_name="job",
            index=models.Index(name="job_photo", fields=["finished_at"], condition=HAS_ENDED_WITH_PHOTO),
        ),
    ]
