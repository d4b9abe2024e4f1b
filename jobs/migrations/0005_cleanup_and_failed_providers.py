from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("jobs", "0004_has_face")]

    operations = [
        migrations.RemoveIndex("attempt", "attempt_errand"),
        migrations.RenameField("attempt", "errand", "cleanup"),
        migrations.RenameField("attempt", "errand_at", "cleanup_at"),
        migrations.RenameField("attempt", "errand_tries", "cleanup_tries"),
        migrations.AddIndex(
            "attempt", models.Index(name="attempt_cleanup", fields=["cleanup_at"], condition=~Q(cleanup=""))
        ),
        migrations.RenameField("job", "failed_at", "failed_provider_ids"),
        migrations.RenameField("job", "refused_by", "refusing_content_rules"),
    ]
