from django.apps import AppConfig


class NotificationsConfig(AppConfig):
    name = "notifications"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from jobs.lanes import pumps
        from jobs.signals import email_given, job_changed, job_ended, jobs_erased, links_ended, owner_exported

        from . import access, checks, confirmation, lane, layer, outbox, publish  # noqa: F401 checks register themselves

        layer.quiet_its_log()
        access.listen()
        job_ended.connect(outbox.on_job_ended, dispatch_uid="notifications.outbox")
        email_given.connect(confirmation.on_email_given, dispatch_uid="notifications.confirmation")
        owner_exported.connect(outbox.on_owner_exported, dispatch_uid="notifications.outbox")
        jobs_erased.connect(outbox.on_jobs_erased, dispatch_uid="notifications.outbox")
        links_ended.connect(publish.on_links_ended, dispatch_uid="notifications.publish")
        pumps.register(lane.NotifyLane, due=lane.due)
        job_changed.connect(publish.on_job_changed, dispatch_uid="notifications.publish")
