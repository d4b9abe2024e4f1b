from django.apps import AppConfig


class JobsConfig(AppConfig):
    name = "jobs"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from . import notes, takedowns
        from .intake import part_heads
        from .signals import jobs_erased

        part_heads.install()
        jobs_erased.connect(notes.on_jobs_erased, dispatch_uid="jobs.notes")
        jobs_erased.connect(takedowns.on_jobs_erased, dispatch_uid="jobs.takedowns")
