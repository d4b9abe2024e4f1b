from django.apps import AppConfig


class NotificationsConfig(AppConfig):
    name = "notifications"

    def ready(self) -> None:
        from jobs.signals import job_changed

        from . import checks, layer, publish  # noqa: F401 checks register themselves

        layer.quiet_its_log()
        job_changed.connect(publish.on_job_changed, dispatch_uid="notifications.publish")
