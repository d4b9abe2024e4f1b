from django.apps import AppConfig


class SelfieHeroConfig(AppConfig):
    name = "selfiehero"

    def ready(self) -> None:
        from .staff import log  # noqa: F401 - listens to log-ins
