from django.apps import AppConfig


class NotificationsConfig(AppConfig):
    name = "notifications"

    def ready(self):
        from jobs.signals import job_changed

        from . import publish

        job_changed.connect(publish.on_change)
