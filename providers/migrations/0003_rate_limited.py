from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("providers", "0002_officer")]

    operations = [
        migrations.RenameField("providerconfig", "parked_until", "rate_limited_until"),
        migrations.RenameField("providerconfig", "parked_reason", "rate_limited_reason"),
        migrations.RenameField("providerconfig", "parks_in_row", "rate_limits_in_row"),
        migrations.RenameField("providerconfig", "shut_at", "blocked_at"),
    ]
