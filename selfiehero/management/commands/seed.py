"""`manage.py seed`: the looks, the studio as provider, an admin account. Running it again changes nothing but
the studio's address and credentials, which follow the studio's process, and the simulated clouds, which are enabled
while `manage.py up` runs a simulator and disabled while it runs none."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from jobs.clock import database_now
from jobs.looks import versions
from jobs.looks.shipped import SHIPPED
from jobs.models import Look
from jobs.routing import hosts
from providers.keys import OtherKeys, require_known_keys
from providers.models import ProviderConfig
from providers.studio.service import credentials
from providers.studio.service.settings import default_renderers
from selfiehero import simulated_providers
from selfiehero.staff import code_apps


class Command(BaseCommand):
    help = "Make what a new installation needs: looks, the studio as provider, an admin account."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--no-admin", action="store_true", help="Make no admin account.")

    def handle(self, *args: Any, no_admin: bool, **options: Any) -> None:
        try:
            require_known_keys()
        except OtherKeys as error:
            raise CommandError(str(error), returncode=2) from None
        with transaction.atomic():
            for look in SHIPPED:
                row, _ = Look.objects.get_or_create(slug=look["slug"], defaults=look)
                versions.write_first(row, now=database_now())
            if settings.STUDIO_URL:
                self._seed_studio()
            self._seed_simulator()
            code_apps.seal_plain()
            if not no_admin:
                self._seed_admin()

    def _seed_studio(self) -> None:
        """The row of this host's own studio, or of the one that all hosts share (STUDIO_URL).

        Its slots: one for each renderer, and one more so that no renderer waits for the next job.
        """
        made = credentials.load_or_create(settings.VAR_DIR / "studio")
        host = "" if settings.STUDIO_IS_SHARED else hosts.this_host()
        row, slug = None, "studio"
        if host:
            row, slug = hosts.own_row(slug, host=host, api_key=made.api_key, now=database_now())
        current = {
            "is_managed": True,
            "host": host,
            "host_gone_at": None,
            "base_url": settings.STUDIO_URL,
            "api_key": made.api_key,
            "webhook_secrets": [made.webhook_secret],
        }
        first_time = {
            "title": "The studio",
            "adapter": "studio",
            "order": 1000,
            "photo_transport": "inline",
            "max_concurrent": default_renderers() + 1,
            "max_per_minute": 600,
            "connect_timeout": timedelta(seconds=2),
            "submit_timeout": timedelta(seconds=8),
            "silence": timedelta(seconds=8),
            "attempt_deadline": timedelta(minutes=5),
        }
        slug = row.slug if row else slug
        ProviderConfig.objects.update_or_create(slug=slug, defaults=current, create_defaults=current | first_time)

    def _seed_simulator(self) -> None:
        if settings.SIMULATOR_URL:
            titles = simulated_providers.enable(
                settings.SIMULATOR_URL,
                scenario=settings.SIMULATOR_SCENARIO,
                secrets_path=settings.SIMULATOR_SECRETS_PATH,
            )
            self.stdout.write(f"A simulator plays {', '.join(titles) or 'nobody: none of its clouds has an adapter'}.")
        elif titles := simulated_providers.disable():
            self.stdout.write(f"No simulator runs, so these providers are disabled: {', '.join(titles)}.")

    def _seed_admin(self) -> None:
        users = get_user_model().objects
        if users.filter(is_superuser=True).exists():
            return
        password = secrets.token_urlsafe(12)
        users.create_superuser("admin", password=password)
        self.stdout.write(f"Admin account: admin, password: {password} (shown once)")
