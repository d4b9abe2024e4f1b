"""Reports of shared films, and when staff took a film down."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('jobs', '0029_deciding_deliveries'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name='job',
            name='taken_down_at',
            field=models.DateTimeField(blank=True, help_text='When staff took it from the public.', null=True),
        ),
        migrations.CreateModel(
            name='FilmReport',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('reason', models.CharField(choices=[('me', 'shows the person who reports, or somebody in their care'), ('child', 'shows a child'), ('harm', 'mocks, threatens or undresses somebody'), ('other', 'something else')], max_length=10)),
                ('words', models.CharField(blank=True, default='', max_length=500)),
                ('email', models.EmailField(blank=True, default='', help_text='For questions, if the person gave one.', max_length=254)),
                ('reported_at', models.DateTimeField()),
                ('state', models.CharField(choices=[('open', 'Open'), ('taken_down', 'Taken Down'), ('dismissed', 'Dismissed')], default='open', max_length=10)),
                ('settled_at', models.DateTimeField(blank=True, null=True)),
                ('job', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='reports', to='jobs.job')),
                ('settled_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['-reported_at', '-id'],
                'indexes': [models.Index(fields=['reported_at', 'id'], name='film_report_at'), models.Index(condition=models.Q(('state', 'open')), fields=['reported_at'], name='film_report_open')],
                'constraints': [models.CheckConstraint(condition=models.Q(models.Q(('settled_at', None), ('state', 'open')), models.Q(models.Q(('state', 'open'), _negated=True), ('settled_at__isnull', False)), _connector='OR'), name='film_report_settled_iff_not_open')],
            },
        ),
    ]
