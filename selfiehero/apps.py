import gc

from django.apps import AppConfig


class SelfieHeroConfig(AppConfig):
    name = "selfiehero"

    def ready(self) -> None:
        from .staff import log, roles, sessions  # noqa: F401 - listen to log-ins and migrations

        # What has been loaded stays until the end: from here on garbage is looked for among what comes later.
        gc.freeze()
        gc.enable()
        # What a request leaves needs no collector; every 700 objects it would look through all of it again.
        gc.set_threshold(50_000, 20, 20)
