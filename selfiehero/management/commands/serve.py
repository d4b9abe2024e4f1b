from django.core.management.base import BaseCommand


class Command(BaseCommand):
    def add_arguments(self, parser):
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8000)

    def handle(self, *args, host, port, **options):
        from daphne.endpoints import build_endpoint_description_strings
        from daphne.server import Server

        from selfiehero.asgi import application

        Server(application, endpoints=build_endpoint_description_strings(host=host, port=port), verbosity=0).run()
