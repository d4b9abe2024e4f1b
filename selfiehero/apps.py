from django.apps import AppConfig


class SelfieHeroConfig(AppConfig):
    name = "selfiehero"
