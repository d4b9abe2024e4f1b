"""The index by which staff see the webhook calls that decide, without those that only report progress."""

from django.db import migrations, models

from providers.schema import AddIndexOnline


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("jobs", "0028_delivery_is_progress")]

    operations = [
        AddIndexOnline(
            model_name="webhookdelivery",
            index=models.Index(
                name="delivery_deciding", fields=["received_at", "id"], condition=models.Q(is_progress=False)
            ),
        ),
    ]
