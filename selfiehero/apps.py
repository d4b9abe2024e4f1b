from django.apps import AppConfig


class SelfieHeroConfig(AppConfig):
    name = "selfiehero"

    def ready(self) -> None:
        from .staff import log, roles, sessions  # noqa: F401 - listen to log-ins and migrations
